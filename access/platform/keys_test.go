package platform_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/access/platform"
)

// wants logs in with the token and checks what comes of it; nil: acme:ann.
func wants(t *testing.T, p access.Provider, token string, want error) {
	t.Helper()
	user, err := userOf(t.Context(), p, token)
	if !errors.Is(err, want) || want == nil && user != "acme:ann" {
		t.Errorf("got %q, %v, want %v", user, err, want)
	}
}

// taken waits until a login is taken; it may not be known yet, and must never be refused.
func taken(t *testing.T, p access.Provider, token string) {
	t.Helper()
	soon(t, "the key is known", func() bool {
		_, err := p.Player(t.Context(), token)
		if errors.Is(err, access.ErrRefused) {
			t.Fatalf("got %v", err)
		}
		return err == nil
	})
}

// soon waits until f is true.
func soon(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 5 s", what)
		}
	}
}

// The issuer replaces its key: tokens of the new one are taken at once, those of the old one until the issuer takes it
// back.
func TestKeys_rotate(t *testing.T) {
	first, second := rsaKeys()[0], rsaKeys()[1]
	i := newIssuer(t, first)
	p := newJWT(t, newKeys(t, platform.KeysOptions{Source: i.URL, Refresh: time.Hour, MinInterval: time.Millisecond}, nil), options())
	wants(t, p, first.token(t, nil, nil), nil)
	i.publish(first, second)
	taken(t, p, second.token(t, nil, nil))
	wants(t, p, first.token(t, nil, nil), nil)
	i.publish(second)
	time.Sleep(2 * time.Millisecond)
	wants(t, p, rsaKeys()[2].token(t, nil, nil), access.ErrRefused) // which has the keys read
	wants(t, p, first.token(t, nil, nil), access.ErrRefused)
	wants(t, p, second.token(t, nil, nil), nil)
}

// A key that was published just after a reading is not known yet, which is no refusal: whoever comes again is let in.
func TestKeys_publishedJustNow(t *testing.T) {
	first, second := rsaKeys()[0], rsaKeys()[1]
	i := newIssuer(t, first)
	p := newJWT(t, newKeys(t, platform.KeysOptions{Source: i.URL, Refresh: time.Hour, MinInterval: 300 * time.Millisecond}, nil), options())
	wants(t, p, first.token(t, nil, nil), nil)
	i.publish(first, second)
	token := second.token(t, nil, nil)
	wants(t, p, token, access.ErrUnreachable)
	taken(t, p, token)
	wants(t, p, rsaKeys()[2].token(t, nil, nil), access.ErrUnreachable)
	time.Sleep(310 * time.Millisecond)
	wants(t, p, rsaKeys()[2].token(t, nil, nil), access.ErrRefused) // the issuer has been asked
}

// Without anybody asking, a key that the issuer takes back is gone after the next reading.
func TestKeys_areRefreshed(t *testing.T) {
	first, second := rsaKeys()[0], rsaKeys()[1]
	i := newIssuer(t, first)
	p := newJWT(t, newKeys(t, platform.KeysOptions{Source: i.URL, Refresh: 10 * time.Millisecond, MinInterval: time.Hour}, nil), options())
	wants(t, p, first.token(t, nil, nil), nil)
	i.publish(second)
	soon(t, "the old key is gone", func() bool { _, err := userOf(t.Context(), p, first.token(t, nil, nil)); return err != nil })
	wants(t, p, second.token(t, nil, nil), nil)
}

// Logins that all name keys made up cost the issuer one reading, and those of honest players none.
func TestKeys_aHerdAsksOnce(t *testing.T) {
	key := rsaKeys()[0]
	i := newIssuer(t, key)
	keys := newKeys(t, platform.KeysOptions{Source: i.URL, Refresh: time.Hour, MinInterval: 100 * time.Millisecond}, nil)
	p := newJWT(t, keys, options())
	wants(t, p, key.token(t, nil, nil), nil)
	time.Sleep(110 * time.Millisecond)
	before := i.asked.Load()
	var wg sync.WaitGroup
	for n := range 200 {
		wg.Go(func() {
			user, err := userOf(t.Context(), p, key.token(t, nil, claims{"kid": fmt.Sprint("made-up-", n)}))
			if !errors.Is(err, access.ErrRefused) && !errors.Is(err, access.ErrUnreachable) { // between two readings nobody knows
				t.Errorf("a key made up: got %q, %v", user, err)
			}
			wants(t, p, key.token(t, nil, nil), nil)
		})
	}
	began := time.Now()
	wg.Wait()
	if got, most := i.asked.Load()-before, int64(1+time.Since(began)/(100*time.Millisecond)+1); got > most || got < 1 {
		t.Errorf("the issuer was asked %d times, want 1 to %d", got, most)
	}
}

