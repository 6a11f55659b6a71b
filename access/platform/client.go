package platform

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// maxResponse bounds what a platform may answer.
const maxResponse = 256 << 10

// client asks one platform. It follows no redirects: a secret or a key is at the address that was configured or nowhere.
func client(timeout time.Duration, conns int) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: timeout}).DialContext,
			TLSHandshakeTimeout:    timeout,
			ResponseHeaderTimeout:  timeout,
			MaxConnsPerHost:        conns,
			MaxIdleConnsPerHost:    min(conns, 16),
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: 64 << 10,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
		},
	}
}

// ask sends the request and reads the answer, which must be 200.
func ask(c *http.Client, r *http.Request) ([]byte, error) {
	resp, err := c.Do(r)
	if err != nil {
		return nil, plain(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	switch {
	case err != nil:
		return nil, plain(err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("got status %d, want 200", resp.StatusCode)
	case len(body) > maxResponse:
		return nil, fmt.Errorf("got more than %d bytes", maxResponse)
	}
	return body, nil
}

// plain takes the URL out of an error: some carry a secret in their query.
func plain(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
