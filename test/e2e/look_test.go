package e2e

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// The pictures of the documents; they are to be looked at.
func TestLook_pictures(t *testing.T) {
	browser(t)
	t.Parallel() // most of it is waiting for the show
	p := open(t, start(t, "--warmup", "13s", "--live", "24s", "--round", "4s", "--late", "3s", "--bots", "4").door(t))
	p.card()
	p.shot("join")
	p.join("mai")
	p.view("lobby")
	p.until(`document.querySelector('#count.soon')`)
	p.pair("warmup")
	p.live()
	p.shot("live")
	p.tap("go")
	p.view("play")
	p.shakes(7, 4000)
	p.until(`document.getElementById('shakes').dataset.text > 9`)
	p.pair("play")
	p.view("result")
	p.win()
	p.pair("result")
	p.until(`document.body.dataset.stage !== 'live'`)
	p.tap("again")
	p.view("closed")
	p.within(2*patience, `document.body.dataset.stage === 'settled' && document.querySelector('#closed li')`)
	p.until(`document.querySelector('#closed h2').textContent === 'Final leaderboard'`)
	time.Sleep(1200 * time.Millisecond) // the last tremor is on the paper
	p.pair("closed")
}

// pair keeps a picture by day and one by night.
func (p *phone) pair(name string) {
	p.t.Helper()
	p.shot(name)
	p.media("prefers-color-scheme", "dark")
	p.shot(name + "-dark")
	p.media("prefers-color-scheme", "light")
}

// stages shows every view and every state one after the other, without playing; each is what people see.
var stages = []string{"join", "lobby", "live", "spent", "play", "result", "closed", "no_chances", "too_late", "pool_empty", "busy", "not_live", "over", "from_app",
	"session_expired", "offline", "not_found", "conflicting_repeat", "error", "wait-offline", "wait-pending", "wait-busy", "wait-late"}

func (p *phone) stage(name string) {
	p.t.Helper()
	js[any](p, fmt.Sprintf(`(async (name) => {
		const from = document.querySelector('script[type=module]').src;
		const { show } = await import(from.replace('main.js', 'view.js'));
		const { refuse, wait } = await import(from.replace('main.js', 'refusal.js'));
		const spent = name === 'spent';
		document.body.dataset.stage = name === 'live' || spent ? 'live' : 'warmup';
		document.getElementById('spent').hidden = !spent;
		document.getElementById('lobby').dataset.spent = spent;
		document.getElementById('lobby-board').hidden = name !== 'live' && !spent;
		document.getElementById('go').hidden = name !== 'live';
		if (name === 'wait-late') wait('offline', () => 0);
		else if (name.startsWith('wait-')) wait(name.slice(5), () => 29000);
		else if (document.getElementById(name)?.matches('.view')) show(name);
		else if (name === 'live' || spent) { show('lobby'); scrollTo(0, 0); }
		else refuse(name, () => {});
		await %s;
	})(%q)`, arrived, name))
}

// overflow lists what is wider than the screen, or than its own place.
const overflow = `(() => {
	const wide = [];
	if (document.documentElement.scrollWidth > innerWidth) wide.push('the page: ' + document.documentElement.scrollWidth);
	for (const el of document.querySelectorAll('header *, #toast:not([hidden]), #toast:not([hidden]) *, main section:not([hidden]) *')) {
		if (el.closest('svg, canvas, .hero, .sr') || !el.getClientRects().length) continue;
		const box = el.getBoundingClientRect();
		if (box.right > innerWidth + 0.5 || box.left < -0.5) wide.push((el.id || el.className || el.tagName) + ': ' + Math.round(box.left) + ' to ' + Math.round(box.right));
		if (el.scrollWidth > el.clientWidth + 1 && getComputedStyle(el).display !== 'inline' && !el.matches('select, .name')) wide.push((el.id || el.className || el.tagName) + ' holds ' + el.scrollWidth + ' in ' + el.clientWidth + ': ' + el.textContent.trim());
	}
	return wide;
})()`

// reach lists the buttons to press next that one would have to look for.
const reach = `['join-go', 'go', 'pad', 'again', 'refusal-go'].map((id) => document.getElementById(id)).filter((el) => el.getClientRects().length)
	.filter((el) => { const box = el.getBoundingClientRect(); return box.bottom > innerHeight || box.top < 0; }).map((el) => el.id + ' ends at ' + Math.round(el.getBoundingClientRect().bottom))`

