package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// Who has no session sees what it is about before a name is asked for.
func TestVisitor_seesTheShow(t *testing.T) {
	p := open(t, demo(t).door(t))
	p.visitor()
	p.until(`document.getElementById('count-n').dataset.text`)
	if pool := p.number("pool-n"); pool == 0 {
		t.Error("the pool is empty")
	}
	if text := p.text("win-text"); len(text) < 20 {
		t.Errorf("what can be won: got %q", text)
	}
	if text := p.text("go-text"); text != "Count me in" {
		t.Errorf("the button says %q", text)
	}
}

// Where names are not taken, a visitor is sent to the app and not round in a circle.
func TestVisitor_whereOnlyTheAppLogsIn(t *testing.T) {
	d := demo(t).door(t)
	d.answer(on("POST", "/sessions", problem(401, "unauthorized")))
	p := open(t, d)
	p.card()
	js[any](p, `document.getElementById('nick').value = 'ann'`)
	p.tap("join-go")
	p.refused("from_app")
	p.tap("refusal-go")
	p.visitor()
	p.tap("go")
	p.refused("from_app")
}

// A link alone does not make somebody play for somebody else; the app says so where it means it.
func TestLogin_isNotReplacedByALink(t *testing.T) {
	d := demo(t).door(t)
	p := open(t, d)
	p.join("ann-before")
	p.live()
	user := func() string {
		return js[string](p, `JSON.parse(localStorage.getItem('shake.session')).user`)
	}
	link := func(hash string) {
		p.do(chromedp.Navigate("about:blank"), chromedp.Navigate(d.URL+"/play/demo#"+hash))
		p.live()
		if at := js[string](p, `location.href`); strings.Contains(at, "mallory") {
			t.Errorf("the credential stays in the address: %s", at)
		}
	}
	link("provider=dev&credential=mallory&market=SG")
	if got := user(); got != "ann-before" {
		t.Errorf("%s plays, want ann-before", got)
	}
	link("provider=dev&credential=mallory&switch=1")
	if got := user(); got != "mallory" {
		t.Errorf("%s plays, want mallory: the app said so", got)
	}
}

// The session of an app's player is over for good: the page says where to go.
func TestLogin_byAnAppThatIsOver(t *testing.T) {
	d := demo(t).door(t)
	p := open(t, d, before(`localStorage.setItem('shake.provider', '"acme"')`))
	p.visitor()
	p.tap("go")
	p.refused("from_app")
}

// Whoever is told that it is not live yet need not press anything.
func TestRefusal_notLiveWakesUp(t *testing.T) {
	d := demo(t).door(t)
	p := open(t, d)
	p.join("early")
	p.live()
	d.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			problem(409, "not_live")(w, r)
		}
		return r.Method == http.MethodPut
	})
	p.tap("go")
	p.refused("not_live")
	p.live()
	if text := p.text("say"); text != "Live now" {
		t.Errorf("says %q, want that it is live", text)
	}
}

// A screen reader hears figures, not digits.
func TestFigures_areRead(t *testing.T) {
	p := open(t, demo(t).door(t))
	p.join("listener")
	p.live()
	const heard = `(() => {
		const read = (node) => node.nodeType === 3 ? node.data : node.ariaHidden === 'true' || node.hidden ? '' : [...node.childNodes].map(read).join('|');
		return [...document.querySelectorAll('#lobby .figure:not([aria-hidden])')].filter((el) => read(el).replaceAll('|', '') !== (el.dataset.text ?? el.textContent) || /\d\|\d/.test(read(el))).map((el) => el.id + ': ' + read(el));
	})()`
	if wrong := js[[]string](p, heard); len(wrong) > 0 {
		t.Errorf("heard %v", wrong)
	}
	p.until(`/^[\d,]+ coins in the pool$/.test(document.getElementById('pool-sr').textContent)`)
}
