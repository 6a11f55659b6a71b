package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// Each refusal of a start has its own state, in words, and its button leads on. What passes goes on by itself.
func TestRefusal_ofAStart(t *testing.T) {
	browser(t)
	t.Parallel() // most of it is waiting for tries
	d := demo(t).door(t)
	p := open(t, d)
	p.join("refused")
	seen := map[string]string{}
	for _, one := range []struct {
		status  int
		code    string
		leadsTo string // the view behind its button
		itself  bool
	}{
		{409, "no_chances", "lobby", false}, {409, "pool_empty", "lobby", false}, {409, "not_live", "lobby", false},
		{404, "not_found", "play", false}, {429, "rate_limited", "play", true}, {500, "error", "play", true},
	} {
		p.do(chromedp.Navigate(d.URL))
		p.until(`['lobby', 'play', 'result'].includes(document.body.dataset.view)`)
		if js[bool](p, `document.body.dataset.view === 'play'`) { // the round that the case before began
			p.view("result")
			p.do(chromedp.Navigate(d.URL))
		}
		p.live()
		d.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPut {
				return false
			}
			problem(one.status, map[string]string{"error": "internal"}[one.code]+strings.TrimPrefix(one.code, "error"))(w, r)
			return true
		})
		p.tap("go")
		p.refused(one.code)
		if before, twice := seen[p.text("refusal-h")]; twice {
			t.Errorf("%s looks like %s", one.code, before)
		}
		seen[p.text("refusal-h")] = one.code
		d.answer(nil)
		if tries := strings.Contains(p.text("refusal-text"), "keeps trying"); tries != one.itself {
			t.Errorf("%s: says that it goes on by itself: %v, want %v", one.code, tries, one.itself)
		}
		if !one.itself {
			p.tap("refusal-go")
		}
		p.view(one.leadsTo)
	}
	if seen["Half the country is shaking"] != "rate_limited" {
		t.Errorf("got %v, want a limit to blame nobody", seen)
	}
}

// What the first view needs is asked for until it comes, by itself or at once by the button, in the same page.
func TestFirstView_comesByItself(t *testing.T) {
	for name, one := range map[string]struct {
		trouble http.HandlerFunc
		code    string
		press   bool
	}{
		"shed":    {problem(503, "overloaded"), "overloaded", false},
		"lost":    {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "offline", false},
		"pressed": {later, "rate_limited", true},
	} {
		d := demo(t).door(t)
		d.answer(on("GET", "/campaigns/demo", one.trouble))
		p := open(t, d)
		p.refused(one.code)
		if text := p.text("refusal-text"); !strings.Contains(text, "keeps trying") {
			t.Errorf("%s: says %q", name, text)
		}
		js[any](p, `window.mark = 1`)
		d.answer(nil)
		if one.press {
			p.tap("refusal-go")
		}
		p.visitor()
		if js[int](p, `window.mark ?? 0`) != 1 {
			t.Errorf("%s: the page was loaded again", name)
		}
	}
}

// later sheds for a minute.
func later(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", "60")
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = w.Write([]byte(`{"type":"about:blank","title":"x","status":429,"code":"rate_limited","detail":"x","request_id":"x"}`))
}

func TestRefusal_ofAnEnd(t *testing.T) {
	d := demo(t).door(t)
	d.answer(on("POST", "/end", problem(409, "too_late")))
	p := open(t, d)
	p.join("late")
	p.live()
	p.tap("go")
	p.refused("too_late")
	p.tap("refusal-go")
	p.view("lobby")
}

func TestRefusal_offline(t *testing.T) {
	p := open(t, demo(t).door(t))
	p.join("dead-zone")
	p.live()
	p.offline(true)
	p.tap("go")
	p.refused("offline")
	p.offline(false)
	p.tap("refusal-go")
	p.view("play")
}

// A session that is over and can't be renewed takes the player to the first card, and on from there.
func TestRefusal_loggedOut(t *testing.T) {
	d := demo(t).door(t)
	p := open(t, d)
	p.join("forgotten")
	p.live()
	d.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut || strings.HasSuffix(r.URL.Path, "/sessions") {
			problem(401, "session_expired")(w, r)
			return true
		}
		return false
	})
	p.tap("go")
	p.refused("session_expired")
	d.answer(nil)
	p.tap("refusal-go")
	p.join("remembered")
	p.live()
}

// The real thing: one chance, a pool that one win empties, and a show that is over.
func TestRefusal_forReal(t *testing.T) {
	browser(t)
	t.Parallel() // most of it is waiting for the show
	d := start(t, "--warmup", "1s", "--live", "14s", "--round", "1s", "--late", "3s", "--chances", "1").door(t)
	p := open(t, d)
	p.join("once")
	p.live()
	p.tap("go")
	p.view("result")
	p.tap("again")
	p.view("lobby") // with what was won and the board, and no button that leads nowhere
	p.until(`!document.getElementById('spent').hidden && document.getElementById('go').hidden && !document.getElementById('lobby-board').hidden`)
	if won, want := p.number("spent-coins"), p.number("result-total"); won != want {
		t.Errorf("shows %d coins, want %d", won, want)
	}
	p.within(2*patience, `document.body.dataset.view === 'closed'`)
	p.within(2*patience, `document.body.dataset.stage === 'settled'`)
	p.within(2*patience, `document.body.dataset.view === 'lobby'`) // the next run warms up by itself
}
