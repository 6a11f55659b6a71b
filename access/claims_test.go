package access_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/gametest"
)

// claimCall sends a claim as the user.
func claimCall(user, claim string) call {
	return call{method: "POST", path: "/v1/claims", as: user, body: fmt.Sprintf(`{"claim":%q}`, claim)}
}

func (s scene) badClaim(user, claim string) call {
	c := claimCall(user, claim)
	c.bad = true
	return c
}

// signClaim signs a claim of ann's third round that was settled in epoch 1.
func (s scene) signClaim(t testing.TB, campaign string, run int64, change func(*game.Claim)) string {
	t.Helper()
	keys, err := s.keys.RunKeys("test", campaign, run)
	if err != nil {
		t.Fatal(err)
	}
	shard := 0
	if c := s.origin.campaigns[campaign]; c != nil {
		shard = c.Life().ShardOf("ann")
	}
	claim := game.Claim{Campaign: campaign, Run: run, Shard: int64(shard), At: event.Position{Epoch: 1, Seq: 900}, Round: event.Round{
		User: "ann", Number: 3, StartEpoch: 1, StartedAt: noon.UnixMilli() - 20_000, Shakes: 60, ElapsedMS: 9000, Computed: 8, Paid: 8, Total: 30,
		SettledAt: noon.UnixMilli() - 11_000,
	}}
	change(&claim)
	return keys.SignClaim(claim)
}

func asItIs(*game.Claim) {}

// lose makes servers come back without anything after what is there now; pools are in their second epoch then, and the
// ledger has read that.
func (s scene) lose(t testing.TB) {
	t.Helper()
	for _, c := range s.origin.campaigns {
		for _, pool := range c.Life().Pools() {
			s.model.Fence(c.Life(), pool)
		}
		if err := gametest.OpenAll(t.Context(), s.model, c.Life()); err != nil {
			t.Fatal(err)
		}
	}
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	s.book.read = event.Position{Epoch: 2, Seq: 800}
}

// Every byte of a claim counts.
func TestBadInput_claimWithEachByteChanged(t *testing.T) {
	s := newScene(t)
	s.lose(t)
	lost := s.signClaim(t, "demo", 2, asItIs)
	before := s.dump(t)
	for _, broken := range mangled(lost) {
		if got := s.do(s.badClaim("ann", broken)); got.String() != "400 token_invalid" {
			t.Errorf("claim %q: got %s, want 400 token_invalid", broken, got)
		}
	}
	s.unchanged(t, before)
	s.want("200", claimCall("ann", lost))
}

func TestBadInput_claims(t *testing.T) {
	s := newScene(t)
	s.lose(t)
	lost := s.signClaim(t, "demo", 2, asItIs)
	signed := func(campaign string, run int64, change func(*game.Claim)) call {
		return s.badClaim("ann", s.signClaim(t, campaign, run, change))
	}
	s.refused(t, []bad{
		{"missing", "400 malformed", call{method: "POST", path: "/v1/claims", as: "ann", body: `{}`}},
		{"empty", "400 token_invalid", s.badClaim("ann", "")},
		{"words", "400 token_invalid", s.badClaim("ann", "give me coins")},
		{"a session", "400 token_invalid", s.badClaim("ann", s.session("ann"))},
		{"a round's token", "400 token_invalid", s.badClaim("ann", s.token)},
		{"very long", "400 token_invalid", s.badClaim("ann", strings.Repeat("A", 3000))},
		{"with a line end behind", "400 token_invalid", s.badClaim("ann", lost+"\n")},
		{"in standard code", "400 token_invalid", s.badClaim("ann", "+/"+lost[2:])},
		{"of another player, by whom it is not", "403 not_yours", s.badClaim("ann", s.claimBob)},
		{"sent by somebody else", "403 not_yours", s.badClaim("bob", lost)},
		{"of another shard", "400 token_invalid", signed("demo", 2, func(c *game.Claim) { c.Shard = 1 - c.Shard })},
		{"of the run before", "409 not_live", signed("demo", 1, asItIs)},
		{"of the next run, which this node does not know yet", "503 busy", signed("demo", 3, asItIs)},
		{"of a run that is not the key's", "400 token_invalid", signed("demo", 2, func(c *game.Claim) { c.Run = 3 })},
		{"of a campaign that is not the key's", "400 token_invalid", signed("demo", 2, func(c *game.Claim) { c.Campaign = "other" })},
		{"of a campaign that is gone", "404 not_found", signed("gone", 1, asItIs)},
		{"of an epoch that is not over", "202", signed("demo", 2, func(c *game.Claim) { c.At.Epoch = 2 })},
		{"of an epoch that is to come", "202", signed("demo", 2, func(c *game.Claim) { c.At.Epoch = 9 })},
	})
	for _, c := range []call{claimCall("ann", lost), claimCall("bob", s.claimBob)} {
		s.want("200", c) // the table is about good claims
	}
}

