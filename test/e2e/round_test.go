package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// recorder keeps what the page sends as ends, and lets it through.
type recorder struct {
	sync.Mutex
	ends []string
}

func (e *recorder) hook(then hook) hook {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/end") {
			body, _ := io.ReadAll(r.Body) // a broken one is found out by who reads it
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			e.Lock()
			e.ends = append(e.ends, string(body))
			e.Unlock()
		}
		return then != nil && then(w, r)
	}
}

func (e *recorder) bodies() []string {
	e.Lock()
	defer e.Unlock()
	return slices.Clone(e.ends)
}

// end is what the page sent.
type end struct {
	Shakes int   `json:"shakes"`
	Beats  []int `json:"beats"`
}

func (e *recorder) last(t testing.TB) (last end) {
	t.Helper()
	bodies := e.bodies()
	if len(bodies) == 0 {
		t.Fatal("the page sent no end")
	}
	if err := json.Unmarshal([]byte(bodies[len(bodies)-1]), &last); err != nil {
		t.Fatal(err)
	}
	return last
}

// played checks a round that is over: what was counted, what was sent, what is shown.
func (p *phone) played(sent end, atLeast, atMost, chancesLeft int) {
	p.t.Helper()
	if sent.Shakes < atLeast || sent.Shakes > atMost {
		p.t.Errorf("sent %d shakes, want %d to %d", sent.Shakes, atLeast, atMost)
	}
	if len(sent.Beats) != sent.Shakes || !slices.IsSorted(sent.Beats) || sent.Shakes > 0 && (sent.Beats[0] < 0 || sent.Beats[len(sent.Beats)-1] > roundMS) {
		p.t.Errorf("sent %d shakes with beats %v", sent.Shakes, sent.Beats)
	}
	if got := p.number("result-left"); got != chancesLeft {
		p.t.Errorf("shows %d chances, want %d", got, chancesLeft)
	}
}

func TestRound_byMotion(t *testing.T) {
	d := demo(t).door(t)
	var r recorder
	d.answer(r.hook(nil))
	p := open(t, d)
	p.join("motion")
	p.live()
	p.tap("go")
	p.view("play")
	p.shakes(5, 2000)
	p.until(`document.getElementById('play-hint').dataset.by === 'motion'`)
	p.view("result")
	p.played(r.last(t), 8, 11, demoChances-1)
	p.win()
	if p.number("result-rank") < 1 {
		t.Error("no rank")
	}
	p.do(chromedp.Navigate(d.URL))
	p.live()
	p.until(`document.querySelector('#lobby-board li.me')`) // it stands in the lobby, too
	if rows := js[int](p, `document.querySelectorAll('#lobby-board li').length`); rows > 4 {
		t.Errorf("the lobby has %d rows of the board, want three and one's own", rows)
	}
}

func TestRound_byTouchAndAgain(t *testing.T) {
	d := demo(t).door(t)
	var r recorder
	d.answer(r.hook(nil))
	p := open(t, d)
	p.join("touch")
	p.live()
	total := 0
	for round := 1; round <= 2; round++ {
		p.tap(map[bool]string{true: "go", false: "again"}[round == 1])
		p.view("play")
		taps := 0 // as many as a busy machine brings about
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end) && taps < 12; taps++ {
			p.do(chromedp.TapXY(width/2, height/2-40))
			time.Sleep(60 * time.Millisecond)
		}
		p.view("result")
		if taps < 2 {
			t.Fatalf("only %d taps in 2 s: this machine is too busy for the test", taps)
		}
		p.played(r.last(t), taps-1, taps, demoChances-round)
		p.until(`document.getElementById('result-coins').dataset.value === document.getElementById('result-coins').dataset.text.replace(/[^0-9]/g, '')`)
		total += p.number("result-coins")
	}
	if got := p.number("result-total"); got != total {
		t.Errorf("shows %d coins in all, want %d", got, total)
	}
}

