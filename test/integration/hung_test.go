package integration

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/test/link"
	"github.com/shake-live/shake/test/rig"
)

const (
	hungWait = 50 * time.Millisecond // the catalog's bounded wait
	hungFor  = 60 * time.Second
	// What a start or an end takes by itself on a machine that is busy with the servers besides.
	hungMargin = 5 * time.Millisecond
)

// TestDatabaseHung plays rounds while the database has stopped answering and configurations expire everywhere:
// rounds go on with the stale copy, none waits longer than the bound, and memory stays flat.
func TestDatabaseHung(t *testing.T) {
	database, dsn := linked(t, testenv.MySQL(t))
	s := rig.Servers{
		Redis: []string{testenv.Redis(t)}, Kafka: testenv.Kafka(t), DSN: dsn, Namespace: testenv.Namespace(t),
		More: "durability: {mode: async}\nlimits: {user_rate: 0}\ncache: {ttl: 200ms, max_wait: 50ms, copy_ttl: 300ms}",
	}
	sys := rig.New(t, s)
	sys.Apply(rig.Campaign("hung", 10*time.Minute, 1_000_000, 10_000_000, 4))
	worker := sys.Serve("worker")
	api := sys.Serve("api")
	h := &hung{t: t, api: api, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}, Timeout: 5 * time.Second}}
	h.login(16)
	h.play(5 * time.Second)
	_, before := h.take()
	memory := h.memory()

	worker.Kill() // it needs the database for its work; this is about the doors
	must(t, database.Hang())
	h.play(hungFor)
	times, failures := h.take()
	after := h.memory()
	must(t, database.Mend())

	p99 := times[len(times)*99/100]
	t.Logf("%d calls while the database hung: p50 %s, p99 %s, most %s; %d failed; memory %d MiB before, %d MiB after",
		len(times), times[len(times)/2], p99, times[len(times)-1], failures, memory>>20, after>>20)
	if failures+before > 0 {
		t.Errorf("%d calls failed before and %d while the database hung, want none", before, failures)
	}
	if p99 > hungWait+hungMargin {
		t.Errorf("p99 is %s, want at most %s", p99, hungWait+hungMargin)
	}
	if after > memory+memory/2+(32<<20) {
		t.Errorf("memory grew from %d to %d MiB", memory>>20, after>>20)
	}
	if stale := api.Metric(`shake_catalog_answers_total{layer="stale"}`); stale == 0 {
		t.Error("no answer came from a stale copy: the database was not needed at all")
	}
}

// hung plays rounds and keeps the times.
type hung struct {
	t       *testing.T
	api     *rig.Process
	http    *http.Client
	clients []*rig.Client
	numbers []int64

	mu       sync.Mutex
	times    []time.Duration
	failures int
}

func (h *hung) login(n int) {
	for i := range n {
		c, err := rig.Login(h.t.Context(), h.http, h.api.URL, fmt.Sprintf("hung-%d", i))
		if err != nil {
			h.t.Fatal(err)
		}
		h.clients = append(h.clients, c)
	}
	h.numbers = make([]int64, n)
}

// play lets everybody play for so long, at a pace that leaves the machine idle most of the time.
func (h *hung) play(d time.Duration) {
	ctx, cancel := context.WithTimeout(h.t.Context(), d)
	defer cancel()
	var wg sync.WaitGroup
	for i := range h.clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				h.round(i)
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	wg.Wait()
}

func (h *hung) round(i int) {
	at := fmt.Sprintf("/v1/campaigns/hung/rounds/%d", h.numbers[i]+1)
	var s rig.Started
	if h.timed(i, "PUT", at, nil, &s) {
		var r rig.Result
		h.timed(i, "POST", at+"/end", map[string]any{"token": s.Token, "shakes": 1}, &r)
	}
	h.numbers[i]++
}

func (h *hung) timed(i int, method, path string, body, answer any) bool {
	began := time.Now()
	status, err := h.clients[i].Call(context.Background(), method, path, body, answer)
	took := time.Since(began)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.times = append(h.times, took)
	if err != nil || status != 200 {
		if h.failures++; h.failures < 5 {
			h.t.Logf("%s %s: %d %v", method, path, status, err)
		}
		return false
	}
	return true
}

// take gives the times so far, in order, and begins anew.
func (h *hung) take() ([]time.Duration, int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	times, failures := h.times, h.failures
	h.times, h.failures = nil, 0
	slices.Sort(times)
	return times, failures
}

// memory is the process's heap in use, after a collection.
func (h *hung) memory() int64 {
	h.t.Helper()
	resp, err := http.Get(h.api.OpsURL + "/debug/pprof/heap?gc=1")
	if err != nil {
		h.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return int64(h.api.Metric("go_memstats_heap_inuse_bytes"))
}

// linked puts a link before the database of a DSN.
func linked(t *testing.T, dsn string) (l *link.Link, way string) {
	t.Helper()
	way, err := testenv.Behind(dsn, func(addr string) (string, error) {
		var err error
		if l, err = link.New("127.0.0.1:0", addr); err != nil {
			return "", err
		}
		return l.Addr(), nil
	})
	must(t, err)
	t.Cleanup(l.Close)
	return l, way
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
