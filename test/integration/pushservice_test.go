package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/test/rig"
)

// phones is a company's push service: it knows notices by their keys, so a phone rings once for each.
type phones struct {
	mu       sync.Mutex
	hanging  bool
	requests int
	rings    map[string]string // round by key
	stop     chan struct{}
}

func (p *phones) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var n struct {
		ID, Kind, User, Campaign, Round, Market string
		Params                                  map[string]string
	}
	key := r.Header.Get("Idempotency-Key")
	if err := json.Unmarshal(body, &n); err != nil || n.ID != key || n.Kind != "win" || n.Market != "SG" || n.Params["coins"] == "" ||
		r.Header.Get("Authorization") != "Bearer a key for these tests only" {
		http.Error(w, fmt.Sprintf("can't take %q", body), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.requests++
	p.rings[key] = n.Round
	hanging := p.hanging
	p.mu.Unlock()
	if hanging {
		select {
		case <-p.stop:
		case <-r.Context().Done():
		}
	}
}

func (p *phones) hang(hanging bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hanging = hanging
}

func (p *phones) told() (requests, rings int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests, len(p.rings)
}

// TestPushService wins rounds while the company's push service hangs and the worker that asks it is killed: wallets and
// inboxes do not wait, and each win that was not shown rings once.
func TestPushService(t *testing.T) {
	t.Parallel() // it waits more than it works
	service := &phones{hanging: true, rings: map[string]string{}, stop: make(chan struct{})}
	at := httptest.NewServer(service)
	defer at.Close()
	defer close(service.stop)
	sys := rig.New(t, rig.Servers{
		Redis: []string{testenv.Redis(t)}, Kafka: testenv.Kafka(t), DSN: testenv.MySQL(t), Namespace: testenv.Namespace(t),
		More: "durability: {mode: async}\npush_service: {url: '" + at.URL + "/notices', token: 'env:SHAKE_KEY', after: 1s, timeout: 1s, concurrency: 2}",
	})
	api, worker := sys.Serve("api"), sys.Serve("worker")
	id := strings.ToLower(strings.ReplaceAll(testenv.Namespace(t), "_", "-"))
	sys.Apply(rig.Campaign(id, 10*time.Minute, 50, 1_000_000, 2))
	ann, err := rig.Login(t.Context(), http.DefaultClient, api.URL, "ann")
	if err != nil {
		t.Fatal(err)
	}
	wins, coins := 0, int64(0)
	for number := 1; number <= 12; number++ {
		var s rig.Started
		var r rig.Result
		path := fmt.Sprintf("/v1/campaigns/%s/rounds/%d", id, number)
		if status, err := ann.Insist(t.Context(), "PUT", path, nil, &s); err != nil || status != 200 {
			t.Fatalf("start: got %d %s, %v", status, s.Code, err)
		}
		if status, err := ann.Insist(t.Context(), "POST", path+"/end", map[string]any{"token": s.Token, "shakes": 0}, &r); err != nil || status != 200 {
			t.Fatalf("end: got %d %s, %v", status, r.Code, err)
		}
		if coins += r.Coins; r.Coins > 0 {
			wins++
		}
	}
	var inbox struct {
		Notices []struct {
			ID     string
			Params map[string]string
		}
	}
	rig.Eventually(t, 20*time.Second, func() error { // though the service hangs
		var wallet struct{ Balance int64 }
		if _, err := ann.Call(t.Context(), "GET", "/v1/wallet", nil, &wallet); err != nil || wallet.Balance != coins {
			return fmt.Errorf("got %d coins, %v, want %d", wallet.Balance, err, coins)
		}
		if _, err := ann.Call(t.Context(), "GET", "/v1/inbox?limit=50", nil, &inbox); err != nil || len(inbox.Notices) != wins {
			return fmt.Errorf("got %d notices, %v, want %d", len(inbox.Notices), err, wins)
		}
		return nil
	})
	rig.Eventually(t, 20*time.Second, func() error {
		if n, _ := service.told(); n < 2 {
			return fmt.Errorf("the service was asked %d times", n)
		}
		return nil
	})
	worker.Kill()
	service.hang(false)
	worker = sys.Serve("worker")
	rig.Eventually(t, 60*time.Second, func() error {
		if requests, rings := service.told(); rings != wins {
			return fmt.Errorf("%d rang after %d requests, want %d", rings, requests, wins)
		}
		return nil
	})
	rig.Eventually(t, 30*time.Second, func() error {
		text, err := worker.Metrics()
		must(t, err)
		for _, want := range []string{`shake_push_service_notices_total{fate="taken"}`, `shake_push_service_requests_total{outcome="taken"}`, "shake_push_service_waiting 0"} {
			if !strings.Contains(text, want) {
				return fmt.Errorf("the metrics have no %s", want)
			}
		}
		return nil
	})
	requests, _ := service.told()
	t.Logf("%d requests for %d wins", requests, wins)
}
