package access_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/inventory"
)

// scripted is a game whose play calls do what a test says.
type scripted struct {
	access.Game
	start func(ctx context.Context) error
	end   func(ctx context.Context) (game.Result, error)
}

func (s scripted) Start(ctx context.Context, campaign, user string, number int64) (game.Open, error) {
	if s.start == nil {
		return s.Game.Start(ctx, campaign, user, number)
	}
	return game.Open{ID: game.RoundID{Campaign: campaign, Run: 2, Epoch: 1, User: user, Number: number}, Token: "token", StartsAt: noon, EndsAt: noon}, s.start(ctx)
}

func (s scripted) End(ctx context.Context, campaign, user string, number int64, token string, shakes int64) (game.Result, error) {
	if s.end == nil {
		return s.Game.End(ctx, campaign, user, number, token, shakes)
	}
	return s.end(ctx)
}

// starting makes a door whose starts do fn.
func starting(t *testing.T, fn func(ctx context.Context) error, change ...func(*door)) *door {
	return newDoor(t, append(change, wrap(func(g access.Game) access.Game { return scripted{Game: g, start: fn} }))...)
}

func put(number int64, user string) call {
	return call{method: "PUT", path: roundPath("demo", number), as: user}
}

func TestStart_repeatsItsBytes(t *testing.T) {
	d := newDoor(t)
	first := d.want("200", put(1, "ann"))
	same(t, d, first, 50, put(1, "ann"))
	d.clock.Advance(9 * time.Second)
	same(t, d, first, 1, put(1, "ann"))
}

func TestEnd_repeatsItsBytes(t *testing.T) {
	d := newDoor(t)
	token, first := d.play("demo", "ann", 1, 60)
	again := call{method: "POST", path: roundPath("demo", 1) + "/end", as: "ann", body: fmt.Sprintf(`{"shakes":60,"token":%q}`, token)}
	same(t, d, first, 50, again)
	d.clock.Advance(10 * time.Minute) // long after the campaign too
	same(t, d, first, 1, again)
	same(t, d, first, 1, call{method: "GET", path: roundPath("demo", 1), as: "ann"})
}

