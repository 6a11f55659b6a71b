package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// unanswered plays a round whose end gets through to nobody.
func unanswered(t *testing.T, name string, cut func(*phone, *door)) (*phone, *door, *recorder) {
	d := demo(t).door(t)
	r := &recorder{}
	d.answer(r.hook(nil))
	p := open(t, d)
	p.join(name)
	p.live()
	p.tap("go")
	p.view("play")
	p.shakes(5, 2500)
	p.until(`document.getElementById('shakes').dataset.text >= 3`)
	cut(p, d)
	p.refused("kept")
	if n := len(r.bodies()); n != 0 {
		t.Fatalf("%d ends went through without a network", n)
	}
	return p, d, r
}

func TestEnd_offlineThenOnline(t *testing.T) {
	p, _, r := unanswered(t, "tunnel", func(p *phone, _ *door) {
		p.offline(true)
		p.until(`!document.getElementById('net').hidden`)
	})
	p.offline(false)
	back := time.Now()
	p.view("result")
	t.Logf("the result came %s after the network", time.Since(back).Round(10*time.Millisecond))
	p.played(r.last(t), 3, 13, demoChances-1)
}

// Who can't send a round reads how long it still counts, also after a reload, and that it is too late when it is.
func TestEnd_saysUntilWhen(t *testing.T) {
	d := demo(t).door(t)
	p := open(t, d, before(`const get = window.fetch; window.fetch = async (url, options) => {
		if (String(url).endsWith('/end')) throw new TypeError('no network');
		const answer = await get(url, options);
		if (!String(url).endsWith('/v1/campaigns/demo')) return answer;
		return new Response((await answer.text()).replace('"late_seconds":30', '"late_seconds":10'), answer);
	};`))
	p.join("metro")
	p.live()
	p.tap("go")
	p.view("play")
	p.refused("kept")
	p.until(`/^00:(0[1-9]|10)$/.test(document.getElementById('refusal-time').dataset.text) && !document.getElementById('refusal-until').hidden`)
	p.do(chromedp.Navigate("about:blank"), chromedp.Navigate(d.URL))
	p.refused("kept")
	p.until(`/^00:0[1-9]$/.test(document.getElementById('refusal-time').dataset.text)`)
	p.refused("late")
	if !js[bool](p, `document.getElementById('refusal-until').hidden && document.getElementById('say').textContent.startsWith('Probably too late')`) {
		t.Error("it still counts down, or says nothing")
	}
}

// The network dies before the server here: a browser told to be offline is online again with its next page.
func TestEnd_offlineThenReload(t *testing.T) {
	p, d, r := unanswered(t, "reboot", func(_ *phone, d *door) {
		d.answer(on("POST", "/end", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	})
	stored := js[string](p, `JSON.parse(Object.entries(localStorage).find(([key]) => key.startsWith('shake.end.'))[1]).body`)
	p.do(chromedp.Navigate("about:blank"))
	d.answer(r.hook(nil))
	p.do(chromedp.Navigate(p.url))
	p.view("result")
	p.played(r.last(t), 3, 13, demoChances-1)
	if got := r.bodies()[0]; got != stored {
		t.Errorf("sent %s, stored was %s", got, stored)
	}
	if n := js[int](p, `Object.keys(localStorage).filter((key) => key.startsWith('shake.end.')).length`); n != 0 {
		t.Errorf("%d ends are still stored", n)
	}
}

func TestEnd_serverRestartsInMidRound(t *testing.T) {
	browser(t)
	s := start(t, "--warmup", "1s", "--live", "10m", "--round", "3s", "--late", "60s", "--chances", "5")
	d := s.door(t)
	var r recorder
	d.answer(r.hook(nil))
	p := open(t, d)
	p.join("restart")
	p.live()
	p.tap("go")
	p.view("play")
	p.shakes(5, 2500)
	p.until(`document.getElementById('shakes').dataset.text >= 3`)
	s.stop()
	p.view("refusal") // its time is over, and nobody answers
	s.again()
	p.within(2*patience, `document.body.dataset.view === 'result'`)
	p.played(r.last(t), 3, 13, 4)
	for _, body := range r.bodies() {
		if body != r.bodies()[0] {
			t.Errorf("sent %s and %s", r.bodies()[0], body)
		}
	}
}

func TestEnd_pendingIsAskedAgain(t *testing.T) {
	d := demo(t).door(t)
	var r recorder
	pending := on("POST", "/end", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte(`{"number":1,"status":"pending"}`))
	})
	d.answer(r.hook(pending))
	p := open(t, d)
	p.join("pending")
	p.live()
	p.tap("go")
	p.refused("pending")
	p.until(`performance.getEntriesByType('resource').filter((e) => e.name.endsWith('/end')).length >= 2`)
	d.answer(r.hook(nil))
	p.view("result")
	if bodies := r.bodies(); len(bodies) < 3 || bodies[0] != bodies[len(bodies)-1] {
		t.Errorf("sent %v, want the same body at least three times", bodies)
	}
}
