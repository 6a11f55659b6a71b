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
	"github.com/shake-live/shake/test/rig"
)

// TestDrain sends SIGTERM to a process under load: every request that is sent before a balancer sees that the node is
// not ready is answered, and so is every request on a connection that stays; it ends by itself with a clean exit.
func TestDrain(t *testing.T) {
	s := rig.Servers{
		Redis: []string{testenv.Redis(t)}, Kafka: testenv.Kafka(t), DSN: testenv.MySQL(t), Namespace: testenv.Namespace(t),
		LameDuck: time.Second, More: "durability: {mode: async}\nlimits: {user_rate: 0}",
	}
	sys := rig.New(t, s)
	sys.Apply(rig.Campaign("drain", 10*time.Minute, 1000, 1_000_000, 4))
	p := sys.Serve("api,worker")
	if status := ready(t, p); status != 200 {
		t.Fatalf("readyz answers %d before the drain", status)
	}
	balancer := watchReady(t, p)
	var answered, dropped atomic.Int64
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			h := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
			c, err := rig.Login(t.Context(), h, p.URL, fmt.Sprint("drain-", i))
			if err != nil {
				t.Errorf("login: %v", err)
				return
			}
			for balancer.sendsHere() {
				if _, err := c.Call(context.Background(), "GET", "/v1/campaigns/drain/me", nil, nil); err != nil {
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
	if err := p.Stop(); err != nil {
		t.Errorf("the process ended with %v\n%s", err, p.Logged())
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

func watchReady(t *testing.T, p *rig.Process) *balancer {
	b := &balancer{}
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	go func() {
		defer close(done)
		for b.sendsHere() {
			time.Sleep(100 * time.Millisecond)
			resp, err := http.Get(p.OpsURL + "/readyz")
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

func ready(t *testing.T, p *rig.Process) int {
	t.Helper()
	status := 0
	rig.Eventually(t, 10*time.Second, func() error {
		resp, err := http.Get(p.OpsURL + "/readyz")
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