func TestEnd_repeatsItsBytesFromTheArchive(t *testing.T) {
	d := newDoor(t)
	token, first := d.play("demo", "ann", 1, 60)
	live, err := d.catalog.Get(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	standing, err := d.model.Standing(t.Context(), live, "ann")
	if err != nil {
		t.Fatal(err)
	}
	d.play("demo", "ann", 2, 40)
	d.end("202", "demo", "ann", 1, token, 60) // not in the ledger yet
	d.want("202", call{method: "GET", path: roundPath("demo", 1), as: "ann"})
	d.archive.put(live.Life, *standing.Last)
	if again := d.end("200", "demo", "ann", 1, token, 60); again.body != first.body {
		t.Errorf("got %s, want %s", again.body, first.body)
	}
	same(t, d, first, 1, call{method: "GET", path: roundPath("demo", 1), as: "ann"})
	d.end("409 conflicting_repeat", "demo", "ann", 1, token, 61)
}

func TestEnd_ofARoundThatWasNeverSettled(t *testing.T) {
	d := newDoor(t)
	token := d.begin("demo", "ann", 1)
	d.clock.Advance(41 * time.Second)
	d.play("demo", "ann", 2, 40)
	d.archive.all.Store(true)
	d.end("409 too_late", "demo", "ann", 1, token, 60)
	d.want("404 not_found", call{method: "GET", path: roundPath("demo", 1), as: "ann"})
}

// same makes the call so often at once and wants the first answer's bytes each time.
func same(t *testing.T, d *door, first answer, times int, c call) {
	t.Helper()
	var wg sync.WaitGroup
	for range times {
		wg.Go(func() {
			if got := d.do(c); got.status != 200 || got.body != first.body {
				t.Errorf("%s %s: got %d %s, want the same again: %s", c.method, c.path, got.status, got.body, first.body)
			}
		})
	}
	wg.Wait()
}

func TestEnd_tooEarlyAndTooLate(t *testing.T) {
	d := newDoor(t)
	token := d.begin("demo", "ann", 1)
	d.clock.Advance(7999 * time.Millisecond)
	d.end("409 too_early", "demo", "ann", 1, token, 60)
	d.clock.Advance(32001 * time.Millisecond)
	d.want("202", call{method: "GET", path: roundPath("demo", 1), as: "ann"})
	d.clock.Advance(time.Millisecond)
	d.end("409 too_late", "demo", "ann", 1, token, 60)
	d.want("404 not_found", call{method: "GET", path: roundPath("demo", 1), as: "ann"})
	if a := d.want("409 wrong_number", put(1, "ann")); !strings.Contains(a.body, `"next_number":2`) {
		t.Errorf("got %s, want next_number 2: the abandoned round cost its chance", a.body)
	}
	d.begin("demo", "ann", 2)
}

func TestStart_chancesAndWindow(t *testing.T) {
	d := newDoor(t)
	for n := range int64(5) {
		d.play("demo", "ann", n+1, 60)
	}
	d.want("409 no_chances", put(6, "ann"))
	d.clock.Advance(5 * time.Minute)
	d.want("409 not_live", put(1, "bob"))
}

func TestStart_emptyPool(t *testing.T) {
	d := newDoor(t)
	d.play("demo", "ann", 1, 60)
	d.begin("demo", "ann", 2)
	d.origin.campaigns["demo"].Floor = 9_999
	d.catalog.Published(t.Context(), "demo")
	d.want("409 pool_empty", put(1, "bob"))
	d.want("200", put(2, "ann")) // an open round is given again all the same
}

func TestEnd_pending(t *testing.T) {
	d := newDoor(t, wrap(func(g access.Game) access.Game {
		return scripted{Game: g, end: func(context.Context) (game.Result, error) { return game.Result{}, game.ErrPending }}
	}))
	a := d.end("202", "demo", "ann", 3, "token", 60)
	if a.body != `{"number":3,"status":"pending"}` || !waits(a) {
		t.Errorf("got %s and Retry-After %q, want it pending and 1 to 3 seconds", a.body, a.header.Get("Retry-After"))
	}
}

// waits tells whether the answer says how long to wait.
func waits(a answer) bool {
	n, err := strconv.Atoi(a.header.Get("Retry-After"))
	return err == nil && n >= 1 && n <= 3
}

// Each of the game's answers has its code, and where waiting helps, the answer says how long.
func TestAnswers(t *testing.T) {
	unsafeToTell := errors.New("dial tcp 10.0.0.7:6379: secret detail")
	for _, c := range []struct {
		err   error
		want  string
		waits bool
	}{
		{game.ErrNotFound, "404 not_found", false},
		{game.ErrNotLive, "409 not_live", false},
		{game.ErrNoChances, "409 no_chances", false},
		{game.ErrRoundOpen, "409 round_open", false},
		{&game.WrongNumberError{Next: 3}, "409 wrong_number", false},
		{game.ErrPoolEmpty, "409 pool_empty", false},
		{game.ErrBusy, "503 busy", true},
		{inventory.ErrBusy, "503 busy", true},
		{game.ErrUnavailable, "503 busy", true},
		{context.DeadlineExceeded, "503 busy", true},
		{game.ErrOverloaded, "503 overloaded", true},
		{fmt.Errorf("start: %w: %w", game.ErrOverloaded, unsafeToTell), "503 overloaded", true},
		{unsafeToTell, "500 internal", false},
	} {
		d := starting(t, func(context.Context) error { return c.err })
		a := d.want(c.want, put(1, "ann"))
		if waits(a) != c.waits {
			t.Errorf("%v: got Retry-After %q, want one: %v", c.err, a.header.Get("Retry-After"), c.waits)
		}
		if strings.Contains(a.body, "secret detail") {
			t.Errorf("%v: got %s, want nothing of the cause in it", c.err, a.body)
		}
		if heard, want := d.observed.last(), "PUT /v1/campaigns/:id/rounds/:number "+c.want; heard != want {
			t.Errorf("%v: the observer heard %q, want %q", c.err, heard, want)
		}
		if faulty := strings.Contains(d.log.String(), `"level":"ERROR"`); faulty != (c.want == "500 internal") {
			t.Errorf("%v: got log %s; want an error line only where somebody should look", c.err, d.log)
		}
	}
}

// The panic is the thing under test: a bug of ours costs its own request and no other.
func TestPanic_isAnsweredAndLogged(t *testing.T) {
	d := starting(t, func(context.Context) error { panic("out of coins") }, func(d *door) { d.opts.MaxInFlight = 2 })
	for range 5 { // more often than may be in flight: each gives its place back
		a := d.want("500 internal", put(1, "ann"))
		if strings.Contains(a.body, "coins") {
			t.Errorf("got %s, want nothing of the panic in it", a.body)
		}
		if id := a.header.Get("X-Request-Id"); !strings.Contains(d.log.String(), id) {
			t.Errorf("log has no line of request %s", id)
		}
	}
	if !strings.Contains(d.log.String(), "out of coins") {
		t.Errorf("got log %s, want the panic in it", d.log)
	}
	d.want("200", call{method: "GET", path: "/v1/time"})
}

func TestDeadline_isBusy(t *testing.T) {
	d := starting(t, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, func(d *door) { d.opts.PlayTimeout = 20 * time.Millisecond })
	began := time.Now()
	d.want("503 busy", put(1, "ann"))
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %s, want about 20 ms", took)
	}
}

