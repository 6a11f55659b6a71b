package platform_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/access/platform"
	"github.com/shake-live/shake/internal/clock"
)

func newIntrospection(t testing.TB, o platform.IntrospectionOptions, log *strings.Builder) *platform.Introspection {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	if log != nil {
		logger = slog.New(slog.NewTextHandler(&locked{b: log}, nil))
	}
	o.ClientID, o.ClientSecret, o.Names = "sh ake", "hunter2:&", platform.Names{Claim: "sub", Prefix: "acme:", Display: o.Names.Display}
	p, err := platform.NewIntrospection(o, clock.NewFake(noon), logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func TestIntrospection_asks(t *testing.T) {
	i := newIssuer(t)
	i.does(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		body, _ := io.ReadAll(r.Body)
		if r.Method != "POST" || id != "sh+ake" || secret != "hunter2%3A%26" || r.URL.RawQuery != "" ||
			string(body) != "token=a%2Bb%26c&token_type_hint=access_token" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("got %s %s as %s:%s with %s", r.Method, r.URL, id, secret, body)
		}
		_, _ = io.WriteString(w, `{"active":true,"sub":"ann","scope":"play","exp":`+fmt.Sprint(noon.Unix()+60)+`}`)
	})
	p := newIntrospection(t, platform.IntrospectionOptions{URL: i.URL}, nil)
	wants(t, p, "a+b&c", nil)
	wants(t, p, "a+b&c", nil)
	if i.asked.Load() != 2 {
		t.Errorf("the platform was asked %d times for two logins", i.asked.Load())
	}
}

func TestIntrospection_judges(t *testing.T) {
	i := newIssuer(t)
	p := newIntrospection(t, platform.IntrospectionOptions{URL: i.URL, Issuer: issuerName, Audience: []string{"shake"}, Leeway: time.Second}, nil)
	const fine = `"iss":"` + issuerName + `","aud":["shake"],"sub":"ann"`
	for answer, want := range map[string]error{
		`{"active":true,` + fine + `}`: nil,
		`{"active":true,` + fine + `,"exp":` + fmt.Sprint(noon.Unix()+1) + `,"nbf":0}`: nil,
		`{"active":false}`:              access.ErrRefused,
		`{"active":false,` + fine + `}`: access.ErrRefused,
		`{"active":true,` + fine + `,"exp":` + fmt.Sprint(noon.Unix()-2) + `}`:   access.ErrRefused,
		`{"active":true,` + fine + `,"exp":"soon"}`:                              access.ErrRefused,
		`{"active":true,` + fine + `,"nbf":` + fmt.Sprint(noon.Unix()+2) + `}`:   access.ErrRefused,
		`{"active":true,"iss":"` + issuerName + `","aud":"shake"}`:               access.ErrRefused,
		`{"active":true,"iss":"` + issuerName + `","aud":"shake","sub":null}`:    access.ErrRefused,
		`{"active":true,"iss":"` + issuerName + `","aud":"other","sub":"ann"}`:   access.ErrRefused,
		`{"active":true,"iss":"https://evil.example","aud":"shake","sub":"ann"}`: access.ErrRefused,
		`{"active":true,"sub":"ann"}`:                                            access.ErrRefused,
		`{` + fine + `}`:                                                         access.ErrUnreachable,
		`{"active":"true",` + fine + `}`:                                         access.ErrUnreachable,
		`{"active":1,` + fine + `}`:                                              access.ErrUnreachable,
		`{"active":null,` + fine + `}`:                                           access.ErrUnreachable,
		`[]`:                                                                     access.ErrUnreachable,
		`null`:                                                                   access.ErrUnreachable,
		``:                                                                       access.ErrUnreachable,
		`<html>`:                                                                 access.ErrUnreachable,
		`{"active":true,` + fine + `,"x":"` + strings.Repeat("x", 300<<10) + `"}`: access.ErrUnreachable,
	} {
		i.says(http.StatusOK, answer)
		t.Run(answer[:min(len(answer), 60)], func(t *testing.T) { wants(t, p, "token", want) })
	}
}