// While the ledger has not come to the end of the claim's epoch the round may be on its way.
func TestClaim_waitsForTheLedger(t *testing.T) {
	s := newScene(t)
	s.lose(t)
	lost := s.signClaim(t, "demo", 2, asItIs)
	for name, set := range map[string]func(*book){
		"nothing was read":        func(b *book) { b.read = event.Position{} },
		"the epoch is being read": func(b *book) { b.read = event.Position{Epoch: 1, Seq: 5000} },
		"an entry was unreadable": func(b *book) { b.rounds["demo.2.1.ann.3"] = game.Booked{Dead: true} },
		"it waits for a review":   func(b *book) { b.rounds["demo.2.1.ann.3"] = game.Booked{Found: true, Held: true, Coins: 8} },
	} {
		t.Run(name, func(t *testing.T) {
			s.book.mu.Lock()
			set(s.book)
			s.book.mu.Unlock()
			before := s.dump(t)
			got := s.want("202", claimCall("ann", lost))
			if after, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || after < 2 || got.body != `{"status":"pending"}` {
				t.Errorf("got %s with Retry-After %q, want pending", got.body, got.header.Get("Retry-After"))
			}
			s.unchanged(t, before)
			s.book.mu.Lock()
			s.book.read = event.Position{Epoch: 2, Seq: 800}
			delete(s.book.rounds, "demo.2.1.ann.3")
			s.book.mu.Unlock()
		})
	}
	s.book.err = errors.New("no database")
	s.want("503 busy", claimCall("ann", lost))
}

func TestClaim_isGrantedOnce(t *testing.T) {
	s := newScene(t)
	s.lose(t)
	lost := s.signClaim(t, "demo", 2, asItIs)
	before := s.coins("ann")
	for range 3 {
		golden(t, "claim", []byte(s.want("200", claimCall("ann", lost)).body))
	}
	if got := s.coins("ann"); got != before+8 {
		t.Errorf("ann has %d coins, want %d and 8", got, before)
	}
	s.book.put("demo.2.1.ann.3", game.Booked{Coins: 8})
	golden(t, "claim_already", []byte(s.want("200", claimCall("ann", lost)).body))
	if got, want := strings.Join(s.observed.claims, " "), "granted granted granted already_granted"; got != want {
		t.Errorf("heard of %q, want %q", got, want)
	}
}

// coins is what /me tells.
func (s scene) coins(user string) int64 {
	s.Helper()
	var me struct{ Coins int64 }
	s.read(s.want("200", call{method: "GET", path: "/v1/campaigns/demo/me", as: user}), &me)
	return me.Coins
}

// No coin is left: the claim is refused, and paid once there are some.
func TestClaim_ofADryPool(t *testing.T) {
	s := newScene(t)
	s.lose(t)
	life := s.origin.campaigns["demo"].Life()
	much := s.signClaim(t, "demo", 2, func(c *game.Claim) { c.Round.Paid, c.Round.Computed, c.Round.Total = 20_000, 20_000, 20_000 })
	s.want("202", claimCall("ann", much)) // the keeper may still bring coins
	if err := s.model.Dry(t.Context(), life, life.ShardOf("ann"), true, time.Time{}); err != nil {
		t.Fatal(err)
	}
	got := s.want("409 pool_empty", claimCall("ann", much))
	if !strings.Contains(got.body, "stays good") {
		t.Errorf("got %s, want to be told that the claim stays good", got.body)
	}
	if err := gametest.Fund(t.Context(), s.model, life, 2, 20_000); err != nil {
		t.Fatal(err)
	}
	s.want("200", claimCall("ann", much))
}

// What a settled run paid is told, and what it did not pay is over.
func TestClaim_ofASettledRun(t *testing.T) {
	s := newScene(t)
	lost := s.signClaim(t, "demo", 2, asItIs)
	settled := *s.origin.campaigns["demo"]
	at := s.clock.Now()
	settled.SettledAt, settled.Version = &at, settled.Version+1
	s.origin.campaigns["demo"] = &settled
	s.catalog.Published(t.Context(), "demo")
	s.lose(t)
	got := s.want("409 not_live", claimCall("ann", lost))
	if !strings.Contains(got.body, "run is over") {
		t.Errorf("got %s, want to be told that the run is over", got.body)
	}
	s.want("200", claimCall("ann", s.claim))
	if want := []string{"over", "already_granted"}; !slices.Equal(s.observed.claims, want) {
		t.Errorf("heard of %v, want %v", s.observed.claims, want)
	}
}