func TestShed_whenTooManyAreInFlight(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	d := starting(t, func(context.Context) error { inside <- struct{}{}; <-release; return nil }, func(d *door) { d.opts.MaxInFlight = 4 }) // of which starts get three
	var wg sync.WaitGroup
	for _, user := range []string{"ann", "bob", "dora"} {
		wg.Go(func() { d.want("200", put(1, user)) })
		<-inside
	}
	for _, c := range []call{put(1, "carl.s@x:1+2"), {method: "GET", path: "/v1/time"}, {method: "GET", path: "/v1/campaigns/demo"}} {
		if a := d.want("503 overloaded", c); !waits(a) {
			t.Errorf("got Retry-After %q, want 1 to 3 seconds", a.header.Get("Retry-After"))
		}
	}
	close(release)
	wg.Wait()
	d.want("200", call{method: "GET", path: "/v1/time"})
}

func TestLimit_ofAUser(t *testing.T) {
	d := newDoor(t, func(d *door) { d.opts.UserLimit = access.Limit{Rate: 2, Burst: 3} })
	wallet := func(user string) call { return call{method: "GET", path: "/v1/wallet", as: user} }
	for range 3 {
		d.want("200", wallet("ann"))
	}
	if a := d.want("429 rate_limited", wallet("ann")); !waits(a) {
		t.Errorf("got Retry-After %q, want 1 to 3 seconds", a.header.Get("Retry-After"))
	}
	d.want("429 rate_limited", put(1, "ann")) // one bucket for all her calls
	d.want("200", wallet("bob"))
	d.want("200", call{method: "GET", path: "/v1/campaigns/demo"})
	d.clock.Advance(500 * time.Millisecond)
	d.want("200", wallet("ann"))
	d.want("429 rate_limited", wallet("ann"))
	d.clock.Advance(time.Hour)
	for range 3 {
		d.want("200", wallet("ann"))
	}
	d.want("429 rate_limited", wallet("ann"))
}

func TestLimit_ofAnAddress(t *testing.T) {
	d := newDoor(t, func(d *door) { d.opts.AddressLimit = access.Limit{Rate: 1, Burst: 2} })
	login := call{method: "POST", path: "/v1/sessions", body: `{"provider":"dev","credential":"ann","market":"SG"}`}
	login.header = map[string]string{"X-Forwarded-For": "192.0.2.1"}
	d.want("200", login)
	d.want("200", login)
	login.header["X-Forwarded-For"] = "192.0.2.2" // anybody can say that
	d.want("429 rate_limited", login)
	d.want("200", call{method: "GET", path: "/v1/wallet", as: "ann"})
}

// Whoever has no session counts for his address, also with one that is made up; whoever has one does not.
func TestLimit_ofStrangers(t *testing.T) {
	d := newDoor(t, func(d *door) { d.opts.PublicLimit = access.Limit{Rate: 1, Burst: 3} })
	wallet := call{method: "GET", path: "/v1/wallet", as: "ann"}
	forged := call{method: "GET", path: "/v1/wallet", header: map[string]string{"Authorization": "Bearer made-up"}}
	d.want("200", call{method: "GET", path: "/v1/time"})
	d.want("200", call{method: "GET", path: "/v1/campaigns"})
	d.want("401 unauthorized", forged)
	d.want("429 rate_limited", forged)
	d.want("429 rate_limited", call{method: "GET", path: "/v1/campaigns/demo"})
	d.want("200", wallet)
	d.clock.Advance(time.Second)
	d.want("200", call{method: "GET", path: "/v1/campaigns/demo"})
}