func TestIntrospection_asksNothingForNoToken(t *testing.T) {
	i := newIssuer(t)
	p := newIntrospection(t, platform.IntrospectionOptions{URL: i.URL}, nil)
	for _, credential := range []string{"", " ", "two words", "a\r\nb", "\x00", "é", strings.Repeat("x", 4097)} {
		wants(t, p, credential, access.ErrRefused)
	}
	if i.asked.Load() != 0 {
		t.Errorf("the platform was asked %d times", i.asked.Load())
	}
}

func TestIntrospection_whileThePlatformIsDown(t *testing.T) {
	i := newIssuer(t)
	var log strings.Builder
	const timeout = time.Second
	p := newIntrospection(t, platform.IntrospectionOptions{URL: i.URL, Timeout: timeout}, &log)
	stop := make(chan struct{})
	defer close(stop)
	const fine = `{"active":true,"sub":"ann"}`
	for name, answer := range map[string]http.HandlerFunc{
		"401": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, fine, http.StatusUnauthorized) },
		"400": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, fine, http.StatusBadRequest) },
		"500": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, fine, http.StatusInternalServerError) },
		"302": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/there", http.StatusFound) },
		"307": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
		},
		"hung up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"slow": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // net/http notices who goes away only then
			select {
			case <-stop:
			case <-r.Context().Done():
			}
		},
	} {
		i.does(answer)
		began, before := time.Now(), i.asked.Load()
		_, err := userOf(t.Context(), p, "the-credential")
		if took := time.Since(began); !errors.Is(err, access.ErrUnreachable) || took > timeout+time.Second {
			t.Errorf("%s: got %v after %v, want ErrUnreachable within %v", name, err, took, timeout)
		}
		if asked := i.asked.Load() - before; asked > 2 { // net/http asks again where a kept connection broke
			t.Errorf("%s: asked %d times", name, asked)
		}
		if strings.Contains(fmt.Sprint(err), "the-credential") || strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: got %v with a secret in it", name, err)
		}
	}
	i.says(200, fine)
	wants(t, p, "the-credential", nil)
	text := log.String()
	if strings.Count(text, "does not answer") != 1 || strings.Count(text, "answers again") != 1 || strings.Contains(text, "the-credential") || strings.Contains(text, "hunter2") {
		t.Errorf("got log %s, want one line when it went and one when it came back, without secrets", text)
	}
}

// A herd asks only so many questions at once; who does not get a turn in time is asked to come again.
func TestIntrospection_boundsItsQuestions(t *testing.T) {
	i := newIssuer(t)
	release := make(chan struct{})
	i.does(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = io.WriteString(w, `{"active":true,"sub":"ann"}`)
	})
	p := newIntrospection(t, platform.IntrospectionOptions{URL: i.URL, Concurrency: 4, Timeout: time.Second}, nil)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { wants(t, p, "token", access.ErrUnreachable) })
	}
	soon(t, "four are asked", func() bool { return i.asked.Load() == 4 })
	time.Sleep(50 * time.Millisecond)
	if asked := i.asked.Load(); asked != 4 {
		t.Errorf("%d questions at once, want 4", asked)
	}
	wg.Wait()
	close(release)
	for range 8 { // every turn was given back
		wg.Go(func() { wants(t, p, "token", nil) })
	}
	wg.Wait()
}

func TestNewIntrospection_refuses(t *testing.T) {
	for name, change := range map[string]func(*platform.IntrospectionOptions){
		"no url":    func(o *platform.IntrospectionOptions) { o.URL = "" },
		"no id":     func(o *platform.IntrospectionOptions) { o.ClientID = "" },
		"no secret": func(o *platform.IntrospectionOptions) { o.ClientSecret = "" },
		"no claim":  func(o *platform.IntrospectionOptions) { o.Names.Claim = "" },
	} {
		o := platform.IntrospectionOptions{URL: "https://x", ClientID: "x", ClientSecret: "x", Names: platform.Names{Claim: "sub"}}
		change(&o)
		if _, err := platform.NewIntrospection(o, clock.NewFake(noon), nil); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}
