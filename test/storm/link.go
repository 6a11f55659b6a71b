package storm

import (
	"fmt"
	"strings"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Link is a way to addr that carries so many kilobytes a second in each direction, so that what stands behind it is slow
// whatever the machine is. listen is where it begins; stop takes it away.
func Link(addr string, kbs int) (listen string, stop func(), err error) {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, "link", "127.0.0.1:0", addr)
	if err := proxy.Start(); err != nil {
		return "", nil, err
	}
	for _, direction := range []string{"upstream", "downstream"} {
		text := fmt.Sprintf(`{"name":"%s","type":"bandwidth","stream":"%[1]s","attributes":{"rate":%d}}`, direction, kbs)
		if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(text)); err != nil {
			proxy.Stop()
			return "", nil, err
		}
	}
	return proxy.Listen, proxy.Stop, nil
}
