package httppush_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// double is a company's push service. It knows notices by their keys: a phone rings once for each.
type double struct {
	*httptest.Server
	t    testing.TB
	stop chan struct{} // closed at the end: lets those go who hang

	mu     sync.Mutex
	answer http.HandlerFunc
	rings  map[string]int    // by id
	bodies map[string][]byte // the first of each id
	asked  int
	now    int
	most   int
}

func newDouble(t testing.TB) *double {
	d := &double{t: t, stop: make(chan struct{}), rings: map[string]int{}, bodies: map[string][]byte{}}
	d.Server = httptest.NewServer(d)
	t.Cleanup(func() {
		close(d.stop)
		d.Close()
	})
	return d
}

// does answers by h from here on; nil takes every notice.
func (d *double) does(h http.HandlerFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = h
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // who asks has gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	d.mu.Lock()
	d.asked++
	d.now++
	d.most = max(d.most, d.now)
	d.same(r.Header.Get("Idempotency-Key"), body)
	answer := d.answer
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.now--
		d.mu.Unlock()
	}()
	if answer == nil {
		answer = d.takes
	}
	answer(w, r)
}

// same checks that an id has one body, for a service may refuse a key with another.
func (d *double) same(key string, body []byte) {
	var m struct{ ID string }
	if err := json.Unmarshal(body, &m); err != nil || m.ID != key || key == "" {
		d.t.Errorf("key %q has body %s (%v)", key, body, err)
	}
	first, ok := d.bodies[key]
	if !ok {
		d.bodies[key] = body
	} else if !bytes.Equal(first, body) {
		d.t.Errorf("key %q came with %s and with %s", key, first, body)
	}
}

// takes lets the phone ring, unless it did for this id.
func (d *double) takes(_ http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if key := r.Header.Get("Idempotency-Key"); d.rings[key] == 0 {
		d.rings[key]++
	}
}

// hangs takes the notice or not, and never answers.
func (d *double) hangs(_ http.ResponseWriter, r *http.Request) {
	select {
	case <-d.stop:
	case <-r.Context().Done():
	}
}

func (d *double) rung() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.rings)
}

func (d *double) requests() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked
}

// seen keeps what an Observer and a CourierObserver are told.
type seen struct {
	mu       sync.Mutex
	outcomes map[string]int
	fates    map[string]int
}

func newSeen() *seen { return &seen{outcomes: map[string]int{}, fates: map[string]int{}} }

func (s *seen) PushServiceAsked(outcome string, _ time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes[outcome]++
}

func (s *seen) HandedOver(fate string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fates[fate]++
}
func (s *seen) Underway(int) {}
func (s *seen) Waiting(int)  {}

func (s *seen) fate(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fates[name]
}
