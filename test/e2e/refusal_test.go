package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// Each refusal of a start has its own state, in words, and its button leads on.
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
	}{
		{409, "no_chances", "lobby"}, {409, "pool_empty", "lobby"}, {409, "not_live", "lobby"},
		{404, "not_found", "play"}, {429, "rate_limited", "play"}, {503, "overloaded", "play"}, {500, "error", "play"},
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
		p.tap("refusal-go")
		p.view(one.leadsTo)
	}
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
	p.refused("no_chances")
	p.tap("refusal-go")
	p.live()
	p.tap("go") // the server says it too
	p.refused("no_chances")
	p.tap("refusal-go")
	p.within(2*patience, `document.body.dataset.view === 'closed'`)
	p.within(2*patience, `document.body.dataset.stage === 'settled'`)
	p.within(2*patience, `document.body.dataset.view === 'lobby'`) // the next run warms up by itself
}