// From the first card to the result and on without a pointer.
func TestRound_byKeyboard(t *testing.T) {
	d := demo(t).door(t)
	var r recorder
	d.answer(r.hook(nil))
	p := open(t, d)
	p.visitor()
	p.focus("go")
	p.do(chromedp.KeyEvent(kb.Enter))
	p.view("join")
	p.focus("nick")
	p.do(chromedp.KeyEvent("keys" + kb.Enter))
	p.live()
	p.focus("go")
	p.do(chromedp.KeyEvent(kb.Enter))
	p.view("play")
	for range 10 {
		p.do(chromedp.KeyEvent(" "))
		js[any](p, `new Promise((resolve) => setTimeout(resolve, 60))`)
	}
	p.view("result")
	p.played(r.last(t), 10, 10, demoChances-1)
	if !js[bool](p, `document.activeElement === document.getElementById('result-h')`) {
		t.Error("the reader was not taken to the result")
	}
	p.focus("again")
	p.do(chromedp.KeyEvent(kb.Enter))
	p.view("play")
}

// iOS asks for the sensor, and only within a tap.
func TestRound_asksForTheSensorWithinTheTap(t *testing.T) {
	p := open(t, demo(t).door(t), before(`window.asked = []; DeviceMotionEvent.requestPermission = async () => {
		asked.push(navigator.userActivation.isActive); return 'denied'; }`))
	p.join("ios")
	p.live()
	if n := js[int](p, `asked.length`); n != 0 {
		t.Errorf("asked %d times before the tap", n)
	}
	p.tap("go")
	p.view("play")
	if asked := js[[]bool](p, `asked`); !slices.Equal(asked, []bool{true}) {
		t.Errorf("asked within a tap: %v, want once, yes", asked)
	}
	p.do(chromedp.TapXY(width/2, height/2-40)) // a no leaves the circle
	p.until(`document.getElementById('shakes').dataset.text === '1'`)
}

// The recorder tells what the sensor told, as a file for the detector's tests.
func TestRecorder_givesAFile(t *testing.T) {
	d := demo(t).door(t)
	p := open(t, d, before(`const answers = ['shaking', '10']; window.prompt = () => answers.shift();
		const make = URL.createObjectURL; URL.createObjectURL = (blob) => { window.kept = blob.text(); return make.call(URL, blob); }`))
	p.do(chromedp.Navigate("about:blank"), chromedp.Navigate(d.URL+"/?record"))
	p.until(`document.querySelector('main button')?.textContent === 'Record'`)
	js[any](p, `document.querySelector('main button').click()`)
	p.until(`document.querySelector('main button').textContent === 'Stop'`)
	p.shakes(5, 2000)
	js[any](p, `new Promise((resolve) => setTimeout(resolve, 2100))`)
	js[any](p, `document.querySelector('main button').click()`)
	p.until(`document.querySelector('main a')?.download.startsWith('shaking-')`)
	type recording struct {
		Kind    string
		Shakes  []int
		Samples [][]float64
	}
	got := js[recording](p, `kept.then(JSON.parse)`)
	if got.Kind != "shaking" || !slices.Equal(got.Shakes, []int{9, 11}) || len(got.Samples) < 40 || len(got.Samples[0]) != 4 {
		t.Errorf("got %q, %v, %d samples", got.Kind, got.Shakes, len(got.Samples))
	}
}

// A phone whose clock is wrong, at a server that has no time to tell the time: rounds are as long as they are.
func TestRound_onAPhoneWhoseClockIsWrong(t *testing.T) {
	for name, seconds := range map[string]int{"fast": 40, "slow": -40} {
		d := demo(t).door(t)
		var r recorder
		d.answer(r.hook(on("GET", "/v1/time", problem(503, "overloaded"))))
		p := open(t, d, before(fmt.Sprintf(`const now = Date.now; Date.now = () => now() + %d000`, seconds)))
		p.join(name)
		p.live()
		p.tap("go")
		p.view("play")
		began := time.Now()
		if left := p.number("left-n"); left < 1 || left > 3 {
			t.Errorf("%s: %d seconds left at the start, want 3", name, left)
		}
		p.shakes(5, roundMS)
		p.view("result")
		if took := time.Since(began); took < roundMS/2*time.Millisecond || took > (roundMS+2500)*time.Millisecond {
			t.Errorf("%s: the round took %s", name, took)
		}
		p.played(r.last(t), 5, 16, demoChances-1)
	}
}

