package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/shake-live/shake/internal/testenv"
)

// shake is a `shake dev` that tests can end and start again.
type shake struct {
	t     testing.TB
	flags []string
	data  string
	cmd   *exec.Cmd
	url   *url.URL
}

// start runs `shake dev` with these flags and waits until it serves.
func start(t testing.TB, flags ...string) *shake {
	t.Helper()
	s := &shake{t: t, flags: flags, data: t.TempDir()}
	t.Cleanup(s.stop)
	s.again()
	return s
}

// again starts it with what it kept.
func (s *shake) again() {
	s.t.Helper()
	bin, err := testenv.Shake()
	if err != nil {
		s.t.Fatal(err)
	}
	args := append([]string{"dev", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--data", s.data}, s.flags...)
	s.cmd = exec.Command(bin, args...)
	s.cmd.Stderr = os.Stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.t.Fatalf("shake dev did not get ready: %v", err)
	}
	for _, word := range strings.Fields(line) {
		if players, ok := strings.CutPrefix(word, "players="); ok {
			if s.url, err = url.Parse(players); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// stop ends it the way an operator would.
func (s *shake) stop() {
	if s.cmd == nil || s.cmd.ProcessState != nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	done := time.AfterFunc(20*time.Second, func() { _ = s.cmd.Process.Kill() })
	_ = s.cmd.Wait() // it was told to end
	done.Stop()
}

// door stands before a shake, on an address that stays, and lets a test answer in its place.
type door struct {
	*httptest.Server
	shake *shake
	hook  atomic.Pointer[hook]
	calls atomic.Int64 // that a hook answered
}

// hook answers a request itself, or tells that it does not want to.
type hook func(w http.ResponseWriter, r *http.Request) bool

func (s *shake) door(t testing.TB) *door {
	d := &door{shake: s}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(d.shake.url) },
		FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) { // as where nobody listens
			if conn, _, herr := http.NewResponseController(w).Hijack(); errors.Join(err, herr) != nil && conn != nil {
				_ = conn.Close()
			}
		},
	}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := d.hook.Load(); h != nil && (*h)(w, r) {
			d.calls.Add(1)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(d.close)
	return d
}

func (d *door) close() {
	d.CloseClientConnections() // streams would hold it open
	d.Close()
}

// answer puts a hook in, nil takes it away.
func (d *door) answer(h hook) {
	d.calls.Store(0)
	if h == nil {
		d.hook.Store(nil)
		return
	}
	d.hook.Store(&h)
}

// on is a hook for calls of one method whose path ends so.
func on(method, end string, h http.HandlerFunc) hook {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != method || !strings.HasSuffix(r.URL.Path, end) {
			return false
		}
		h(w, r)
		return true
	}
}

// problem answers as the API refuses.
func problem(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		if status == 429 || status == 503 {
			w.Header().Set("Retry-After", "1")
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"type":"about:blank","title":"x","status":%d,"code":%q,"detail":"x","request_id":"x"}`, status, code)
	}
}

const (
	roundMS     = 3000
	demoChances = 9
)

var shared struct {
	sync.Mutex
	shake *shake
	data  string
}

// demo is the shake that most tests share: each has its own player there.
func demo(t testing.TB) *shake {
	t.Helper()
	browser(t) // skips where there is none
	shared.Lock()
	defer shared.Unlock()
	if shared.shake == nil {
		data, err := os.MkdirTemp("", "shake-e2e-data-")
		if err != nil {
			t.Fatal(err)
		}
		shared.data = data
		shared.shake = &shake{t: t, data: data, flags: []string{"--warmup", "1s", "--live", "30m", "--round", "3s", "--chances", fmt.Sprint(demoChances)}}
		shared.shake.again()
	}
	return shared.shake
}

func endDemo() {
	if shared.shake != nil {
		shared.shake.stop()
		_ = os.RemoveAll(shared.data)
	}
}

// A page that is loaded again in the middle of a round has not had the tap that iOS wants: the circle's first one asks.
func TestShake_asksAgainAfterAReload(t *testing.T) {
	browser(t)
	t.Parallel()
	d := start(t, "--warmup", "1s", "--live", "5m", "--round", "12s").door(t)
	p := open(t, d, before(`window.asked = 0; DeviceMotionEvent.requestPermission = async () => { window.asked++; return 'granted'; };`))
	p.join("ios")
	p.live()
	p.tap("go")
	p.view("play")
	p.do(chromedp.Navigate(d.URL))
	p.view("play")
	if n := js[int](p, `window.asked`); n != 0 {
		t.Fatalf("asked %d times without a tap", n)
	}
	p.tap("pad")
	p.tap("pad")
	p.until(`window.asked === 1`)
	counted := js[int](p, `Number(document.getElementById('shakes').dataset.text)`)
	p.shakes(5, 1500)
	p.until(fmt.Sprintf(`Number(document.getElementById('shakes').dataset.text) >= %d`, counted+3))
	if n := js[int](p, `window.asked`); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
}