// toasted shows a message with a name as long as a link.
const toasted = `(() => {
	document.getElementById('toast-title').textContent = 'Đã ghi nhận phần thưởng';
	document.getElementById('toast-body').textContent = 'https://shake.example/play/singapore-2026';
	document.getElementById('toast').hidden = false;
	for (const a of document.getElementById('toast').getAnimations()) a.finish();
})()`

// covered lists what one could press and a message lies upon.
const covered = `(() => {
	const over = document.getElementById('toast').getBoundingClientRect();
	return [...document.querySelectorAll('header :is(button, select), main :is(button, input)')].filter((el) => el.getClientRects().length)
		.filter((el) => { const box = el.getBoundingClientRect(); return over.width && box.top < over.bottom && box.bottom > over.top && box.left < over.right && box.right > over.left; })
		.map((el) => el.id || el.className);
})()`

// The smallest phone that we mean, and one on its side.
func TestLanguages_fitSmallPhones(t *testing.T) {
	p := open(t, demo(t).door(t))
	p.join("wordy")
	p.live()
	p.tap("go")
	p.win()
	p.media("prefers-reduced-motion", "reduce") // two hundred views without waiting for each to come in
	english := map[string]string{}
	for _, tag := range []string{"en", "zh", "id", "th", "vi", "pt"} {
		js[any](p, fmt.Sprintf(`(() => { const lang = document.getElementById('lang'); lang.value = %q; lang.dispatchEvent(new Event('change')); })()`, tag))
		p.until(fmt.Sprintf(`document.documentElement.lang.startsWith(%q)`, tag))
		p.until(fmt.Sprintf(`document.querySelector('[data-t=share]').textContent !== %q`, english["share"]))
		for _, size := range [][2]int64{{320, 568}, {844, 390}} {
			p.do(chromedp.EmulateViewport(size[0], size[1], chromedp.EmulateMobile, chromedp.EmulateTouch))
			for _, stage := range stages {
				p.stage(stage)
				js[any](p, `document.getElementById('toast').hidden = true`)
				if far := js[[]string](p, reach); len(far) > 0 {
					t.Errorf("%v, %s, %s: out of reach: %s", size, tag, stage, strings.Join(far, "; "))
				}
				js[any](p, toasted)
				if under := js[[]string](p, covered); len(under) > 0 {
					t.Errorf("%v, %s, %s: a message covers %s", size, tag, stage, strings.Join(under, "; "))
				}
				if wide := js[[]string](p, overflow); len(wide) > 0 {
					t.Errorf("%v, %s, %s: too wide: %s", size, tag, stage, strings.Join(wide, "; "))
				}
				if text := js[string](p, `document.querySelector('main section:not([hidden]) h1').textContent`); tag == "en" {
					english[stage] = text
				} else if text == english[stage] {
					t.Errorf("%s, %s: says %q, as in English", tag, stage, text)
				}
			}
		}
		english["share"] = js[string](p, `document.querySelector('[data-t=share]').textContent`)
	}
	p.do(chromedp.Navigate(p.url))
	p.until(`document.documentElement.lang === 'pt-BR'`) // the choice is kept
}

// broken lists words that stand on two lines, without a hyphen of theirs.
const broken = `(() => {
	const found = [];
	const root = document.querySelector('main section:not([hidden])');
	for (const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT); walk.nextNode(); ) {
		const node = walk.currentNode;
		if (!node.parentElement.getClientRects().length || node.parentElement.closest('.sr, .digits, code, .name, .eyebrow-name')) continue;
		for (const word of node.data.matchAll(/[\p{L}\p{N}]{2,}/gu)) {
			const range = document.createRange();
			range.setStart(node, word.index);
			range.setEnd(node, word.index + word[0].length);
			if (new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1) found.push(word[0]);
		}
	}
	return found;
})()`

// Twice the text on the smallest phone: nothing scrolls sideways, and no word is torn.
func TestText_twiceAsLarge(t *testing.T) {
	p := open(t, demo(t).door(t))
	p.join("large")
	p.live()
	p.media("prefers-reduced-motion", "reduce")
	p.do(chromedp.EmulateViewport(320, 568, chromedp.EmulateMobile, chromedp.EmulateTouch))
	for _, tag := range []string{"en", "id", "vi", "pt", "th", "zh"} {
		js[any](p, fmt.Sprintf(`(() => { const lang = document.getElementById('lang'); lang.value = %q; lang.dispatchEvent(new Event('change')); document.documentElement.style.fontSize = '200%%'; })()`, tag))
		p.until(fmt.Sprintf(`document.documentElement.lang.startsWith(%q)`, tag))
		for _, stage := range stages {
			p.stage(stage)
			if wide := js[[]string](p, overflow); len(wide) > 0 {
				t.Errorf("%s, %s: too wide: %s", tag, stage, strings.Join(wide, "; "))
			}
			if torn := js[[]string](p, broken); len(torn) > 0 && tag != "th" && tag != "zh" {
				t.Errorf("%s, %s: torn: %s", tag, stage, strings.Join(torn, ", "))
			}
		}
	}
}