func TestLimit_ofAnAddressBehindAProxy(t *testing.T) {
	d := newDoor(t, func(d *door) {
		d.opts.AddressLimit = access.Limit{Rate: 1, Burst: 2}
		d.opts.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	login := call{method: "POST", path: "/v1/sessions", body: `{"provider":"dev","credential":"ann","market":"SG"}`}
	from := func(list string) call {
		login.header = map[string]string{"X-Forwarded-For": list}
		return login
	}
	d.want("200", from("192.0.2.1"))
	d.want("200", from("198.51.100.1, 192.0.2.1")) // the client's own word counts for nothing
	d.want("429 rate_limited", from("198.51.100.2, 192.0.2.1"))
	d.want("200", from("192.0.2.2"))
	d.want("200", from("2001:db8::1"))
	d.want("200", from("2001:db8::ffff:1"))
	d.want("429 rate_limited", from("2001:db8::2")) // of the same /64
}

func TestCampaign_isCacheable(t *testing.T) {
	d := newDoor(t)
	get := call{method: "GET", path: "/v1/campaigns/demo"}
	first := d.want("200", get)
	etag := first.header.Get("ETag")
	d.clock.Advance(time.Minute) // it carries no clock
	for _, header := range []string{etag, "W/" + etag, `"x", ` + etag, `"x",W/` + etag + `,"y"`, "*"} {
		get.header = map[string]string{"If-None-Match": header}
		if a := d.do(get); a.status != http.StatusNotModified || a.body != "" || a.header.Get("ETag") != etag {
			t.Errorf("If-None-Match %s: got %d %q with ETag %s, want 304 without a body and ETag %s", header, a.status, a.body, a.header.Get("ETag"), etag)
		}
	}
	d.play("demo", "ann", 1, 60)
	for _, header := range []string{etag, strings.Trim(etag, `"`), "x", `"`} {
		get.header = map[string]string{"If-None-Match": header}
		if a := d.want("200", get); a.header.Get("ETag") == etag {
			t.Errorf("got ETag %s for another level of the pool: %s and %s", etag, first.body, a.body)
		}
	}
	d.clock.Advance(5 * time.Minute)
	if a := d.want("200", get); !strings.Contains(a.body, `"stage":"closed"`) || !strings.Contains(a.body, `"open":false`) {
		t.Errorf("got %s, want it closed", a.body)
	}
	d.want("304", call{method: "GET", path: "/v1/campaigns", header: map[string]string{"If-None-Match": "*"}})
}

func TestCampaign_withoutItsPoolIsShownClosed(t *testing.T) {
	d := newDoor(t, wrap(func(g access.Game) access.Game { return blind{g} }))
	a := d.want("200", call{method: "GET", path: "/v1/campaigns/demo"})
	if !strings.Contains(a.body, `"pool":{"funded":10000,"left":0,"open":false}`) {
		t.Errorf("got %s, want the pool closed", a.body)
	}
}

// blind can't see pools.
type blind struct{ access.Game }

func (blind) Level(context.Context, *game.Live) (inventory.Level, bool, error) {
	return inventory.Level{}, true, inventory.ErrBusy
}

func TestRequestID(t *testing.T) {
	d := newDoor(t)
	get := call{method: "GET", path: "/v1/campaigns/nope"}
	for _, id := range []string{"abcd-EF_9", strings.Repeat("x", 64)} {
		get.header = map[string]string{"X-Request-Id": id}
		a := d.want("404 not_found", get)
		if got := a.header.Get("X-Request-Id"); got != id || !strings.Contains(a.body, `"request_id":"`+id+`"`) {
			t.Errorf("got %s and %s, want the client's own id %s", got, a.body, id)
		}
	}
	seen := map[string]bool{}
	for _, id := range []string{"", "short", strings.Repeat("x", 65), "with space in it", `quote"quote"`, "é-é-é-é-é"} {
		get.header, get.bad = map[string]string{"X-Request-Id": id}, true
		got := d.want("404 not_found", get).header.Get("X-Request-Id")
		if got == id || len(got) != 24 || seen[got] {
			t.Errorf("X-Request-Id %q: got %q, want a new one", id, got)
		}
		seen[got] = true
	}
}

// A store may hold on to its context for a moment after the answer; it must not become another request's then.
func TestContext_endsWithItsRequest(t *testing.T) {
	var first context.Context
	d := starting(t, func(ctx context.Context) error {
		if first == nil {
			first = ctx
			return nil
		}
		if first.Err() == nil {
			t.Error("the first request's context lives on in the second request")
		}
		return nil
	})
	for range 20 {
		d.want("200", put(1, "ann"))
	}
}

// Whatever is logged, at whatever level: no token, credential or key is in it.
func TestLog_keepsSecrets(t *testing.T) {
	s := newScene(t)
	for _, c := range s.routeCalls() {
		s.do(c)
	}
	s.boards.err, s.wallets.err, s.inboxes.err = errors.New("board broke"), errors.New("wallet broke"), errors.New("inbox broke")
	for route, c := range s.routeCalls() {
		s.do(c)
		c.body = strings.Replace(c.body, "}", `,"x":1}`, 1)
		c.bad = true
		s.do(c)
		c.header = map[string]string{"Authorization": "Bearer " + s.token}
		s.do(c)
		c.path += "?credential=ann-credential"
		s.do(c)
		if !strings.Contains(s.log.String(), `"route":"`+strings.SplitN(route, " ", 2)[1]+`"`) {
			t.Errorf("no line of %s: the test sees nothing", route)
		}
	}
	s.do(call{method: "POST", path: "/v1/sessions", body: `{"provider":"dev","credential":"ann-credential","market":"SG"}`})
	s.do(call{method: "GET", path: "/" + s.token, bad: true})
	log := s.log.String()
	for what, secret := range map[string]string{
		"a session": s.session("ann"), "a round's token": s.token, "another token": s.tokenBob, "a credential": "ann-credential",
		"a session key": "session key", "a master key": "a key for tests only",
	} {
		if strings.Contains(log, secret) {
			t.Errorf("%s is in the log: %s", what, log)
		}
	}
}

func TestLog_isQuietAboutAnswers(t *testing.T) {
	d := newDoor(t, func(d *door) { d.deps.Log = slog.New(slog.NewJSONHandler(d.log, nil)) })
	d.want("404 not_found", call{method: "GET", path: "/v1/campaigns/nope"})
	d.want("409 wrong_number", put(3, "ann"))
	d.want("401 unauthorized", call{method: "GET", path: "/v1/wallet", bad: true})
	if got := d.log.String(); got != "" {
		t.Errorf("got %s, want nothing: these are answers", got)
	}
}

// A call counts for the market of its campaign, whatever market the player named when he logged in.
func TestMarketLimit_isTheCampaigns(t *testing.T) {
	d := newDoor(t, func(d *door) { d.opts.MarketLimits = map[string]access.Limit{"SG": {Rate: 0.001, Burst: 2}} })
	token, _ := d.deps.Sessions.Issue(access.Session{User: "ann", Market: "XX"}, d.clock.Now())
	me := call{method: "GET", path: "/v1/campaigns/demo/me", header: map[string]string{"Authorization": "Bearer " + token}}
	for range 2 {
		if a := d.do(me); a.status != http.StatusOK {
			t.Errorf("got %s, want 200 within the market's limit", a)
		}
	}
	if a := d.do(me); a.code() != "rate_limited" {
		t.Errorf("got %s beyond it, want rate_limited", a)
	}
	if a := d.do(call{method: "GET", path: "/v1/wallet", header: me.header}); a.status != http.StatusOK {
		t.Errorf("got %s of a call that is no campaign's and whose market has no limit, want 200", a)
	}
	if a := d.do(call{method: "GET", path: "/v1/campaigns/nowhere/me", header: me.header}); a.code() != "not_found" {
		t.Errorf("got %s of a campaign that is none, want not_found", a)
	}
}

// Answers are data and no pages: a browser that is shown one runs nothing of it, guesses no other type and frames it nowhere.
func TestAnswers_areGuarded(t *testing.T) {
	s := newScene(t)
	calls := s.routeCalls()
	calls["nowhere"] = call{method: "GET", path: "/v1/nowhere", bad: true}
	calls["another method"] = call{method: "DELETE", path: "/v1/wallet", bad: true}
	calls["no session"] = call{method: "GET", path: "/v1/wallet", bad: true}
	for name, c := range calls {
		a := s.do(c)
		h := a.header
		policy := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "sandbox"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: policy %q lacks %s", name, policy, want)
			}
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || len(h["Content-Security-Policy"]) != 1 {
			t.Errorf("%s: got %v", name, h)
		}
		if c.as != "" && a.status != http.StatusNoContent && h.Get("Cache-Control") != "no-store" || h.Get("Set-Cookie") != "" {
			t.Errorf("%s: got %v, want what is one player's kept by nobody, and no cookie", name, h)
		}
	}
}