// A herd at the start waits for one reading together.
func TestKeys_aHerdAtTheStartAsksOnce(t *testing.T) {
	key := rsaKeys()[0]
	i := newIssuer(t, key)
	release := make(chan struct{})
	i.does(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = io.WriteString(w, jwks(key))
	})
	p := newJWT(t, newKeys(t, platform.KeysOptions{Source: i.URL, Timeout: 5 * time.Second}, nil), options())
	token := key.token(t, nil, nil)
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() { wants(t, p, token, nil) })
	}
	soon(t, "asked", func() bool { return i.asked.Load() == 1 })
	time.Sleep(20 * time.Millisecond)
	close(release)
	if wg.Wait(); i.asked.Load() != 1 {
		t.Errorf("the issuer was asked %d times, want 1", i.asked.Load())
	}
}

// What an issuer may do wrong. None of it is a reason to call a player a liar: with the key he is let in, without he
// is asked to come again; and he never waits longer than Timeout.
func TestKeys_whileTheIssuerIsDown(t *testing.T) {
	key, other := rsaKeys()[0], rsaKeys()[1]
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	private, err := jose.JSONWebKey{Key: key.key, KeyID: key.id}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	says := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, answer := range map[string]http.HandlerFunc{
		"500":         says(500, jwks(other)),
		"404":         says(404, jwks(other)),
		"204":         says(204, ""),
		"not JSON":    says(200, "<html>maintenance</html>"),
		"an array":    says(200, "[]"),
		"null":        says(200, "null"),
		"no keys":     says(200, `{"keys":[]}`),
		"keys odd":    says(200, `{"keys":[7,null,"x",{},{"kty":"EC"},{"kty":"RSA","n":"","e":""},{"kty":"oct","k":"AAAA","kid":"rsa-2"}]}`),
		"private key": says(200, `{"keys":[`+string(private)+`]}`),
		"for others":  says(200, strings.ReplaceAll(jwks(other), `"use":"sig"`, `"use":"enc"`)),
		"101 keys":    says(200, `{"keys":[`+strings.Repeat(`{"kty":"x"},`, 100)+`{}]}`),
		"huge":        says(200, `{"keys":[],"x":"`+strings.Repeat("x", 300<<10)+`"}`),
		"broken off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"keys":[`)
		},
		"hung up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"slow": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-stop:
			case <-r.Context().Done():
			}
		},
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				http.Redirect(w, r, "/there", http.StatusFound)
				return
			}
			_, _ = io.WriteString(w, jwks(other))
		},
	} {
		t.Run(name, func(t *testing.T) {
			const timeout = time.Second
			bounded := func(p access.Provider, token string, want error) {
				t.Helper()
				began := time.Now()
				if wants(t, p, token, want); time.Since(began) > timeout+2*time.Second {
					t.Errorf("took %v, want %v at most", time.Since(began), timeout)
				}
			}
			i := newIssuer(t, key)
			var log strings.Builder
			p := newJWT(t, newKeys(t, platform.KeysOptions{Source: i.URL + "/?key=hunter2", Refresh: time.Hour, Timeout: timeout, MinInterval: time.Millisecond}, &log), options())
			bounded(p, key.token(t, nil, nil), nil)
			i.does(answer)
			time.Sleep(2 * time.Millisecond)
			bounded(p, other.token(t, nil, nil), access.ErrUnreachable)
			bounded(p, key.token(t, nil, nil), nil) // the keys read last are still good
			i.publish(other)
			soon(t, "the issuer is back", func() bool { _, err := userOf(t.Context(), p, other.token(t, nil, nil)); return err == nil })
			if text := log.String(); strings.Count(text, "does not answer") != 1 || strings.Count(text, "answers again") != 1 || strings.Contains(text, "hunter2") {
				t.Errorf("got log %s, want one line when it went and one when it came back, and no query", text)
			}

			never := newIssuer(t)
			never.does(answer)
			p = newJWT(t, newKeys(t, platform.KeysOptions{Source: never.URL, Timeout: timeout}, nil), options())
			bounded(p, key.token(t, nil, nil), access.ErrUnreachable)
		})
	}
	t.Run("keys that are too short", func(t *testing.T) {
		short := signer{"short", "RS256", weak}
		p := newJWT(t, newKeys(t, platform.KeysOptions{Source: newIssuer(t, short, key).URL}, nil), options())
		wants(t, p, short.token(t, nil, nil), access.ErrRefused)
	})
	t.Run("nobody there", func(t *testing.T) {
		p := newJWT(t, newKeys(t, platform.KeysOptions{Source: "http://127.0.0.1:1/"}, nil), options())
		wants(t, p, key.token(t, nil, nil), access.ErrUnreachable)
	})
}