// Whoever goes by the tab key sees where he is, in the order of the page.
func TestFocus_isSeen(t *testing.T) {
	p := open(t, demo(t).door(t))
	p.join("tabber")
	p.live()
	for _, scheme := range []string{"light", "dark"} {
		p.media("prefers-color-scheme", scheme)
		for _, way := range []struct {
			key  chromedp.Modifier
			want []string
		}{{0, []string{"go", "share"}}, {chromedp.ModifierShift, []string{"lang", "sound"}}} {
			js[any](p, `document.getElementById('lobby-h').focus()`)
			for _, want := range way.want {
				p.do(chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(way.key)))
				p.until(fmt.Sprintf(`document.activeElement.id === %q && getComputedStyle(document.activeElement).outlineStyle === 'solid' &&
					parseFloat(getComputedStyle(document.activeElement).outlineWidth) >= 2`, want))
			}
		}
	}
}

func TestLanguage_isTheBrowsers(t *testing.T) {
	p := open(t, demo(t).door(t), before(`Object.defineProperty(navigator, 'languages', { get: () => ['fr-FR', 'th-TH', 'en'] })`))
	p.visitor()
	if lang := js[string](p, `document.documentElement.lang`); lang != "th" {
		t.Errorf("speaks %s, want th", lang)
	}
}

func TestMotion_reduced(t *testing.T) {
	p := open(t, demo(t).door(t))
	media(p, map[string]string{"prefers-reduced-motion": "reduce", "prefers-color-scheme": "light"})
	p.join("calm")
	p.live()
	p.tap("go")
	p.view("play")
	for range 6 {
		p.do(chromedp.KeyEvent(" "))
		time.Sleep(60 * time.Millisecond)
	}
	const moves = `[document.getAnimations().length, getComputedStyle(document.getElementById('pad')).transform,
		[...document.getElementById('rain').getContext('2d').getImageData(0, 0, 300, 150).data].some((v) => v > 0)].join()`
	if got := js[string](p, moves); got != "0,none,false" {
		t.Errorf("got %s for animations, the circle's transform and coins on the canvas; want none", got)
	}
	p.view("result")
	if got, want := p.text("result-coins"), js[string](p, `document.getElementById('result-coins').dataset.value`); strings.Trim(got, "+") != want {
		t.Errorf("shows %s at once, want %s", got, want)
	}
}

//go:embed testdata/axe.min.js
var axe string

func TestAxe_findsNothingSerious(t *testing.T) {
	p := open(t, demo(t).door(t))
	p.join("axe")
	p.live()
	p.tap("go")
	p.win()
	js[any](p, axe+"; undefined")
	const run = `axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations.filter((v) => ['serious', 'critical'].includes(v.impact))
		.map((v) => v.id + ': ' + v.nodes.map((n) => n.target + ' ' + n.failureSummary.split('\n').slice(1).join(' ')).join(' | ')))`
	for _, scheme := range []string{"light", "dark"} {
		media(p, map[string]string{"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"})
		for _, stage := range stages[:13] {
			p.stage(stage)
			if found := js[[]string](p, run); len(found) > 0 {
				t.Errorf("%s, %s: %s", scheme, stage, strings.Join(found, "\n"))
			}
		}
	}
	js[any](p, `document.querySelector('#nick').removeAttribute('aria-describedby'); document.querySelector('label[for=nick]').remove()`)
	p.stage("join")
	if found := js[[]string](p, run); len(found) == 0 {
		t.Error("a field without a label went unnoticed: the check checks nothing")
	}
}

func TestShare_copiesTheLink(t *testing.T) {
	p := open(t, demo(t).door(t), before(`Object.defineProperty(navigator, 'share', { value: undefined });
		Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => { window.copied = text; } } });`))
	p.join("sharer")
	p.live()
	p.tap("share")
	p.until(`window.copied?.endsWith('/play/demo') && !document.getElementById('toast').hidden`)
}
