package access

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Ends go before starts before reads, the newest of each first, and every eighth is the oldest of all.
func TestTurnstile_order(t *testing.T) {
	began := time.Now()
	ts := NewTurnstile(time.Second)
	for i, k := range []class{reads, ends, starts, ends, reads, starts, ends, ends} {
		ts.line[k].push(&turnConn{since: began.Add(time.Duration(i) * time.Second)})
	}
	var order []int
	for range 8 {
		order = append(order, int(ts.next().since.Sub(began).Seconds()))
	}
	if want := []int{7, 6, 3, 1, 5, 2, 4, 0}; !slices.Equal(order, want) {
		t.Errorf("they left in the order %v, want %v", order, want)
	}
	for i := range 2 * oldestEvery {
		ts.line[ends].push(&turnConn{since: began.Add(time.Duration(i) * time.Second)})
	}
	for i := range oldestEvery {
		c := ts.next()
		if oldest := c.since.Equal(began); oldest != (i == oldestEvery-1) {
			t.Errorf("number %d to leave: the oldest is %v", i+1, oldest)
		}
	}
}

// A deque is a list from which one takes at both ends.
func TestDeque(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q deque
		var model []*turnConn
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			switch op := rapid.IntRange(0, 3).Draw(t, "op"); {
			case op <= 1:
				c := &turnConn{}
				q.push(c)
				model = append(model, c)
			case len(model) == 0:
				if q.newest() != nil {
					t.Fatal("an empty one has a newest")
				}
			case op == 2:
				if got := q.newest(); got != model[len(model)-1] {
					t.Fatal("not the newest")
				}
				model = model[:len(model)-1]
			default:
				if q.front() != model[0] || q.oldest() != model[0] {
					t.Fatal("not the oldest")
				}
				model = model[1:]
			}
			if q.len() != len(model) {
				t.Fatalf("it has %d, want %d", q.len(), len(model))
			}
		}
	})
}

func TestClassOf(t *testing.T) {
	for _, tt := range []struct {
		head string
		want class
	}{
		{"POST /v1/campaigns/x/rounds/7/end HTTP/1.1\r\nHost: x\r\n\r\n", ends},
		{"PUT /v1/campaigns/x/rounds/7 HTTP/1.1\r\nHost: x\r\n\r\n", starts},
		{"GET /v1/campaigns/x/me HTTP/1.1\r\n\r\n", starts},
		{"POST /v1/sessions HTTP/1.1\r\n\r\n", starts},
		{"GET /v1/wallet HTTP/1.1\r\n\r\n", reads},
		{"GET / HTTP/1.1\r\n\r\n", reads},
		{`{"token":"x","shakes":3}`, ends},                               // the rest of an end
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on", ends}, // TLS: all alike
		{"", drips},
		{"G", drips}, // a head a byte at a time
	} {
		if got := classOf([]byte(tt.head)); got != tt.want {
			t.Errorf("classOf(%q) = %d, want %d", tt.head, got, tt.want)
		}
	}
}

// While the processor is behind only so many get through at a time, and in the end everybody does; who waited too long
// is known.
func TestTurnstile(t *testing.T) {
	const phones = 60
	ts := NewTurnstile(30 * time.Millisecond)
	var late atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if waitedTooLong(r.Context()) {
			late.Add(1)
		}
	}))
	server.Listener = ts.Listener(server.Listener)
	server.Config.ConnContext = ts.ConnContext
	server.Start()
	defer server.Close()
	ts.running.Store(true) // the ticks are ours
	ts.most.Store(0)
	var all sync.WaitGroup
	for range phones {
		all.Go(func() {
			resp, err := http.Get(server.URL)
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
		})
	}
	for ts.inLine.Load() < phones {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(40 * time.Millisecond)
	ts.most.Store(7)
	ts.move()
	if n := ts.inLine.Load(); n != phones-7 {
		t.Errorf("%d are in line after a tick of 7, want %d", n, phones-7)
	}
	for ts.inLine.Load() > 0 {
		ts.adapt(0)
		ts.move()
	}
	all.Wait()
	if late.Load() != phones {
		t.Errorf("%d were known to have waited too long, want all %d", late.Load(), phones)
	}
	ts.running.Store(false)
	resp, err := http.Get(server.URL) // nobody is in line: this one goes through
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if late.Load() != phones {
		t.Error("one that did not wait was told it had")
	}
}

// The number that may pass falls while the processor is behind, and rises again.
func TestTurnstile_adapt(t *testing.T) {
	ts := NewTurnstile(time.Second)
	ts.lately = 800
	ts.adapt(turnLate + 1)
	if got := ts.most.Load(); got != 700 {
		t.Errorf("behind with 800 in a tick: %d may pass, want 700", got)
	}
	ts.inLine.Store(1)
	ts.adapt(0)
	if got := ts.most.Load(); got != 743 {
		t.Errorf("no longer behind: %d may pass, want a sixteenth more", got)
	}
	ts.lately = 0
	for range 100 {
		ts.adapt(time.Second)
	}
	if got := ts.most.Load(); got != 1 {
		t.Errorf("%d may pass at the least, want 1: somebody always does", got)
	}
	ts.inLine.Store(0)
	for range 100 {
		ts.adapt(0)
	}
	if got := ts.most.Load(); got < anyNumber {
		t.Errorf("with nobody in line %d may pass, want any number", got)
	}
}

// The ticker and its canary are gone when nobody comes any more: TestMain looks for goroutines that are left.
func TestTurnstile_rests(t *testing.T) {
	ts := NewTurnstile(time.Second)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler(), ConnContext: ts.ConnContext}
	go func() { _ = server.Serve(ts.Listener(l)) }()
	for range 3 {
		resp, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if !ts.running.Load() {
		t.Error("requests came, and no ticker runs")
	}
	_ = server.Close()
	for began := time.Now(); ts.running.Load(); time.Sleep(time.Millisecond) {
		if time.Since(began) > 5*time.Second {
			t.Fatal("the ticker still runs")
		}
	}
}

// A canary tells how long it took, once; an overdue one too.
func TestCanary(t *testing.T) {
	c := newCanary()
	defer c.close()
	if _, known := c.look(time.Now()); !known {
		t.Error("before the first one there is no delay")
	}
	for c.sent.Load() != 0 {
		time.Sleep(time.Millisecond)
	}
	if took, known := c.look(time.Now()); !known || took <= 0 || took > 10*time.Second {
		t.Errorf("it took %s, %v", took, known)
	}
	c.sent.Store(time.Now().Add(-time.Minute).UnixNano()) // one that never comes back
	if took, known := c.look(time.Now()); !known || took < time.Minute {
		t.Errorf("an overdue one took %s, %v", took, known)
	}
	if _, known := c.look(time.Now()); known {
		t.Error("an overdue one was told of twice")
	}
	if _, known := (&canary{}).look(time.Now()); known {
		t.Error("where there is no pipe a delay is known")
	}
}

func FuzzClassOf(f *testing.F) {
	f.Add([]byte("POST /v1/campaigns/x/rounds/7/end HTTP/1.1\r\n\r\n"))
	f.Add([]byte("GET /me"))
	f.Fuzz(func(t *testing.T, head []byte) {
		if k := classOf(head); k < 0 || k > drips {
			t.Error(fmt.Sprint("no class: ", k))
		}
	})
}