// A reload in the middle of a round goes on with it, and with what was counted.
func TestRound_goesOnAfterAReload(t *testing.T) {
	d := demo(t).door(t)
	var r recorder
	d.answer(r.hook(nil))
	p := open(t, d)
	p.join("reload")
	p.live()
	p.tap("go")
	p.view("play")
	for range 6 {
		p.do(chromedp.KeyEvent(" "))
		js[any](p, `new Promise((resolve) => setTimeout(resolve, 60))`)
	}
	p.do(chromedp.Navigate(d.URL))
	p.view("result")
	p.played(r.last(t), 6, 6, demoChances-1)
}

// Two tabs share one round and its result, and one of them shows the notice.
func TestTabs_shareRoundAndNotice(t *testing.T) {
	d := demo(t).door(t)
	p := open(t, d)
	p.join("tabs")
	p.live()
	p.tap("go")
	p.view("play")
	p.shakes(7, roundMS)
	q := p.another()
	q.view("play") // the open round
	q.do(chromedp.KeyEvent(" "))
	p.view("result")
	q.view("result")
	if a, b := p.number("result-total"), q.number("result-total"); a != b {
		t.Errorf("the tabs show %d and %d coins", a, b)
	}
	p.win()
	shown := func(p *phone) bool { return p.text("toast-title") != "" }
	for range 300 {
		if shown(p) || shown(q) {
			break
		}
		js[any](p, `new Promise((resolve) => setTimeout(resolve, 100))`)
	}
	js[any](p, `new Promise((resolve) => setTimeout(resolve, 3000))`) // another poll of the other tab
	if shown(p) == shown(q) {
		t.Errorf("the notice is shown: %v in the first tab, %v in the second; want one", shown(p), shown(q))
	}
	p.until(`fetch('/v1/inbox', {headers: {Authorization: 'Bearer ' + JSON.parse(localStorage['shake.session']).token}}).then((r) => r.json()).then((b) => b.notices.length > 0 && b.notices.every((n) => n.receipted_at))`)
}

