package access_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/game"
)

func TestSessions_roundTrip(t *testing.T) {
	s := newSessions(t, "k2")
	rapid.Check(t, func(t *rapid.T) {
		want := access.Session{
			User:   rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9_.@:+-]{0,63}`).Draw(t, "user"),
			Market: rapid.StringMatching(`[A-Z]{2}`).Draw(t, "market"),
			Device: rapid.StringN(0, 40, 120).Draw(t, "device"),
		}
		token, expires := s.Issue(want, noon)
		want.LoginAt, want.ExpiresAt = noon, expires
		got, err := s.Check(token, noon)
		if err != nil || got != want {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
		if _, err := s.Check(token, expires.Add(-time.Nanosecond)); err != nil {
			t.Fatalf("got %v just before it expires", err)
		}
		if _, err := s.Check(token, expires); !errors.Is(err, access.ErrSessionExpired) {
			t.Fatalf("got %v when it expires, want ErrSessionExpired", err)
		}
	})
}

func TestSessions_anyChangeIsRefused(t *testing.T) {
	s := newSessions(t, "k2")
	rapid.Check(t, func(t *rapid.T) {
		user := rapid.StringMatching(`[a-z0-9]{1,64}`).Draw(t, "user")
		token, _ := s.Issue(access.Session{User: user, Market: "SG"}, noon)
		broken := rapid.SampledFrom(append(mangled(token), token+"\n", token[:5]+"\r\n"+token[5:])).Draw(t, "broken")
		if got, err := s.Check(broken, noon); !errors.Is(err, access.ErrNoSession) {
			t.Fatalf("got %+v, %v, want ErrNoSession", got, err)
		}
	})
}

func TestNewSessions_refuses(t *testing.T) {
	good := []byte("a key that is long enough")
	for name, c := range map[string]struct {
		current string
		keys    map[string][]byte
	}{
		"no keys":              {"k", nil},
		"an unknown current":   {"x", map[string][]byte{"k": good}},
		"a short key":          {"k", map[string][]byte{"k": []byte("short")}},
		"a key without an id":  {"", map[string][]byte{"": good}},
		"an id that is a text": {"an id of more than thirty-two bytes", map[string][]byte{"an id of more than thirty-two bytes": good}},
	} {
		if _, err := access.NewSessions(c.current, c.keys, time.Hour, 2*time.Hour); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

func TestNewSessions_refusesTimes(t *testing.T) {
	for _, c := range []struct{ ttl, lifetime time.Duration }{{0, time.Hour}, {-1, time.Hour}, {time.Hour, time.Hour - 1}} {
		if _, err := access.NewSessions("k", map[string][]byte{"k": []byte("a key that is long enough")}, c.ttl, c.lifetime); err == nil {
			t.Errorf("%v within %v: want an error", c.ttl, c.lifetime)
		}
	}
}

// A token of version 1, as nodes gave it before tokens told the time of the login, holds until it expires.
func TestSessions_takesVersion1(t *testing.T) {
	const old = "AQJrMtPN0dcGU0cAYW5uszGbzl2OzOTsylxo1pnKGA"
	s := newSessions(t, "k1") // signed with k2, which is still known
	want := access.Session{User: "ann", Market: "SG", LoginAt: noon, ExpiresAt: noon.Add(time.Hour)}
	if got, err := s.Check(old, noon); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if _, err := s.Check(old, noon.Add(time.Hour)); !errors.Is(err, access.ErrSessionExpired) {
		t.Errorf("got %v after an hour, want ErrSessionExpired", err)
	}
}

// However often a session is renewed, it ends a lifetime after its login, and stays whose it was.
func TestSessions_renewWithinTheLifetime(t *testing.T) {
	s := newSessions(t, "k2") // an hour, three in all
	rapid.Check(t, func(t *rapid.T) {
		want := access.Session{User: "ann", Market: "SG", Device: "phone"}
		token, expires := s.Issue(want, noon)
		now, end := noon, noon.Add(3*time.Hour)
		for {
			now = now.Add(time.Duration(rapid.IntRange(0, 3600).Draw(t, "pause in s")) * time.Second)
			got, err := s.Check(token, now)
			if !now.Before(expires) {
				if !errors.Is(err, access.ErrSessionExpired) {
					t.Fatalf("got %v at %v, want ErrSessionExpired", err, now)
				}
				break
			}
			want.LoginAt, want.ExpiresAt = noon, expires
			if err != nil || got != want {
				t.Fatalf("got %+v, %v at %v, want %+v", got, err, now, want)
			}
			if token, expires, err = s.Renew(got, now); err != nil {
				t.Fatalf("got %v at %v, want a new token", err, now)
			}
			wanted := now.Add(time.Hour)
			if wanted.After(end) {
				wanted = end
			}
			if !expires.Equal(wanted) {
				t.Fatalf("renewed at %v until %v, want %v", now, expires, wanted)
			}
		}
		if now.After(end.Add(time.Hour)) {
			t.Fatalf("the session held until %v, want %v at most", now, end)
		}
	})
	if _, _, err := s.Renew(access.Session{User: "ann", Market: "SG", LoginAt: noon}, noon.Add(3*time.Hour)); !errors.Is(err, access.ErrSessionExpired) {
		t.Errorf("got %v after the lifetime, want ErrSessionExpired", err)
	}
}

func FuzzSessions_Check(f *testing.F) {
	s := newSessions(f, "k2")
	token, _ := s.Issue(access.Session{User: "ann", Market: "SG", Device: "phone"}, noon)
	for _, seed := range append(mangled(token)[:40], token, "", "AQ", "AQJrMg", "AgJrMg", "AQJrMtPN0dcGU0cAYW5uszGbzl2OzOTsylxo1pnKGA") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := s.Check(text, noon)
		const old = "AQJrMtPN0dcGU0cAYW5uszGbzl2OzOTsylxo1pnKGA" // of version 1
		if err == nil && text != token && text != old {
			t.Errorf("%q is taken for %+v, and was never issued", text, got)
		}
		if err != nil && !errors.Is(err, access.ErrNoSession) && !errors.Is(err, access.ErrSessionExpired) {
			t.Errorf("%q: %v", text, err)
		}
	})
}

func TestDev_givesAUserForAnyName(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"ann", "Ann", "ann lee", "añn", "{ann}", "a\nb", "a\x00b", "@ann", "ann@example.com", "王小明"} {
		player, err := access.Dev{}.Player(t.Context(), name)
		user := player.User
		if err != nil || !game.ValidUser(user) || player.Name != name {
			t.Errorf("%q: got %+v, %v, want an id that can stand in a key, and the name as typed", name, player, err)
		}
		if other, taken := seen[user]; taken {
			t.Errorf("%q and %q are the same user %q", name, other, user)
		}
		seen[user] = name
	}
}
