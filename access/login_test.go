package access_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/access"
)

// vouching is a provider that does what a test says.
type vouching func(ctx context.Context, credential string) (string, error)

func (v vouching) Player(ctx context.Context, credential string) (access.Player, error) {
	user, err := v(ctx, credential)
	return access.Player{User: user}, err
}

func renewal(token string) call {
	return call{method: "POST", path: "/v1/sessions/renew", header: map[string]string{"Authorization": "Bearer " + token}}
}

// login exchanges the credential for a session's token.
func (d *door) login(want, body string) string {
	d.Helper()
	a := d.want(want, call{method: "POST", path: "/v1/sessions", body: body})
	var session struct{ Token string }
	d.read(a, &session)
	return session.Token
}

func TestLogin_keepsTheDevice(t *testing.T) {
	d := newDoor(t)
	for _, device := range []string{"", "1f6c8a52-phone", strings.Repeat("~", 64)} {
		body := `{"provider":"dev","credential":"ann","market":"SG"}`
		if device != "" {
			body = fmt.Sprintf(`{"provider":"dev","credential":"ann","market":"SG","device":%q}`, device)
		}
		token := d.login("200", body)
		if got, err := d.deps.Sessions.Check(token, noon); err != nil || got.Device != device || got.User != "ann" {
			t.Errorf("got %+v, %v, want device %q", got, err, device)
		}
	}
}

func TestRenewal(t *testing.T) {
	d := newDoor(t)
	first := d.login("200", `{"provider":"dev","credential":"ann","market":"SG","device":"phone"}`)
	token := first
	for range 6 { // a session lasts an hour, and with its renewals three
		d.clock.Advance(30 * time.Minute)
		if d.clock.Now().Sub(noon) == 3*time.Hour {
			break
		}
		var renewed struct {
			Token, User, Market string
			ExpiresAt           time.Time `json:"expires_at"`
		}
		d.read(d.want("200", renewal(token)), &renewed)
		want := d.clock.Now().Add(time.Hour)
		if end := noon.Add(3 * time.Hour); want.After(end) {
			want = end
		}
		if renewed.User != "ann" || renewed.Market != "SG" || !renewed.ExpiresAt.Equal(want) {
			t.Errorf("got %+v, want ann's until %v", renewed, want)
		}
		if token = renewed.Token; !d.holds(token) {
			t.Errorf("the renewed session does not hold")
		}
	}
	d.want("401 session_expired", renewal(token))
	d.want("401 session_expired", renewal(first))
	d.want("401 unauthorized", renewal(token[1:]))
	d.want("401 unauthorized", call{method: "POST", path: "/v1/sessions/renew"})
}

func (d *door) holds(token string) bool {
	_, err := d.deps.Sessions.Check(token, d.clock.Now())
	return err == nil
}

func TestRenewal_takesNoBody(t *testing.T) {
	d := newDoor(t)
	d.want("400 malformed", call{method: "POST", path: "/v1/sessions/renew", as: "ann", body: "{}", bad: true})
}

// What a provider says, and what it doesn't, as clients see it: never an answer of 500.
func TestLogin_whatProvidersSay(t *testing.T) {
	for want, err := range map[string]error{
		"401 unauthorized": fmt.Errorf("signature: %w", access.ErrRefused),
		"503 busy":         fmt.Errorf("keys of the provider: %w", access.ErrUnreachable),
	} {
		d := newDoor(t, func(d *door) {
			d.deps.Providers["acme"] = vouching(func(context.Context, string) (string, error) { return "", err })
		})
		a := d.want(want, call{method: "POST", path: "/v1/sessions", body: `{"provider":"acme","credential":"hunter2","market":"SG"}`})
		if strings.Contains(a.body, "signature") || strings.Contains(a.body, "keys of") {
			t.Errorf("got %s, want nothing of the cause", a.body)
		}
		if a.status == 503 && !waits(a) {
			t.Errorf("got Retry-After %q", a.header.Get("Retry-After"))
		}
		if strings.Contains(d.log.String(), "hunter2") {
			t.Error("the credential is in the log")
		}
	}
}

// A provider that does not answer holds a login up for so long and no longer.
func TestLogin_isBounded(t *testing.T) {
	d := newDoor(t, func(d *door) {
		d.opts.LoginTimeout = 20 * time.Millisecond
		d.deps.Providers["acme"] = vouching(func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			return "", errors.Join(access.ErrUnreachable, ctx.Err())
		})
	})
	d.want("503 busy", call{method: "POST", path: "/v1/sessions", body: `{"provider":"acme","credential":"x","market":"SG"}`})
}

// Logins that wait for a slow platform are no load: those who play are let in, and so many logins wait and no more.
func TestLogin_aSlowPlatformShedsNobodyWhoPlays(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	d := newDoor(t, func(d *door) {
		d.opts.MaxInFlight, d.opts.MaxLogins = 2, 8
		d.deps.Providers["acme"] = vouching(func(context.Context, string) (string, error) {
			inside <- struct{}{}
			<-release
			return "ann", nil
		})
	})
	login := call{method: "POST", path: "/v1/sessions", body: `{"provider":"acme","credential":"x","market":"SG"}`}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { d.want("200", login) })
		<-inside
	}
	d.want("200", put(1, "ann"))
	d.want("200", call{method: "GET", path: "/v1/wallet", as: "ann"})
	if a := d.want("503 overloaded", login); !waits(a) {
		t.Errorf("got Retry-After %q", a.header.Get("Retry-After"))
	}
	close(release)
	wg.Wait()
	go func() { <-inside }()
	d.want("200", login) // every place was given back
}
