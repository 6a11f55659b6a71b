package access_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/reward"
)

// streamed is one event of a stream, as a page reads it.
type streamed struct{ name, id, data string }

// stream is an open page.
type stream struct {
	testing.TB
	resp   *http.Response
	events chan streamed
	cancel context.CancelFunc
}

// watch opens the stream of a campaign; after is the last event seen.
func (d *door) watch(user, after string) *stream {
	d.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "GET", d.url+"/v1/live?campaign=demo", nil)
	if err != nil {
		d.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+d.session(user))
	r.Header.Set("Last-Event-ID", after)
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		d.Fatal(err)
	}
	s := &stream{TB: d.TB, resp: resp, events: make(chan streamed, 1000), cancel: cancel}
	d.Cleanup(func() { cancel(); _ = resp.Body.Close() })
	go s.read()
	return s
}

// read takes the stream apart as WHATWG says, as far as we use it.
func (s *stream) read() {
	defer close(s.events)
	var e streamed
	for lines := bufio.NewScanner(s.resp.Body); lines.Scan(); {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "":
			if e.name != "" {
				s.events <- e
			}
			e = streamed{}
		}
	}
}

// next is the next event; "" when the stream has ended.
func (s *stream) next() streamed {
	s.Helper()
	select {
	case e := <-s.events:
		return e
	case <-time.After(5 * time.Second):
		s.Fatal("no event within 5 s")
		return streamed{}
	}
}

// first are the next events by name, each once.
func (s *stream) first(names ...string) map[string]streamed {
	s.Helper()
	got := map[string]streamed{}
	for range names {
		e := s.next()
		got[e.name] = e
	}
	for _, name := range names {
		if _, ok := got[name]; !ok {
			s.Fatalf("got %v, want %v", got, names)
		}
	}
	return got
}

// quiet wants no event for a while.
func (s *stream) quiet() {
	s.Helper()
	select {
	case e, ok := <-s.events:
		s.Errorf("got %+v (%v), want nothing", e, ok)
	case <-time.After(300 * time.Millisecond):
	}
}

// ended wants the stream to end, whatever it still brings.
func (s *stream) ended() {
	s.Helper()
	for e := s.next(); e.name != ""; e = s.next() {
	}
}

func TestLive_tellsWhatIsAndWhatChanges(t *testing.T) {
	d := newDoor(t)
	s := d.watch("nobody", "")
	if got := s.resp.Header.Get("Content-Type"); got != "text/event-stream; charset=utf-8" || s.resp.StatusCode != 200 {
		t.Fatalf("got %d %s", s.resp.StatusCode, got)
	}
	got := s.first("pool", "stage", "board")
	for name, want := range map[string]string{
		"pool":  `{"campaign":"demo","funded":10000,"left":10000,"open":true}`,
		"stage": `{"campaign":"demo","stage":"live","version":`,
		"board": `{"campaign":"demo","final":false,"entries":[{"rank":1,"user":"bob","name":"Bob B.","coins":310},`,
	} {
		if !strings.HasPrefix(got[name].data, want) || got[name].id == "" {
			t.Errorf("%s: got %+v, want %s", name, got[name], want)
		}
	}
	s.quiet()
	d.clock.Advance(2 * time.Hour)
	after := s.first("stage", "pool")
	if !strings.Contains(after["stage"].data, `"stage":"closed"`) || !strings.Contains(after["pool"].data, `"open":false`) {
		t.Errorf("got %+v, want it closed", after)
	}
}

// order is the number in an event's id.
func order(id string) int {
	_, number, _ := strings.Cut(id, ".")
	n, _ := strconv.Atoi(number)
	return n
}

// What a page has seen is not told again by the same node; another node can't know, and tells all.
func TestLive_goesOnWhereItWas(t *testing.T) {
	d := newDoor(t)
	d.watch("somebody", "") // keeps the campaign's room
	s := d.watch("nobody", "")
	var last streamed
	for range 3 {
		e := s.next()
		if order(e.id) <= order(last.id) {
			t.Errorf("%s with id %s comes after %s", e.name, e.id, last.id)
		}
		last = e
	}
	s.cancel()
	again := d.watch("nobody", last.id)
	again.quiet()
	for _, id := range []string{"another." + strings.Split(last.id, ".")[1], "x", strings.Repeat("9", 100), "."} {
		d.watch("nobody", id).first("pool", "stage", "board")
	}
}

// Notices go to their player's pages, all of them, and to nobody else's; who opens a page is told what he has not seen.
func TestLive_notices(t *testing.T) {
	d := newDoor(t)
	one, two, other := d.watch("ann", ""), d.watch("ann", ""), d.watch("nobody", "")
	for _, s := range []*stream{one, two} {
		for seen := false; !seen; { // each of the two pages was a reason to ask
			e := s.next()
			seen = e.name == "notice" && strings.Contains(e.data, `"id":"`+noticeOf("ann")+`"`)
		}
	}
	other.first("pool", "stage", "board")
	if got := d.do(call{method: "POST", path: "/v1/inbox/" + noticeOf("ann") + "/receipt", as: "ann"}); got.status != 204 {
		t.Fatal(got)
	}
	d.deps.Live.Push([]reward.Notice{{ID: "n2", User: "ann", Title: "Hello"}, {ID: "n3", User: "stranger"}})
	for _, s := range []*stream{one, two} {
		for e := s.next(); !strings.Contains(e.data, `"id":"n2"`); e = s.next() {
			if e.name == "" {
				t.Fatal("the stream ended before the notice")
			}
		}
	}
	other.quiet()
	back := d.watch("ann", "")
	back.first("pool", "stage", "board")
	back.quiet() // her receipt has come
}

