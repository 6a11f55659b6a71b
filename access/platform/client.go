package platform

import (
	"fmt"
	"io"
	"net/http"

	"github.com/shake-live/shake/internal/outgoing"
)

// maxResponse bounds what a platform may answer.
const maxResponse = 256 << 10

// ask sends the request and reads the answer, which must be 200.
func ask(c *http.Client, r *http.Request) ([]byte, error) {
	resp, err := c.Do(r)
	if err != nil {
		return nil, outgoing.Plain(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	switch {
	case err != nil:
		return nil, outgoing.Plain(err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("got status %d, want 200", resp.StatusCode)
	case len(body) > maxResponse:
		return nil, fmt.Errorf("got more than %d bytes", maxResponse)
	}
	return body, nil
}
