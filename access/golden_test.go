package access_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/game"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file that others parse their understanding from.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, got, "", "  "); err != nil {
		t.Fatalf("%s: %v: %s", name, err, got)
	}
	pretty.WriteByte('\n')
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pretty.Bytes(), want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, pretty.Bytes(), want)
	}
}

// The bodies as clients see them, tokens and claims included: keys and clock are fixed, so every byte is.
func TestGolden_bodies(t *testing.T) {
	d := newDoor(t)
	get := func(name, path string) {
		t.Helper()
		golden(t, name, []byte(d.want("200", call{method: "GET", path: path, as: "ann"}).body))
	}
	golden(t, "session", []byte(d.want("200", call{method: "POST", path: "/v1/sessions", body: `{"provider":"dev","credential":"ann","market":"SG"}`}).body))
	get("time", "/v1/time")
	get("campaigns", "/v1/campaigns?market=SG")
	get("campaigns_none", "/v1/campaigns?market=XX")
	get("campaign", "/v1/campaigns/demo")
	get("me_new", "/v1/campaigns/demo/me")
	golden(t, "round", []byte(d.want("200", put(1, "ann")).body))
	golden(t, "pending", []byte(d.want("202", call{method: "GET", path: roundPath("demo", 1), as: "ann"}).body))
	token := d.begin("demo", "ann", 1)
	d.clock.Advance(9*time.Second + 87*time.Millisecond)
	golden(t, "result", []byte(d.end("200", "demo", "ann", 1, token, 60).body))
	d.begin("demo", "ann", 2)
	get("me_playing", "/v1/campaigns/demo/me")
	get("leaderboard", "/v1/campaigns/demo/leaderboard?limit=2")
	get("wallet", "/v1/wallet")
	get("inbox", "/v1/inbox")
	d.want("204", call{method: "POST", path: "/v1/inbox/" + noticeOf("ann") + "/receipt", as: "ann"})
	get("inbox_receipted", "/v1/inbox")
}

// The errors as clients see them, each as a call that meets it gets it.
func TestGolden_errors(t *testing.T) {
	table := map[string]json.RawMessage{}
	met := func(d *door, want string, c call) {
		t.Helper()
		c.bad = true
		if c.header == nil {
			c.header = map[string]string{}
		}
		c.header["X-Request-Id"] = "request-id"
		a := d.want(want, c)
		table[a.code()] = json.RawMessage(a.body)
	}
	s := newScene(t)
	end := endCall(`{"token":"` + s.token + `","shakes":-1}`)
	met(s.door, "400 malformed", end)
	met(s.door, "400 unknown_field", endCall(`{"token":"x","shake":60}`))
	met(s.door, "400 token_invalid", s.endWith("x"))
	met(s.door, "401 unauthorized", call{method: "GET", path: "/v1/wallet"})
	met(s.door, "403 not_yours", s.endWith(s.tokenBob))
	met(s.door, "404 not_found", call{method: "GET", path: "/v1/campaigns/nope"})
	met(s.door, "405 method_not_allowed", call{method: "DELETE", path: "/v1/wallet"})
	met(s.door, "413 too_large", endCall(`{"token":"`+string(bytes.Repeat([]byte("x"), 5000))+`"}`))
	end.header = map[string]string{"Content-Type": "text/plain"}
	met(s.door, "415 unsupported_media_type", end)
	old, _ := s.deps.Sessions.Issue(access.Session{User: "ann", Market: "SG"}, noon.Add(-2*time.Hour))
	met(s.door, "401 session_expired", call{method: "GET", path: "/v1/wallet", header: map[string]string{"Authorization": "Bearer " + old}})
	for want, err := range map[string]error{
		"409 not_live": game.ErrNotLive, "409 no_chances": game.ErrNoChances, "409 round_open": game.ErrRoundOpen, "409 pool_empty": game.ErrPoolEmpty,
		"409 wrong_number": &game.WrongNumberError{Next: 8}, "503 busy": game.ErrBusy, "503 overloaded": game.ErrOverloaded, "500 internal": errors.New("x"),
	} {
		met(starting(t, func(context.Context) error { return err }), want, put(1, "ann"))
	}
	for want, err := range map[string]error{
		"409 too_early": game.ErrTooEarly, "409 too_late": game.ErrTooLate, "409 conflicting_repeat": game.ErrConflict,
	} {
		met(newDoor(t, wrap(func(g access.Game) access.Game {
			return scripted{Game: g, end: func(context.Context) (game.Result, error) { return game.Result{}, err }}
		})), want, endCall(`{"token":"x","shakes":1}`))
	}
	limited := newDoor(t, func(d *door) { d.opts.UserLimit = access.Limit{Rate: 0.001, Burst: 1} })
	limited.want("200", call{method: "GET", path: "/v1/wallet", as: "ann"})
	met(limited, "429 rate_limited", call{method: "GET", path: "/v1/wallet", as: "ann"})
	text, err := json.Marshal(table)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "errors", text)
}
