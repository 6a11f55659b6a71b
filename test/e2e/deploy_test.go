package e2e

import (
	"net/http"
	"strings"
	"sync"
	"testing"
)

// While a deploy rolls, another node is asked for each second of the page's files and lacks it.
func TestDeploy_theOtherNodeLacksFiles(t *testing.T) {
	d := demo(t).door(t)
	var mu sync.Mutex
	asked, pages := 0, 0
	d.answer(func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/" {
			pages++
		}
		if !strings.HasPrefix(r.URL.Path, "/assets/") {
			return false
		}
		asked++
		if asked%2 == 0 {
			return false
		}
		w.Header().Set("Cache-Control", "no-store")
		http.NotFound(w, r)
		return true
	})
	p := open(t, d)
	p.within(2*patience, `document.body?.dataset.view === 'lobby' && performance.getEntriesByName('shake-interactive').length`)
	mu.Lock()
	defer mu.Unlock()
	t.Logf("the page stood when it was loaded %d times, with %d files asked for", pages, asked)
	if pages < 2 {
		t.Error("nothing was missing: the test tests nothing")
	}
	if counted := js[bool](p, `'shake.boot' in sessionStorage`); counted {
		t.Error("a page that stands still counts tries")
	}
}

// Where files stay away the page says so, and a language that does not come leaves the one that is spoken.
func TestDeploy_filesStayAway(t *testing.T) {
	d := demo(t).door(t)
	p := open(t, d)
	p.visitor()
	d.answer(on("GET", "/lang/vi.js", http.NotFound))
	js[any](p, `(() => { const lang = document.getElementById('lang'); lang.value = 'vi'; lang.dispatchEvent(new Event('change')); })()`)
	p.until(`document.getElementById('lang').value === 'en' && document.documentElement.lang === 'en'`)

	d.answer(on("GET", "/main.js", http.NotFound))
	p = open(t, d, before(`sessionStorage.setItem('shake.boot', 12)`)) // so many tries were in vain
	p.until(`!document.getElementById('stuck').hidden`)
}
