// Package outgoing makes HTTP clients for asking a company's own systems: bounded in time and connections, and closed to
// redirects, since a secret belongs to the address that was configured and to no other.
package outgoing

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Client makes a client that speaks to one host over so many connections at most. timeout bounds a whole exchange, the
// answer's body included. Whoever made it calls CloseIdleConnections at the end.
func Client(timeout time.Duration, conns int) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: timeout}).DialContext,
			TLSHandshakeTimeout:    timeout,
			ResponseHeaderTimeout:  timeout,
			MaxConnsPerHost:        conns,
			MaxIdleConnsPerHost:    conns, // what a herd needed stays open until it is over: handshakes cost more
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: 64 << 10,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
		},
	}
}

// Plain takes the URL out of a client's error: some carry a secret in their query.
func Plain(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
