// Package e2e plays in a real browser against a real `shake dev`.
package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/shake-live/shake/internal/testenv"
)

const (
	width, height = 390, 844
	patience      = 20 * time.Second
)

// chrome is the browser that all tests share; each has its own profile in it.
var chrome = struct {
	sync.Mutex
	ctx  context.Context
	stop func()
}{}

func TestMain(m *testing.M) {
	code := m.Run()
	endDemo()
	if chrome.stop != nil {
		chrome.stop()
	}
	testenv.RemoveShake()
	os.Exit(code)
}

// browser is the one Chromium of all tests. It is the one place that skips them: they take four minutes and a browser, so
// `make test` leaves them to `make e2e`.
func browser(t testing.TB) context.Context {
	t.Helper()
	if os.Getenv("SHAKE_E2E") == "" {
		t.Skip("make e2e runs the tests in a browser")
	}
	chrome.Lock()
	defer chrome.Unlock()
	if chrome.ctx != nil {
		return chrome.ctx
	}
	profile, err := os.MkdirTemp("", "shake-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(testenv.Chromium(t)), chromedp.UserDataDir(profile), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("mute-audio", true),
		chromedp.Flag("lang", "en"),
	)
	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(alloc)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	chrome.ctx = ctx
	chrome.stop = func() { stop(); stopAlloc(); _ = os.RemoveAll(profile) }
	return ctx
}

// phone is one tab on a phone of 390 x 844.
type phone struct {
	t   testing.TB
	ctx context.Context
	url string
}

// open opens a fresh profile on the page.
func open(t testing.TB, d *door, prepare ...chromedp.Action[chromedp.Void]) *phone {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser(t), chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	return tab(t, ctx, d.URL, prepare...)
}

// another opens a second tab in the same profile.
func (p *phone) another() *phone {
	p.t.Helper()
	ctx, cancel := chromedp.NewContext(p.ctx)
	p.t.Cleanup(cancel)
	return tab(p.t, ctx, p.url)
}

func tab(t testing.TB, ctx context.Context, url string, prepare ...chromedp.Action[chromedp.Void]) *phone {
	t.Helper()
	p := &phone{t: t, ctx: ctx, url: url}
	if err := chromedp.Do(ctx); err != nil { // the tab lives as long as the context of its first run
		t.Fatal(err)
	}
	p.do(chromedp.EmulateViewport(width, height, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(2)))
	p.media("prefers-color-scheme", "light")
	for _, one := range prepare {
		p.do(one)
	}
	p.do(chromedp.Navigate(url))
	return p
}

func (p *phone) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	for _, one := range actions {
		if err := chromedp.Do(ctx, one); err != nil {
			p.t.Fatalf("%v\n%s", err, p.where())
		}
	}
}

// js gives what an expression is worth, awaited.
func js[T any](p *phone, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// until waits until an expression is true.
func (p *phone) until(expression string) {
	p.t.Helper()
	p.within(patience, expression)
}

func (p *phone) within(limit time.Duration, expression string) {
	p.t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if js[bool](p, "Boolean("+expression+")") {
			return
		}
	}
	p.t.Fatalf("not within %s: %s\n%s", limit, expression, p.where())
}

func (p *phone) view(name string) {
	p.t.Helper()
	p.until(fmt.Sprintf(`document.body.dataset.view === %q`, name))
}

// refused waits for the state of a code, and wants words in it and no code.
func (p *phone) refused(code string) {
	p.t.Helper()
	p.until(fmt.Sprintf(`document.body.dataset.view === 'refusal' && document.getElementById('refusal').dataset.code === %q`, code))
	title, text := p.text("refusal-h"), p.text("refusal-text")
	if len(title) < 4 || len(text) < 20 || strings.Contains(title+text, "_") {
		p.t.Errorf("%s: got %q %q, want words", code, title, text)
	}
}

func (p *phone) text(id string) string {
	p.t.Helper()
	return js[string](p, fmt.Sprintf(`(({ dataset, textContent }) => dataset.text ?? textContent)(document.getElementById(%q))`, id))
}