// Receipts count once as shown.
func TestLive_shown(t *testing.T) {
	d := newDoor(t)
	for range 3 {
		d.do(call{method: "POST", path: "/v1/inbox/" + noticeOf("ann") + "/receipt", as: "ann"})
	}
	if d.observed.shown != 1 {
		t.Errorf("%d notices count as shown, want 1", d.observed.shown)
	}
}

func TestLive_bounds(t *testing.T) {
	t.Run("a page that does not take its notices is let go", func(t *testing.T) {
		d := newDoor(t)
		s := d.watch("nobody", "")
		s.first("pool", "stage", "board")
		var many []reward.Notice
		for i := range 40 {
			many = append(many, reward.Notice{ID: fmt.Sprint("n", i), User: "nobody"})
		}
		d.deps.Live.Push(many)
		s.ended()
		if _, dropped := d.observed.open(); dropped != 1 {
			t.Errorf("%d pages were dropped, want 1", dropped)
		}
	})
	t.Run("more pages than fit are told so", func(t *testing.T) {
		d := newDoor(t, func(d *door) {
			d.deps.Live = access.NewHub(access.HubDeps{
				Catalog: d.catalog, Level: d.game.Level, Boards: d.boards, Unseen: d.inboxes.Unseen, Clock: d.clock, Watch: d.observed, Log: d.deps.Log,
			}, access.HubOptions{MaxPages: 1})
		})
		first := d.watch("nobody", "")
		first.next()
		live := call{method: "GET", path: "/v1/live?campaign=demo", as: "ann"}
		d.want("503 overloaded", live)
		first.cancel()
		for giveUp := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if pages, _ := d.observed.open(); pages == 0 {
				break
			}
			if time.Now().After(giveUp) {
				t.Fatal("the page is still counted after it has gone")
			}
		}
		d.watch("ann", "").next()
	})
	t.Run("a node that goes sends its pages away and takes none", func(t *testing.T) {
		d := newDoor(t)
		var all []*stream
		for i := range 50 {
			s := d.watch(fmt.Sprint("user", i), "")
			s.next()
			all = append(all, s)
		}
		d.deps.Live.Leave(200 * time.Millisecond)
		for _, s := range all {
			s.ended()
		}
		d.want("503 overloaded", call{method: "GET", path: "/v1/live?campaign=demo", as: "ann"})
	})
	t.Run("a stream ends with its session", func(t *testing.T) {
		d := newDoor(t)
		token, _ := d.deps.Sessions.Issue(access.Session{User: "ann", Market: "SG"}, d.clock.Now().Add(-time.Hour+time.Second))
		r, err := http.NewRequestWithContext(t.Context(), "GET", d.url+"/v1/live?campaign=demo", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
		defer resp.Body.Close()
		s := &stream{TB: t, resp: resp, events: make(chan streamed, 100)}
		go s.read()
		s.ended()
	})
}

func TestLive_refuses(t *testing.T) {
	s := newScene(t)
	live := func(query string) call { return call{method: "GET", path: "/v1/live" + query, as: "ann"} }
	s.refused(t, []bad{
		{"no campaign", "400 malformed", live("")},
		{"an empty one", "400 malformed", live("?campaign=")},
		{"two", "400 malformed", live("?campaign=demo&campaign=demo")},
		{"an unknown one", "404 not_found", live("?campaign=nope")},
		{"an unknown parameter", "400 unknown_field", live("?campaign=demo&token=x")},
		{"nobody", "401 unauthorized", call{method: "GET", path: "/v1/live?campaign=demo"}},
	})
}

// A player has so many streams at once: with one more the oldest ends, and the others go on.
func TestLive_onePlayersPages(t *testing.T) {
	d := newDoor(t)
	var pages []*stream
	for range 8 {
		s := d.watch("ann", "")
		s.next()
		pages = append(pages, s)
	}
	other := d.watch("bob", "")
	other.next()
	d.watch("ann", "").next()
	for giveUp := time.After(5 * time.Second); ; {
		select {
		case _, open := <-pages[0].events:
			if open {
				continue
			}
		case <-giveUp:
			t.Fatal("the oldest of nine pages still stands")
		}
		break
	}
	d.deps.Live.Push([]reward.Notice{{ID: "n1", User: "ann", Kind: "win"}, {ID: "n2", User: "bob", Kind: "win"}})
	for _, s := range append(pages[1:], other) {
		for s.next().name != "notice" {
		}
	}
}