// A notice is worded in the language of the page, though the page knows nothing of its round.
func TestNotice_inThePlayersLanguage(t *testing.T) {
	d := demo(t).door(t)
	d.answer(func(w http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case "/v1/live":
			problem(404, "not_found")(w, r)
		case "/v1/inbox":
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"notices":[{"id":"n1","kind":"win","campaign":"demo","round":"demo.1.1.rui.1","title":"Coins won: 1234",
				"body":"","params":{"coins":"1234","number":"1","total":"1234"},"at":"2026-11-11T12:00:00.000Z","receipted_at":null}],"next":null}`)
		default:
			return false
		}
		return true
	})
	p := open(t, d, before(`Object.defineProperty(navigator, 'languages', { get: () => ['pt-BR'] })`))
	p.join("rui")
	p.until(`document.getElementById('toast-title').textContent === 'Prêmio registrado'`)
	if text := p.text("toast-body"); text != "1.234 moedas estão na sua carteira." {
		t.Errorf("the notice says %q", text)
	}
}

// Notices that come together are shown one after the other, and have their receipts when they were.
func TestNotices_comeTogether(t *testing.T) {
	d := demo(t).door(t)
	var mu sync.Mutex
	var receipts []time.Time
	var came time.Time
	d.answer(func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case r.URL.Path == "/v1/live":
			problem(404, "not_found")(w, r)
		case strings.HasSuffix(r.URL.Path, "/receipt"):
			receipts = append(receipts, time.Now())
			w.WriteHeader(http.StatusNoContent)
		case r.URL.Path == "/v1/inbox":
			var list []string
			for i := range 4 {
				list = append(list, fmt.Sprintf(`{"id":"n%d","kind":"win","campaign":"demo","round":"demo.1.1.tea.%d","title":"x","body":"",
					"params":{"coins":"10"},"at":"2026-11-11T12:00:00.000Z","receipted_at":null}`, i, i))
			}
			if came.IsZero() {
				came = time.Now()
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"notices":[`+strings.Join(list, ",")+`],"next":null}`)
		default:
			return false
		}
		return true
	})
	p := open(t, d)
	p.join("tea")
	p.until(`document.getElementById('toast-body').textContent === '10 coins are in your wallet.'`)
	p.until(`document.getElementById('toast-title').textContent === '3 wins are booked' && document.getElementById('toast-body').textContent === '30 coins are in your wallet.'`)
	mu.Lock()
	if n := len(receipts); n != 1 || receipts[0].Sub(came) < time.Second {
		t.Errorf("%d receipts before the others were shown, want that of the first, after a second", n)
	}
	mu.Unlock()
	p.until(`document.getElementById('toast').hidden`)
	mu.Lock()
	defer mu.Unlock()
	if len(receipts) != 4 {
		t.Errorf("%d receipts, want 4", len(receipts))
	}
}

// A company's app hands its player's credential over behind the #.
func TestLogin_byTheAddress(t *testing.T) {
	d := demo(t).door(t)
	p := open(t, d)
	p.visitor()
	p.do(chromedp.Navigate("about:blank"), chromedp.Navigate(d.URL+"/play/demo#provider=dev&credential=zoe&market=SG"))
	p.live()
	if hash := js[string](p, `location.href`); strings.Contains(hash, "zoe") {
		t.Errorf("the credential stays in the address: %s", hash)
	}
	p.do(chromedp.Navigate("about:blank"), chromedp.Navigate(d.URL))
	p.live() // the session is remembered
}

// A win whose coins do not arrive leaves its receipt on the screen until they do.
func TestClaim_isShownUntilTheCoinsAreThere(t *testing.T) {
	d := demo(t).door(t)
	lost := func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v1/live" {
			problem(404, "not_found")(w, r)
			return true
		}
		body := map[string]string{"/v1/wallet": `{"balance":0,"entries":[],"next":null}`, "/v1/inbox": `{"notices":[],"next":null}`}[r.URL.Path]
		if body == "" {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
		return true
	}
	d.answer(lost)
	p := open(t, d, before(`const wait = setTimeout; window.setTimeout = (fn, ms, ...more) => wait(fn, ms >= 4000 ? ms / 10 : ms, ...more);`))
	p.join("claim")
	p.live()
	p.tap("go")
	p.win()
	p.until(`!document.getElementById('claim').hidden && document.getElementById('claim-code').textContent.length > 20`)
	d.answer(nil)
	p.until(`document.getElementById('claim').hidden`)
}

// News come by the stream, and by polling where there is none.
func TestLive_byStreamAndWithout(t *testing.T) {
	d := demo(t).door(t)
	for mode, h := range map[string]hook{
		"stream": nil,
		"poll":   on("GET", "/v1/live", func(w http.ResponseWriter, r *http.Request) { problem(404, "not_found")(w, r) }),
	} {
		if h != nil {
			d.answer(h)
		} else {
			d.answer(nil)
		}
		p := open(t, d)
		p.join("live-" + mode)
		p.until(`document.body.dataset.live === "` + mode + `"`)
		p.live()
		p.tap("go")
		p.win()
		p.until(`document.getElementById('toast-title').textContent`)
		if text := p.text("toast-body"); !strings.Contains(text, "coins are in your wallet") {
			t.Errorf("%s: the notice says %q", mode, text)
		}
	}
}
