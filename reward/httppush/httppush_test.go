package httppush_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/reward"
	"github.com/shake-live/shake/reward/httppush"
)

var noon = time.Date(2026, 11, 11, 12, 0, 0, 0, time.UTC)

const (
	token = "hunter2-token"
	key   = "hunter2-signing-key"
)

var win = reward.Notice{
	ID: reward.ID(reward.KindWin, "demo.2.1.ann.7"), Kind: reward.KindWin, User: "ann", Campaign: "demo", Run: 2, Round: "demo.2.1.ann.7",
	Coins: 20, Title: "Coins won: 20", Body: "Round 7 paid 20. Your coins in this game: 120.",
	Params: map[string]string{"total": "120", "coins": "20", "number": "7"}, At: noon.Add(-3*time.Second + 7*time.Millisecond),
}

func inSingapore(context.Context, string, int64) (string, error) { return "SG", nil }

func newService(t testing.TB, url string, watch httppush.Observer, change ...func(*httppush.Options)) *httppush.Service {
	t.Helper()
	o := httppush.Options{URL: url, Token: token, SigningKey: key, Timeout: time.Second, Concurrency: 4, Market: inSingapore}
	for _, fn := range change {
		fn(&o)
	}
	s, err := httppush.New(o, clock.NewFake(noon), watch)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// What companies parse and check is in testdata/notice.json and in these headers.
func TestDeliver_theRequest(t *testing.T) {
	want, err := os.ReadFile("testdata/notice.json")
	if err != nil {
		t.Fatal(err)
	}
	body := strings.TrimRight(string(want), "\n")
	d := newDouble(t)
	d.does(func(w http.ResponseWriter, r *http.Request) {
		got, _ := io.ReadAll(r.Body)
		if string(got) != body {
			t.Errorf("got body\n%s\nwant\n%s", got, body)
		}
		mac := hmac.New(sha256.New, []byte(key))
		fmt.Fprintf(mac, "%s.%d.%s", win.ID, noon.Unix(), body)
		for name, want := range map[string]string{
			"Content-Type": "application/json", "Idempotency-Key": win.ID, "Authorization": "Bearer " + token,
			"Webhook-Id": win.ID, "Webhook-Timestamp": fmt.Sprint(noon.Unix()),
			"Webhook-Signature": "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		if r.Method != http.MethodPost || r.URL.String() != "/notices?app=1" {
			t.Errorf("got %s %s", r.Method, r.URL)
		}
	})
	if err := newService(t, d.URL+"/notices?app=1", newSeen()).Deliver(t.Context(), win); err != nil {
		t.Error(err)
	}
}

// A service that goes by signatures alone is sent no token.
func TestDeliver_withoutToken(t *testing.T) {
	d := newDouble(t)
	d.does(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.Header.Get("Webhook-Signature") == "" {
			t.Errorf("got headers %v", r.Header)
		}
	})
	s := newService(t, d.URL, newSeen(), func(o *httppush.Options) { o.Token = "" })
	if err := s.Deliver(t.Context(), win); err != nil {
		t.Error(err)
	}
}

func TestNew_wants(t *testing.T) {
	fine := httppush.Options{URL: "https://push.example", Token: token, Timeout: time.Second, Concurrency: 1, Market: inSingapore}
	for name, change := range map[string]func(*httppush.Options){
		"url":         func(o *httppush.Options) { o.URL = "" },
		"secrets":     func(o *httppush.Options) { o.Token = "" },
		"base64":      func(o *httppush.Options) { o.SigningKey = "whsec_hunter2!" },
		"key":         func(o *httppush.Options) { o.SigningKey = "whsec_" },
		"timeout":     func(o *httppush.Options) { o.Timeout = 0 },
		"concurrency": func(o *httppush.Options) { o.Concurrency = 0 },
		"markets":     func(o *httppush.Options) { o.Market = nil },
	} {
		o := fine
		change(&o)
		if _, err := httppush.New(o, clock.System{}, newSeen()); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("without %s: got %v", name, err)
		}
	}
}

