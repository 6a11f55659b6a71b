// Package link is a bad network on one machine: a way to a server that can be cut, slowed, narrowed and made to lose
// replies. It is Shopify's toxiproxy, in process.
package link

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Link is a way to one server.
type Link struct{ proxy *toxiproxy.Proxy }

// New opens a way from listen to the server at addr. Port 0 takes a free one; Addr tells which.
func New(listen, addr string) (*Link, error) {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	l := &Link{proxy: toxiproxy.NewProxy(server, "link", listen, addr)}
	if err := l.proxy.Start(); err != nil {
		return nil, fmt.Errorf("link to %s: %w", addr, err)
	}
	return l, nil
}

// Addr is where the way begins.
func (l *Link) Addr() string { return l.proxy.Listen }

// Close takes the way away and ends its connections.
func (l *Link) Close() { l.proxy.Stop() }

// Cut ends all connections and refuses new ones until Mend.
func (l *Link) Cut() { l.proxy.Stop() }

// Mend undoes everything that was done to the link.
func (l *Link) Mend() error {
	l.proxy.Toxics.ResetToxics(context.Background())
	if err := l.proxy.Start(); err != nil && !errors.Is(err, toxiproxy.ErrProxyAlreadyStarted) {
		return fmt.Errorf("link: %w", err)
	}
	return nil
}

// Lead ends all connections; new ones go to another server.
func (l *Link) Lead(addr string) error {
	return l.proxy.Update(&toxiproxy.Proxy{Listen: l.proxy.Listen, Upstream: addr, Enabled: true})
}

// Hang lets nothing through, and keeps the connections.
func (l *Link) Hang() error { return l.both("timeout", `"timeout":0`) }

// Narrow carries so many kilobytes a second in each direction.
func (l *Link) Narrow(kbs int) error { return l.both("bandwidth", fmt.Sprintf(`"rate":%d`, kbs)) }

// Slow delays every reply, by up to jitter more or less.
func (l *Link) Slow(delay, jitter time.Duration) error {
	return l.add("downstream", "latency", fmt.Sprintf(`"latency":%d,"jitter":%d`, delay.Milliseconds(), jitter.Milliseconds()))
}

// LoseReplies lets requests arrive; a connection's replies vanish, and it ends a moment after the first of them.
func (l *Link) LoseReplies(after time.Duration) error {
	return l.add("downstream", "timeout", fmt.Sprintf(`"timeout":%d`, after.Milliseconds()))
}

func (l *Link) both(kind, attributes string) error {
	for _, direction := range []string{"upstream", "downstream"} {
		if err := l.add(direction, kind, attributes); err != nil {
			return err
		}
	}
	return nil
}

func (l *Link) add(direction, kind, attributes string) error {
	text := fmt.Sprintf(`{"name":"%s-%s","type":"%[2]s","stream":"%[1]s","attributes":{%[3]s}}`, direction, kind, attributes)
	if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(text)); err != nil {
		return fmt.Errorf("link: %s: %w", kind, err)
	}
	return nil
}