func (p *phone) where() string {
	ctx, cancel := context.WithTimeout(p.ctx, 2*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.dataset.view + ': ' + document.getElementById('main').innerText`))
	if err != nil {
		return err.Error()
	}
	return "the page shows " + text
}

func (p *phone) tap(id string) {
	p.t.Helper()
	p.do(chromedp.Tap(chromedp.ID(id), chromedp.NodeVisible))
}

// visitor waits for the page as somebody without a session sees it.
func (p *phone) visitor() {
	p.t.Helper()
	p.until(`document.body.dataset.view === 'lobby' && document.body.dataset.who === 'visitor'`)
}

// card goes from there to the card that asks for a name.
func (p *phone) card() {
	p.t.Helper()
	p.until(`document.body.dataset.view === 'join' || document.body.dataset.view === 'lobby'`)
	if js[bool](p, `document.body.dataset.view === 'lobby'`) {
		p.visitor()
		p.tap("go")
	}
	p.view("join")
}

// join logs in on the card.
func (p *phone) join(name string) {
	p.t.Helper()
	p.card()
	js[any](p, fmt.Sprintf(`document.getElementById('nick').value = %q`, name))
	p.tap("join-go")
	p.until(`document.body.dataset.view !== 'join'`)
}

// live waits for the button.
func (p *phone) live() {
	p.t.Helper()
	p.until(`document.body.dataset.view === 'lobby' && document.body.dataset.who === 'player' && !document.getElementById('go').hidden`)
}

func (p *phone) media(feature, value string) {
	p.t.Helper()
	media(p, map[string]string{feature: value})
}

func media(p *phone, features map[string]string) {
	p.t.Helper()
	var list []*emulation.MediaFeature
	for name, value := range features {
		list = append(list, &emulation.MediaFeature{Name: name, Value: value})
	}
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: list})
}

func call[P, R any](p *phone, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		p.t.Fatalf("%s: %v", command.Method, err)
	}
	return result
}

// offline takes the network away from the tab, or gives it back.
func (p *phone) offline(off bool) {
	p.t.Helper()
	call(p, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{Offline: off, DownloadThroughput: -1, UploadThroughput: -1}},
	})
	call(p, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: off, DownloadThroughput: -1, UploadThroughput: -1})
}

// shakes lets the phone feel an arm: swings of so many Hz, on a slanted axis, with gravity.
func (p *phone) shakes(hz float64, forMS int) {
	p.t.Helper()
	js[any](p, fmt.Sprintf(`(() => {
		const from = performance.now();
		const timer = setInterval(() => {
			const t = performance.now() - from;
			if (t > %d) return clearInterval(timer);
			const a = 22 * Math.sin(2 * Math.PI * %g * t / 1000);
			dispatchEvent(new DeviceMotionEvent('devicemotion', { interval: 16, accelerationIncludingGravity: { x: 0.6 * a, y: 0.7 * a + 6.9, z: 0.4 * a + 6.9 } }));
		}, 16);
	})()`, forMS, hz))
}

// arrived waits until what came in stands; what runs for a whole round or for ever is not waited for.
const arrived = `Promise.all(document.getAnimations().filter((a) => a.effect.getComputedTiming().endTime < 1500).map((a) => a.finished.catch(() => {})))`

// shot keeps a picture under docs/images.
func (p *phone) shot(name string) {
	p.t.Helper()
	js[any](p, arrived)
	image := call(p, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatPng})
	if err := os.WriteFile("../../docs/images/"+name+".png", image.Data, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// number reads a figure of the English page.
func (p *phone) number(id string) (n int) {
	p.t.Helper()
	text := strings.NewReplacer(",", "", "+", "", "#", "").Replace(p.text(id))
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		p.t.Fatalf("%s: %q is no number", id, text)
	}
	return n
}

// before runs a script in each page before its own.
func before(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return err
	})
}

func (p *phone) focus(id string) {
	p.t.Helper()
	p.do(chromedp.Focus(chromedp.ID(id), chromedp.NodeVisible))
}

// win plays the rounds that luck takes until one has brought coins and the player stands on the board.
func (p *phone) win() {
	p.t.Helper()
	for {
		p.until(`['play', 'result'].includes(document.body.dataset.view)`)
		if js[bool](p, `document.body.dataset.view === 'play'`) {
			p.shakes(7, 4000)
		}
		p.view("result")
		time.Sleep(1300 * time.Millisecond) // the coins are counted up
		if p.number("result-coins") > 0 {
			p.within(2*patience, `document.querySelector('#result li.me')`)
			return
		}
		p.tap("again")
		p.view("play")
	}
}