// Each answer has its outcome: the notice is taken, refused for good, or to be given again, perhaps not before.
func TestDeliver_answers(t *testing.T) {
	d, watch := newDouble(t), newSeen()
	elsewhere := newDouble(t)
	s := newService(t, d.URL, watch)
	status := func(code int, after string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if after != "" {
				w.Header().Set("Retry-After", after)
			}
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(code)
			_, _ = io.WriteString(w, strings.Repeat("x", 100_000)) // nobody reads all of it
		}
	}
	const taken, refused, again = "taken", "refused", "again"
	for name, c := range map[string]struct {
		answer        http.HandlerFunc
		outcome, want string
		after         time.Duration
	}{
		"200":                   {status(200, ""), httppush.OutcomeTaken, taken, 0},
		"202":                   {status(202, "60"), httppush.OutcomeTaken, taken, 0},
		"204":                   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, httppush.OutcomeTaken, taken, 0},
		"301":                   {status(301, ""), httppush.OutcomeFailed, again, 0},
		"307":                   {status(307, ""), httppush.OutcomeFailed, again, 0},
		"308":                   {status(308, ""), httppush.OutcomeFailed, again, 0},
		"400":                   {status(400, "60"), httppush.OutcomeRefused, refused, 0},
		"401":                   {status(401, ""), httppush.OutcomeForbidden, again, 0},
		"403":                   {status(403, ""), httppush.OutcomeForbidden, again, 0},
		"404":                   {status(404, ""), httppush.OutcomeRefused, refused, 0},
		"408":                   {status(408, ""), httppush.OutcomeFailed, again, 0},
		"409, still under way":  {status(409, "2"), httppush.OutcomeFailed, again, 0},
		"410":                   {status(410, ""), httppush.OutcomeRefused, refused, 0},
		"422, another body":     {status(422, ""), httppush.OutcomeRefused, refused, 0},
		"429":                   {status(429, ""), httppush.OutcomeLimited, again, 0},
		"429, in seconds":       {status(429, "7"), httppush.OutcomeLimited, again, 7 * time.Second},
		"429, at a time":        {status(429, noon.Add(90*time.Second).Format(http.TimeFormat)), httppush.OutcomeLimited, again, 90 * time.Second},
		"429, at a time before": {status(429, noon.Add(-time.Hour).Format(http.TimeFormat)), httppush.OutcomeLimited, again, 0},
		"429, in no time":       {status(429, "-7"), httppush.OutcomeLimited, again, 0},
		"429, never":            {status(429, "99999999999999999999"), httppush.OutcomeLimited, again, 0},
		"500":                   {status(500, ""), httppush.OutcomeFailed, again, 0},
		"503, in seconds":       {status(503, "7"), httppush.OutcomeFailed, again, 7 * time.Second},
		"hung up":               {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, httppush.OutcomeUnreachable, again, 0},
		"reset":                 {reset, httppush.OutcomeUnreachable, again, 0},
		"no answer":             {d.hangs, httppush.OutcomeUnreachable, again, 0},
		"no HTTP":               {garbled, httppush.OutcomeUnreachable, again, 0},
		"an answer without end": {d.drips, httppush.OutcomeTaken, taken, 0},
	} {
		d.does(c.answer)
		clear(watch.outcomes)
		began := time.Now()
		err := s.Deliver(t.Context(), win)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s: took %v, want its timeout of 1s at most", name, took)
		}
		got := again
		switch {
		case err == nil:
			got = taken
		case errors.Is(err, reward.ErrRefused):
			got = refused
		}
		var notNow reward.NotNow
		_ = errors.As(err, &notNow)
		if got != c.want || notNow.After != c.after || watch.outcomes[c.outcome] != 1 || len(watch.outcomes) != 1 {
			t.Errorf("%s: got %s after %v, %v, counted as %v; want %s after %v, as %s", name, got, notNow.After, err, watch.outcomes, c.want, c.after, c.outcome)
		}
		if text := fmt.Sprint(err); strings.Contains(text, "hunter2") || strings.Contains(text, d.URL) {
			t.Errorf("%s: got %s, which has a secret or the address in it", name, text)
		}
	}
	if n := elsewhere.requests(); n != 0 {
		t.Errorf("redirects were followed %d times", n)
	}
	if !slices.Equal(slices.Sorted(maps.Keys(d.bodies)), []string{win.ID}) {
		t.Errorf("got notices %v", d.bodies)
	}
}

// reset breaks the connection off hard.
func reset(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// garbled answers with something else.
func garbled(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.2\r\n")
	_ = conn.Close()
}

// drips has said all with its status, and goes on for ever.
func (d *double) drips(w http.ResponseWriter, r *http.Request) {
	for {
		if _, err := w.Write([]byte("x")); err != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-d.stop:
			return
		case <-r.Context().Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Nobody is there at all.
func TestDeliver_nobodyThere(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	watch := newSeen()
	err := newService(t, gone.URL, watch).Deliver(t.Context(), win)
	if err == nil || errors.Is(err, reward.ErrRefused) || watch.outcomes[httppush.OutcomeUnreachable] != 1 {
		t.Errorf("got %v, %v", err, watch.outcomes)
	}
}

// A market that can't be looked up now would make another body, so the notice waits.
func TestDeliver_marketUnknown(t *testing.T) {
	d := newDouble(t)
	s := newService(t, d.URL, newSeen(), func(o *httppush.Options) {
		o.Market = func(context.Context, string, int64) (string, error) { return "", errors.New("no database") }
	})
	if err := s.Deliver(t.Context(), win); err == nil || errors.Is(err, reward.ErrRefused) || d.requests() != 0 {
		t.Errorf("got %v after %d requests", err, d.requests())
	}
}
