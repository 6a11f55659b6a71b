package integration

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shake-live/shake/internal/testenv"
)

// TestDrain sends SIGTERM to a process under load: every request that it accepted is answered, and it ends by
// itself with a clean exit.
func TestDrain(t *testing.T) {
	s := servers{
		redis: []string{testenv.Redis(t)}, kafka: testenv.Kafka(t), dsn: testenv.MySQL(t), namespace: testenv.Namespace(t),
		more: "durability: {mode: async}\nlimits: {user_rate: 0}",
	}
	sys := newSystem(t, s)
	sys.apply(campaign("drain", 10*time.Minute, 1000, 1_000_000, 4))
	p := sys.serve("api,worker")
	if status := ready(t, p); status != 200 {
		t.Fatalf("readyz answers %d before the drain", status)
	}
	var answered, dropped atomic.Int64
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			h := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
			c, err := login(t.Context(), h, p.url, fmt.Sprint("drain-", i))
			if err != nil {
				t.Errorf("login: %v", err)
				return
			}
			for {
				_, err := c.call(context.Background(), "GET", "/v1/campaigns/drain/me", nil, nil)
				switch {
				case err == nil:
					answered.Add(1)
				case errors.Is(err, syscall.ECONNREFUSED):
					return // nothing was accepted any more
				case unsent(err):
					// The server had closed the connection before it read the request: a client sends it again.
				default:
					dropped.Add(1)
					t.Errorf("a request was dropped: %v", err)
					return
				}
			}
		})
	}
	time.Sleep(time.Second)
	began := time.Now()
	if err := p.stop(); err != nil {
		t.Errorf("the process ended with %v\n%s", err, p.logged())
	}
	wg.Wait()
	t.Logf("%d requests answered, %d dropped, %s to the end", answered.Load(), dropped.Load(), time.Since(began).Round(time.Millisecond))
	if answered.Load() < 100 {
		t.Errorf("only %d requests were answered: that was no load", answered.Load())
	}
}

// unsent tells whether a connection ended before any byte of an answer, as an idle one does that the server closes
// while the next request is on its way.
func unsent(err error) bool {
	return strings.Contains(err.Error(), "server closed idle connection") || errors.Is(err, syscall.ECONNRESET) || strings.HasSuffix(err.Error(), "EOF")
}

func ready(t *testing.T, p *process) int {
	t.Helper()
	status := 0
	eventually(t, 10*time.Second, func() error {
		resp, err := http.Get(p.opsURL + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if status = resp.StatusCode; status != 200 {
			return fmt.Errorf("readyz answers %d", status)
		}
		return nil
	})
	return status
}
