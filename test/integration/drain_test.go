package integration

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shake-live/shake/internal/testenv"
)

// TestDrain sends SIGTERM to a process under load: every request that is sent before a balancer sees that the node is
// not ready is answered, and so is every request on a connection that stays; it ends by itself with a clean exit.
func TestDrain(t *testing.T) {
	s := servers{
		redis: []string{testenv.Redis(t)}, kafka: testenv.Kafka(t), dsn: testenv.MySQL(t), namespace: testenv.Namespace(t),
		lameDuck: time.Second, more: "durability: {mode: async}\nlimits: {user_rate: 0}",
	}
	sys := newSystem(t, s)
	sys.apply(campaign("drain", 10*time.Minute, 1000, 1_000_000, 4))
	p := sys.serve("api,worker")
	if status := ready(t, p); status != 200 {
		t.Fatalf("readyz answers %d before the drain", status)
	}
	balancer := watchReady(t, p)
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
			for balancer.sendsHere() {
				if _, err := c.call(context.Background(), "GET", "/v1/campaigns/drain/me", nil, nil); err != nil {
					dropped.Add(1)
					t.Errorf("a request was dropped: %v", err)
					return
				}
				answered.Add(1)
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

// balancer looks at a node's readiness every 100 ms, as the thing before it does.
type balancer struct{ red atomic.Bool }

func (b *balancer) sendsHere() bool { return !b.red.Load() }

func watchReady(t *testing.T, p *process) *balancer {
	b := &balancer{}
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	go func() {
		defer close(done)
		for b.sendsHere() {
			time.Sleep(100 * time.Millisecond)
			resp, err := http.Get(p.opsURL + "/readyz")
			if err != nil {
				t.Errorf("the node was gone before it was not ready: %v", err)
				b.red.Store(true)
				return
			}
			_ = resp.Body.Close()
			b.red.Store(resp.StatusCode != http.StatusOK)
		}
	}()
	return b
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