// A player who goes away does not end the reading that others wait for.
func TestKeys_aReadingIsNobodysOwn(t *testing.T) {
	key := rsaKeys()[0]
	i := newIssuer(t)
	release := make(chan struct{})
	i.does(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = io.WriteString(w, jwks(key))
	})
	p := newJWT(t, newKeys(t, platform.KeysOptions{Source: i.URL, Timeout: 5 * time.Second}, nil), options())
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := userOf(gone, p, key.token(t, nil, nil)); !errors.Is(err, access.ErrUnreachable) {
		t.Errorf("got %v for who has gone, want ErrUnreachable", err)
	}
	close(release)
	wants(t, p, key.token(t, nil, nil), nil)
}

func TestKeys_ofAFile(t *testing.T) {
	first, second := rsaKeys()[0], rsaKeys()[1]
	file := filepath.Join(t.TempDir(), "jwks.json")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []string{"", "{}", jwks()} {
		write(bad)
		if k, err := platform.NewKeys(platform.KeysOptions{Source: "file:" + file}, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%q is taken for keys", bad)
			_ = k.Close()
		}
	}
	if _, err := platform.NewKeys(platform.KeysOptions{Source: "file:" + file + "-nope"}, slog.New(slog.DiscardHandler)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v without a file, want it told", err)
	}
	write(jwks(first))
	p := newJWT(t, newKeys(t, platform.KeysOptions{Source: "file:" + file, MinInterval: time.Millisecond}, nil), options())
	wants(t, p, first.token(t, nil, nil), nil)
	write(jwks(first, second))
	taken(t, p, second.token(t, nil, nil))
}

func TestKeys_close(t *testing.T) {
	key := rsaKeys()[0]
	i := newIssuer(t, key)
	k := newKeys(t, platform.KeysOptions{Source: i.URL, MinInterval: time.Millisecond}, nil)
	p := newJWT(t, k, options())
	wants(t, p, key.token(t, nil, nil), nil)
	for range 2 {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	}
	wants(t, p, rsaKeys()[1].token(t, nil, nil), access.ErrUnreachable)
}

// While the issuer rotates its keys, no login by a key that it has published is ever refused.
func TestKeys_rotateUnderLoad(t *testing.T) {
	i := newIssuer(t, rsaKeys()[0])
	p := newJWT(t, newKeys(t, platform.KeysOptions{Source: i.URL, Refresh: 5 * time.Millisecond, MinInterval: time.Millisecond}, nil), options())
	var signing sync.RWMutex // held while a login is under way with the key of now
	now := 0
	var tokens []string
	for _, k := range rsaKeys() {
		tokens = append(tokens, k.token(t, nil, nil))
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var logins atomic.Int64
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				signing.RLock()
				if _, err := userOf(t.Context(), p, tokens[now]); err != nil {
					t.Errorf("got %v", err)
				}
				signing.RUnlock()
				logins.Add(1)
			}
		})
	}
	for n := range 12 {
		old, next := n%3, (n+1)%3
		i.publish(rsaKeys()[old], rsaKeys()[next])
		asked := i.asked.Load()
		soon(t, "read by all", func() bool { return i.asked.Load() >= asked+2 }) // the first may have begun before
		signing.Lock()
		now = next
		signing.Unlock()
	}
	stop()
	wg.Wait()
	if logins.Load() < 100 {
		t.Errorf("only %d logins: the test sees nothing", logins.Load())
	}
}
