package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/client"
)

// door answers each call with the next of its answers, and remembers the bodies.
type door struct {
	mu      sync.Mutex
	answers []func(http.ResponseWriter, *http.Request)
	bodies  []string
	seen    []string // Last-Event-ID of each call
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	d.bodies, d.seen = append(d.bodies, string(body)), append(d.seen, r.Header.Get("Last-Event-ID"))
	next := d.answers[0]
	if len(d.answers) > 1 {
		d.answers = d.answers[1:]
	}
	d.mu.Unlock()
	next(w, r)
}

func answer(status int, body string, header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func hangUp(w http.ResponseWriter, _ *http.Request) {
	conn, _, _ := w.(http.Hijacker).Hijack()
	_ = conn.Close()
}

func serve(t *testing.T, answers ...func(http.ResponseWriter, *http.Request)) (*door, *client.Client) {
	d := &door{answers: answers}
	s := httptest.NewServer(d)
	t.Cleanup(s.Close)
	return d, client.New(s.URL, s.Client())
}

// An end goes through a broken network, a busy door and a pending result, with the same body each time.
func TestEnd_insists(t *testing.T) {
	d, c := serve(t, hangUp, answer(503, `{"code":"busy"}`), answer(202, `{"status":"pending"}`), answer(502, "<html>"), answer(200, `{"round":"r","number":7,"coins":5,"total":9}`))
	got, err := c.End(t.Context(), "demo", client.Round{Number: 7, Token: "tok"}, 40, []time.Duration{time.Millisecond, time.Second})
	if err != nil || got.Coins != 5 || got.Total != 9 {
		t.Fatalf("got %+v, %v, want the result", got, err)
	}
	for i, body := range d.bodies {
		if body != `{"token":"tok","shakes":40,"beats":[1,1000]}` {
			t.Errorf("attempt %d sent %s", i, body)
		}
	}
	if len(d.bodies) != 5 {
		t.Errorf("got %d attempts, want 5", len(d.bodies))
	}
}

// What says something about the call itself is its answer.
func TestCalls_doNotInsistOnARefusal(t *testing.T) {
	d, c := serve(t, answer(409, `{"code":"wrong_number","status":409,"next_number":8,"request_id":"abc"}`))
	_, err := c.Start(t.Context(), "demo", 7)
	var e *client.Error
	if !errors.As(err, &e) || e.Code != "wrong_number" || e.NextNumber != 8 || e.RequestID != "abc" || len(d.bodies) != 1 {
		t.Errorf("got %v after %d attempts, want wrong_number at once", err, len(d.bodies))
	}
}

func TestInsist_endsWithItsContext(t *testing.T) {
	_, c := serve(t, answer(503, `{"code":"busy"}`, "Retry-After", "1"))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := c.Start(ctx, "demo", 7)
	var e *client.Error
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &e) || e.Code != "busy" || e.RetryAfter != time.Second {
		t.Errorf("got %v, want the deadline and the last answer", err)
	}
}

// A stream that breaks off is taken up after its last event; one that is refused for good is not.
func TestLive_comesBack(t *testing.T) {
	event := func(name, id, data string) string {
		return fmt.Sprintf("event: %s\nid: %s\ndata: %s\n\n", name, id, data)
	}
	d, c := serve(t,
		answer(200, ":\n\n"+event("pool", "n.1", `{"left":5}`)+event("novelty", "n.2", "?")),
		answer(503, `{"code":"overloaded"}`),
		answer(200, event("notice", "n.3", `{"id":"x"}`)),
		answer(401, `{"code":"session_expired"}`))
	var got []client.Event
	err := c.Live(t.Context(), "demo", func(e client.Event) { got = append(got, e) })
	var e *client.Error
	if !errors.As(err, &e) || e.Code != "session_expired" {
		t.Errorf("got %v, want session_expired", err)
	}
	if len(got) != 3 || got[0].Pool.Left != 5 || got[2].Notice.ID != "x" || got[2].ID != "n.3" {
		t.Errorf("got %+v", got)
	}
	if want := []string{"", "n.2", "n.2", "n.3"}; fmt.Sprint(d.seen) != fmt.Sprint(want) {
		t.Errorf("asked on from %v, want %v", d.seen, want)
	}
}

// A claim waits while its round may be on its way, and a no is an answer.
func TestRedeem(t *testing.T) {
	d, c := serve(t, answer(202, `{"status":"pending"}`), answer(503, `{"code":"busy"}`), answer(200, `{"status":"granted","coins":5}`))
	got, err := c.Redeem(t.Context(), "C")
	if err != nil || got != (client.Redeemed{Status: client.Granted, Coins: 5}) {
		t.Errorf("got %+v, %v, want 5 coins granted", got, err)
	}
	if len(d.bodies) != 3 || d.bodies[2] != `{"claim":"C"}` {
		t.Errorf("sent %q, want the claim three times", d.bodies)
	}
	_, c = serve(t, answer(409, `{"code":"pool_empty"}`))
	var e *client.Error
	if _, err = c.Redeem(t.Context(), "C"); !errors.As(err, &e) || e.Code != "pool_empty" {
		t.Errorf("got %v, want pool_empty", err)
	}
}
