package integration

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/shake-live/shake/internal/testenv"
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
	proxy, dsn := hangable(t, testenv.MySQL(t))
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
	proxy.hang()
	h.play(hungFor)
	times, failures := h.take()
	after := h.memory()
	proxy.heal()

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
	if stale := metric(t, api, `shake_catalog_answers_total{layer="stale"}`); stale == 0 {
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
	return int64(metric(h.t, h.api, "go_memstats_heap_inuse_bytes"))
}

// hangableProxy stands between a process and the database.
type hangableProxy struct {
	t     *testing.T
	proxy *toxiproxy.Proxy
}

// hangable puts a proxy before the database of a DSN.
func hangable(t *testing.T, dsn string) (*hangableProxy, string) {
	t.Helper()
	_, rest, ok := strings.Cut(dsn, "tcp(")
	addr, _, ok2 := strings.Cut(rest, ")")
	if !ok || !ok2 {
		t.Fatalf("no address in the DSN")
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, "database", "127.0.0.1:0", addr)
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	return &hangableProxy{t: t, proxy: proxy}, strings.Replace(dsn, addr, proxy.Listen, 1)
}

// hang lets nothing through any more, and keeps the connections.
func (p *hangableProxy) hang() {
	p.t.Helper()
	for _, direction := range []string{"upstream", "downstream"} {
		text := `{"name":"` + direction + `","type":"timeout","stream":"` + direction + `","attributes":{"timeout":0}}`
		if _, err := p.proxy.Toxics.AddToxicJson(strings.NewReader(text)); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *hangableProxy) heal() { p.proxy.Toxics.ResetToxics(context.Background()) }

// metric reads one sample of a process's metrics; 0 where there is none.
func metric(t *testing.T, p *rig.Process, name string) (value float64) {
	t.Helper()
	resp, err := http.Get(p.OpsURL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for line := range rig.Lines(resp.Body) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			_, _ = fmt.Sscan(rest, &value)
		}
	}
	return value
}
