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
		if status >= 400 && len(header) == 0 {
			w.Header().Set("Content-Type", "application/problem+json")
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

// An end goes through a broken network, a busy door, a pending result and what others on the way answer, with the same body each time.
func TestEnd_insists(t *testing.T) {
	d, c := serve(t, hangUp, answer(503, `{"code":"busy"}`), answer(202, `{"status":"pending"}`), answer(502, "<html>"),
		answer(403, "<html>", "Content-Type", "text/html"), answer(404, `{"code":"not_found"}`, "Content-Type", "application/json"), answer(200, `{"ok":true}`), answer(200, `{"round":"r","number":7,"coins":5,"total":9}`))
	got, err := c.End(t.Context(), "demo", client.Round{Number: 7, Token: "tok"}, 40, []time.Duration{time.Millisecond, time.Second})
	if err != nil || got.Coins != 5 || got.Total != 9 {
		t.Fatalf("got %+v, %v, want the result", got, err)
	}
	for i, body := range d.bodies {
		if body != `{"token":"tok","shakes":40,"beats":[1,1000]}` {
			t.Errorf("attempt %d sent %s", i, body)
		}
	}
	if len(d.bodies) != 8 {
		t.Errorf("got %d attempts, want 8", len(d.bodies))
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
	_, c := serve(t, answer(503, `{"code":"busy"}`, "Retry-After", "1", "Content-Type", "application/problem+json"))
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

func TestRenew_playsInTheNewSession(t *testing.T) {
	var sent []string
	renewals := []string{`{"token":"T"}`, `{"token":"R","expires_at":"2026-11-12T00:00:00.000Z"}`}
	d, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, r.Header.Get("Authorization"))
		_, _ = io.WriteString(w, renewals[min(len(sent), len(renewals))-1])
	})
	if _, err := c.Login(t.Context(), client.Login{Provider: "dev", Credential: "ann", Market: "SG"}); err != nil {
		t.Fatal(err)
	}
	s, err := c.Renew(t.Context())
	if err != nil || s.Token != "R" || c.Session() != s || d.bodies[1] != "" {
		t.Fatalf("got %+v, %v with the body %q, want R and no body", s, err, d.bodies[1])
	}
	if _, err := c.Wallet(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if want := []string{"", "Bearer T", "Bearer R"}; fmt.Sprint(sent) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", sent, want)
	}
}

func TestRenew_thatIsOverKeepsTheSession(t *testing.T) {
	_, c := serve(t, answer(401, `{"code":"session_expired","status":401}`))
	old := client.Session{Token: "T"}
	c.Resume(old)
	var e *client.Error
	if _, err := c.Renew(t.Context()); !errors.As(err, &e) || e.Code != "session_expired" || c.Session() != old {
		t.Errorf("got %v and %+v, want session_expired and the old session", err, c.Session())
	}
}

func TestReads_giveWhatIsThere(t *testing.T) {
	var asked []string
	says := func(body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.URL.RequestURI())
			_, _ = io.WriteString(w, body)
		}
	}
	_, c := serve(t,
		says(`{"balance":7,"entries":[{"id":"e","round":"demo.1.1.ann.1","coins":7}],"next":"n"}`),
		says(`{"final":true,"entries":[{"rank":1,"user":"bob","name":"bob","coins":9}],"me":null}`),
		says(`{"campaigns":[{"id":"demo"},{"id":"next"}]}`),
		says(`{"round":"demo.1.1.ann.1","coins":7,"prize":"a mug"}`))
	wallet, err := c.Wallet(t.Context(), "a b")
	if err != nil || wallet.Balance != 7 || wallet.Next != "n" || len(wallet.Entries) != 1 || wallet.Entries[0].Coins != 7 {
		t.Errorf("wallet: got %+v, %v", wallet, err)
	}
	board, err := c.Leaderboard(t.Context(), "demo", 5, true)
	if err != nil || !board.Final || board.Me != nil || board.Entries[0].User != "bob" {
		t.Errorf("board: got %+v, %v", board, err)
	}
	if all, err := c.Campaigns(t.Context(), "SG"); err != nil || len(all) != 2 {
		t.Errorf("campaigns: got %+v, %v", all, err)
	}
	if r, err := c.Result(t.Context(), "demo", 1); err != nil || r.Prize == nil || *r.Prize != "a mug" {
		t.Errorf("result: got %+v, %v", r, err)
	}
	want := []string{"/v1/wallet?next=a+b", "/v1/campaigns/demo/leaderboard?around=me&limit=5", "/v1/campaigns?market=SG", "/v1/campaigns/demo/rounds/1"}
	if fmt.Sprint(asked) != fmt.Sprint(want) {
		t.Errorf("asked %v, want %v", asked, want)
	}
}
