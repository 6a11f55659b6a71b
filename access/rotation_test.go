package access_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shake-live/shake/access"
)

// ring is a set of session keys as an operator writes it.
type ring struct {
	current string
	ids     string // letters, each a key
}

func (r ring) keys() map[string][]byte {
	keys := map[string][]byte{}
	for id := range strings.SplitSeq(r.ids, "") {
		keys[id] = []byte("a session key called " + id)
	}
	return keys
}

// Two nodes get new keys one after the other, as operators do it: the new key everywhere, then current everywhere, then
// a session's length later the old one out. Players log in, play and renew on either node meanwhile, and none who has a
// session that should hold is told that it does not.
func TestKeyRotation_underLoad(t *testing.T) {
	const ttl = time.Hour
	var nodes [2]*access.Server
	var sessions [2]*access.Sessions
	d := newDoor(t)
	for i := range nodes {
		var err error
		if sessions[i], err = access.NewSessions("a", ring{"a", "a"}.keys(), ttl, 1000*ttl); err != nil {
			t.Fatal(err)
		}
		deps := d.deps
		deps.Sessions = sessions[i]
		nodes[i] = access.New(deps, access.Options{})
	}
	var calls, logins, renewals atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var session struct {
				Token     string
				ExpiresAt time.Time `json:"expires_at"`
			}
			ask := func(method, path, body string) int {
				r := httptest.NewRequest(method, path, strings.NewReader(body))
				r.Header.Set("Authorization", "Bearer "+session.Token)
				if body != "" {
					r.Header.Set("Content-Type", "application/json")
				}
				w := httptest.NewRecorder()
				nodes[rand.IntN(len(nodes))].ServeHTTP(w, r)
				if w.Code == http.StatusOK && method == "POST" {
					if err := json.Unmarshal(w.Body.Bytes(), &session); err != nil {
						t.Error(err)
					}
				}
				calls.Add(1)
				return w.Code
			}
			for {
				select {
				case <-stop:
					return
				default:
				}
				method, path := "GET", "/v1/campaigns/demo/me"
				if rand.IntN(4) == 0 {
					method, path = "POST", "/v1/sessions/renew"
				}
				until := session.ExpiresAt
				switch code := ask(method, path, ""); {
				case code == http.StatusOK && method == "POST":
					renewals.Add(1)
				case code == http.StatusOK:
				case code == http.StatusUnauthorized && !d.clock.Now().Before(until):
					logins.Add(1)
					if code := ask("POST", "/v1/sessions", `{"provider":"dev","credential":"ann","market":"SG"}`); code != http.StatusOK {
						t.Errorf("got %d for a login", code)
					}
				default:
					t.Errorf("got %d for a session that holds until %v, at %v", code, until, d.clock.Now())
				}
			}
		})
	}
	everywhere := func(r ring) {
		t.Helper()
		for _, s := range sessions {
			if err := s.SetKeys(r.current, r.keys()); err != nil {
				t.Error(err)
			}
			played(&calls, 50) // between the nodes
		}
	}
	for _, turn := range []string{"ab", "bc", "ca", "ab", "bc"} {
		old, next := turn[:1], turn[1:]
		everywhere(ring{old, turn})
		everywhere(ring{next, turn})
		for range 10 {
			d.clock.Advance(ttl / 10)
			played(&calls, 50)
		}
		everywhere(ring{next, next})
	}
	close(stop)
	wg.Wait()
	t.Logf("%d calls, %d renewals, %d logins", calls.Load(), renewals.Load(), logins.Load())
	if logins.Load() < 8 || renewals.Load() < 100 {
		t.Errorf("%d logins and %d renewals: the test sees nothing", logins.Load(), renewals.Load())
	}
}

// played waits until so many calls more have been made.
func played(calls *atomic.Int64, more int64) {
	for until := calls.Load() + more; calls.Load() < until; {
		time.Sleep(100 * time.Microsecond)
	}
}

// A key that is taken out logs everybody out who has a session of it, at once, and nobody else.
func TestKeyRotation_logsOut(t *testing.T) {
	d := newDoor(t)
	old, _ := newSessions(t, "k1").Issue(access.Session{User: "ann", Market: "SG"}, noon)
	wallet := func(token string) call {
		return call{method: "GET", path: "/v1/wallet", header: map[string]string{"Authorization": "Bearer " + token}}
	}
	d.want("200", wallet(old))
	present := d.session("bob")
	if err := d.deps.Sessions.SetKeys("k2", map[string][]byte{"k2": []byte("the new session key")}); err != nil {
		t.Fatal(err)
	}
	d.want("401 unauthorized", wallet(old))
	d.want("401 unauthorized", renewal(old))
	d.want("200", wallet(present))
	for _, bad := range []map[string][]byte{nil, {"k1": []byte("the old session key")}, {"k2": []byte("short")}} {
		if err := d.deps.Sessions.SetKeys("k2", bad); err == nil {
			t.Errorf("%v is taken for keys", bad)
		}
	}
	d.want("200", wallet(present)) // the keys before stay
}
