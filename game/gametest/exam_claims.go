package gametest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/inventory"
)

// claimQuestions are asked of a run whose pools are in epoch 2: what was settled in epoch 1 is lost.
var claimQuestions = map[string]func(*testing.T, *exam){
	"a claim pays a lost settle, once":                              claimPays,
	"a claim keeps its promise whatever the rules say now":          claimPaysExactly,
	"a claim closes the round that it is of":                        claimCloses,
	"a claim leaves another open round alone":                       claimLeavesOpen,
	"a claim of a number that was played again is paid beside":      claimPlayedAgain,
	"a claim behind a later round waits for the ledger":             claimBehind,
	"a claim that was forgotten must be in the ledger":              claimForgotten,
	"a claim of an epoch that is not closed waits":                  claimWaits,
	"a claim is paid in full or not at all":                         claimShort,
	"claims paid beside come back from the log":                     claimRestored,
	"claims under way are bounded":                                  claimBound,
	"100 concurrent claims of one round give one debit":             concurrentClaims,
	"a claim finds the round settled again, and pays nothing":       claimSettledAgain,
	"ends, starts and claims of one player at once lose no promise": concurrentClaimsAndEnds,
}

// reopened makes a campaign whose funded pools are in epoch 2, with these players as its log would tell.
func (e *exam) reopened(shards int, each int64, players map[string]inventory.Player, change ...func(*game.Campaign)) {
	e.Helper()
	e.c = Campaign("exam", shards, change...)
	for _, shard := range e.c.Life.Pools() {
		epoch, err := e.Pools.Seal(e.ctx, e.c.Life, shard, inventory.Seal{Token: "test", Least: 2})
		e.must(err)
		theirs := map[string]inventory.Player{}
		for user, p := range players {
			if e.c.Life.ShardOf(user) == shard {
				theirs[user] = p
			}
		}
		r := inventory.Restoration{Position: event.Position{Epoch: 1, Seq: 5}, Players: theirs}
		for range 2 {
			e.must(e.Pools.Restore(e.ctx, e.c.Life, shard, "test", r))
		}
		e.must(e.Pools.Open(e.ctx, e.c.Life, shard, "test", epoch, event.Mark{}))
	}
	e.must(Fund(e.ctx, e.Pools, e.c.Life, 1, each))
}

// lost is a request for a round of ann's that was started and settled in epoch 1.
func (e *exam) lost(number, paid, read int64) game.ClaimRequest {
	now := time.Now().UnixMilli()
	return game.ClaimRequest{Granted: e.c.Chances, Read: read, Claim: game.Claim{
		Campaign: e.c.ID, Run: e.c.Run, Shard: int64(e.c.Life.ShardOf("ann")), At: event.Position{Epoch: 1, Seq: 5 + number},
		Round: event.Round{
			User: "ann", Number: number, StartEpoch: 1, StartedAt: now - 90_000, Shakes: 80, ElapsedMS: 1000, Computed: paid + 1, Paid: paid,
			Total: 1000, SettledAt: now - 80_000,
		},
	}}
}

func (e *exam) claim(r game.ClaimRequest, want int64) {
	e.Helper()
	got, err := e.Rounds.Claim(e.ctx, e.c, r)
	if err != nil || got != want {
		e.Fatalf("claim of round %d: got %d, %v, want %d coins", r.Claim.Round.Number, got, err, want)
	}
}

func (e *exam) claimFails(r game.ClaimRequest, want error) {
	e.Helper()
	_, err := e.Rounds.Claim(e.ctx, e.c, r)
	e.want(err, want)
}

// coins tells what ann has, in all and beside her last round.
func (e *exam) coins() (all, extra int64) {
	e.Helper()
	st, err := e.Rounds.Standing(e.ctx, e.c, "ann")
	e.must(err)
	if st.Last != nil {
		all = st.Last.Round.Total
	}
	return all + st.Extra, st.Extra
}

func (e *exam) wantCoins(all, extra int64) {
	e.Helper()
	if gotAll, gotExtra := e.coins(); gotAll != all || gotExtra != extra {
		e.Fatalf("got %d coins, %d of them beside; want %d and %d", gotAll, gotExtra, all, extra)
	}
}

func (e *exam) wantIssued(want int64) {
	e.Helper()
	if _, issued := e.sums(); issued != want {
		e.Fatalf("got %d issued, want %d", issued, want)
	}
}

// fromToken settles ann's round of epoch 2 without its start, as after a fail-over.
func (e *exam) fromToken(number, coins int64) game.Settled {
	e.Helper()
	r, err := e.settle("ann", game.Started{Number: number, At: time.Now().UnixMilli() - 1, Epoch: 2}, 30, coins)
	e.must(err)
	return r
}

func (e *exam) token(number, epoch int64) game.Started {
	return game.Started{Number: number, At: time.Now().UnixMilli() - 90_000, Epoch: epoch}
}

func claimPays(t *testing.T, e *exam) {
	e.reopened(2, 100, nil)
	r := e.lost(3, 7, 5)
	for range 3 {
		e.claim(r, 7)
	}
	e.wantIssued(7)
	e.wantCoins(7, 0)
	st, err := e.Rounds.Standing(e.ctx, e.c, "ann")
	e.must(err)
	got := st.Last.Round
	if st.Number != 3 || st.Open != nil || got.Number != 3 || got.StartEpoch != 1 || got.Shakes != 80 || got.Computed != 8 || got.Paid != 7 ||
		got.ChancesLeft != e.c.Chances-3 || time.Since(time.UnixMilli(got.SettledAt)) > time.Minute {
		t.Errorf("got standing %+v with last %+v, want the claimed round as the last one, settled now", st, got)
	}
	if next := e.round("ann", 4, 10, 5); next.Round.Total != 12 {
		t.Errorf("got %+v, want a total of 12", next.Round)
	}
	again, err := e.settle("ann", e.token(3, 1), 80, 9)
	if !errors.Is(err, game.ErrOld) {
		t.Errorf("an end of the claimed round: got %+v, %v, want ErrOld", again, err)
	}
	e.claim(e.lost(3, 7, 1000), 7) // Standing as it does, the service would have found it in the ledger
}

// The window is over, the player has more than the cap, no chance is left: what was promised is paid.
func claimPaysExactly(_ *testing.T, e *exam) {
	e.reopened(1, 100, nil, func(c *game.Campaign) {
		c.PlayerCap, c.Chances, c.LateMS = 5, 1, 0
		c.WarmupAt, c.StartsAt, c.EndsAt = time.Now().Add(-3*time.Hour), time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	})
	e.claim(e.lost(2, 7, 5), 7)
	e.claim(e.lost(3, 0, 5), 0)
	e.claim(e.lost(4, 9, 5), 9)
	e.wantCoins(16, 0)
	e.wantIssued(16)
}

func claimCloses(t *testing.T, e *exam) {
	now := time.Now().UnixMilli()
	e.reopened(1, 100, map[string]inventory.Player{"ann": {Number: 7, Open: true, StartedAt: now, Epoch: 1}})
	st, err := e.Rounds.Standing(e.ctx, e.c, "ann")
	e.must(err)
	if st.Open == nil || st.Open.Epoch != 1 {
		t.Fatalf("got standing %+v, want round 7 of epoch 1 open", st)
	}
	e.claim(e.lost(7, 7, 5), 7)
	if st, err = e.Rounds.Standing(e.ctx, e.c, "ann"); err != nil || st.Open != nil || st.Number != 7 || st.Last.Round.Paid != 7 {
		t.Errorf("got standing %+v, %v, want it closed and paid", st, err)
	}
	again, err := e.settle("ann", game.Started{Number: 7, At: now, Epoch: 1}, 80, 3)
	if err != nil || again.Round.Paid != 7 {
		t.Errorf("its end: got %+v, %v, want what the claim brought", again.Round, err)
	}
	e.wantIssued(7)
}

func claimLeavesOpen(t *testing.T, e *exam) {
	e.reopened(1, 100, nil)
	open, err := e.start("ann", 1)
	e.must(err)
	for range 2 {
		e.claim(e.lost(1, 7, 5), 7)
		e.claim(e.lost(2, 4, 5), 4)
	}
	e.wantCoins(11, 11)
	st, err := e.Rounds.Standing(e.ctx, e.c, "ann")
	e.must(err)
	if st.Open == nil || *st.Open != open || st.Number != 1 || st.Last != nil {
		t.Fatalf("got standing %+v, want round %+v as it was", st, open)
	}
	// The token of a claimed round is no worth any more, whatever the ledger has read since.
	e.claim(e.lost(3, 1, 1000), 1)
	for number := int64(1); number <= 3; number++ {
		_, err = e.settle("ann", game.Started{Number: number, At: time.Now().UnixMilli(), Epoch: 1}, 80, 7)
		e.want(err, game.ErrOld)
	}
	r, err := e.settle("ann", open, 30, 5)
	e.must(err)
	if r.Round.Paid != 5 || r.Round.Total != 17 {
		t.Errorf("got %+v, want 5 and a total of 17", r.Round)
	}
	e.wantCoins(17, 0)
	e.claim(e.lost(1, 7, 5), 7) // still known, though its coins are in the total
	e.wantCoins(17, 0)
	e.wantIssued(17)
}

func claimPlayedAgain(t *testing.T, e *exam) {
	e.reopened(1, 100, nil)
	first := e.round("ann", 1, 30, 5)
	for range 2 {
		e.claim(e.lost(1, 7, 5), 7)
	}
	e.wantCoins(12, 7)
	st, err := e.Rounds.Standing(e.ctx, e.c, "ann")
	e.must(err)
	if *st.Last != first || st.Number != 1 {
		t.Errorf("got last %+v, want it as it was: %+v", *st.Last, first)
	}
	e.claim(e.lost(2, 1, 5), 1) // the next number is claimed: a result like any other
	e.wantCoins(13, 0)
	if r := e.round("ann", 3, 10, 1); r.Round.Total != 14 {
		t.Errorf("got %+v, want a total of 14", r.Round)
	}
	e.wantIssued(14)
}

func claimBehind(_ *testing.T, e *exam) {
	e.reopened(1, 100, nil)
	e.round("ann", 1, 30, 5)
	last := e.round("ann", 2, 30, 5)
	// Round 1 of epoch 1 may have been settled once more before round 2: the ledger has to have read round 2.
	e.claimFails(e.lost(1, 7, last.At.Seq-1), game.ErrPending)
	e.wantIssued(10)
	e.claim(e.lost(1, 7, last.At.Seq), 7)
	e.claim(e.lost(1, 7, last.At.Seq-1), 7)
	e.wantCoins(17, 7)
	e.wantIssued(17)
}

// What the ledger has is forgotten; whoever asked the ledger before it had that must ask again.
func claimForgotten(_ *testing.T, e *exam) {
	e.reopened(1, 1000, nil)
	seq := e.fromToken(5, 5).At.Seq
	e.claim(e.lost(1, 7, seq), 7)
	e.claim(e.lost(2, 8, seq+1), 8)                  // the ledger has read the claim of round 1, which is forgotten
	e.claimFails(e.lost(1, 7, seq), game.ErrPending) // who asked before that does not pay it again
	e.claimFails(e.lost(3, 9, seq), game.ErrPending) // nor anything else, for he may be wrong in the same way
	e.claim(e.lost(3, 9, seq+1), 9)                  // who asks again is right
	e.claim(e.lost(2, 8, seq), 8)                    // and what is not forgotten needs no ledger
	e.claim(e.lost(4, 1, seq+2), 1)
	e.wantCoins(30, 25)
	e.wantIssued(30)
}

func claimWaits(_ *testing.T, e *exam) {
	e.reopened(1, 100, nil)
	r := e.lost(1, 7, 1000)
	for _, epoch := range []int64{2, 3} {
		r.Claim.At.Epoch = epoch
		e.claimFails(r, game.ErrPending)
	}
	e.wantIssued(0)
}

func claimShort(t *testing.T, e *exam) {
	e.reopened(1, 10, nil)
	r := e.lost(1, 11, 5)
	_, err := e.Rounds.Claim(e.ctx, e.c, r)
	var short *game.ShortError
	if !errors.As(err, &short) || short.Need != 11 {
		t.Fatalf("got %v, want short of 11", err)
	}
	if slice, err := e.Pools.Audit(e.ctx, e.c.Life, 0); err != nil || slice.Need != 11 || slice.Left != 10 {
		t.Errorf("got %+v, %v, want 10 left and 11 needed", slice, err)
	}
	e.must(e.Pools.Dry(e.ctx, e.c.Life, 0, true, time.Time{}))
	e.claimFails(r, game.ErrNoCoins)
	e.claim(e.lost(2, 10, 5), 10)
	e.must(Fund(e.ctx, e.Pools, e.c.Life, 2, 11))
	r.Read = 1000 // the other claim stands behind it
	e.claim(r, 11)
	e.wantIssued(21)
}

func claimRestored(t *testing.T, e *exam) {
	last := event.Round{
		User: "ann", Number: 4, StartEpoch: 1, StartedAt: time.Now().UnixMilli() - 5000, Shakes: 3, ElapsedMS: 900, Computed: 5, Paid: 5, Total: 20,
		ChancesLeft: 6, SettledAt: time.Now().UnixMilli(),
	}
	e.reopened(1, 100, map[string]inventory.Player{
		"ann": {Number: 4, Last: &last, LastAt: event.Position{Epoch: 1, Seq: 4}, Extra: 7, Claims: []inventory.Claimed{{Epoch: 1, Number: 1, Seq: 5}}},
		"bob": {Extra: 3, Claims: []inventory.Claimed{{Epoch: 1, Number: 1, Seq: 3}, {Epoch: 1, Number: 11, Seq: 5}}},
	})
	e.wantCoins(27, 7)
	e.claim(e.lost(1, 7, 4), 7)
	e.claim(e.lost(2, 8, 4), 8)
	e.wantIssued(8)
	if r := e.round("ann", 5, 10, 1); r.Round.Total != 36 {
		t.Errorf("got %+v, want a total of 36", r.Round)
	}
	st, err := e.Rounds.Standing(e.ctx, e.c, "bob")
	e.must(err)
	if st.Number != 0 || st.Last != nil || st.Open != nil || st.Extra != 3 {
		t.Errorf("got standing %+v of bob, want 3 coins of claims and nothing else", st)
	}
	if r := e.round("bob", 1, 10, 2); r.Round.Total != 5 {
		t.Errorf("got %+v, want a total of 5", r.Round)
	}
}

func claimBound(_ *testing.T, e *exam) {
	e.reopened(1, 1000, nil)
	seq := e.fromToken(100, 5).At.Seq
	for n := int64(1); n <= 32; n++ {
		e.claim(e.lost(n, 1, seq), 1)
	}
	e.claimFails(e.lost(33, 1, seq), game.ErrPending)
	e.claim(e.lost(32, 1, seq), 1)
	e.claim(e.lost(33, 1, seq+1), 1) // the ledger has the first one
	e.wantIssued(38)
}

func concurrentClaims(t *testing.T, e *exam) {
	e.reopened(1, 1000, nil)
	e.round("ann", 1, 30, 5)
	r := e.lost(1, 7, 5)
	parallel(100, 100, func(int) {
		if got, err := e.Rounds.Claim(e.ctx, e.c, r); err != nil || got != 7 {
			t.Errorf("got %d, %v, want 7", got, err)
		}
	})
	e.wantIssued(12)
}

// The player's end was sent again after the loss, before the claim: it is one round.
func claimSettledAgain(t *testing.T, e *exam) {
	e.reopened(1, 1000, nil)
	r, err := e.settle("ann", game.Started{Number: 1, At: time.Now().UnixMilli() - 1, Epoch: 1}, 80, 6)
	e.must(err)
	e.claim(e.lost(1, 7, 5), 6)
	e.wantIssued(6)
	e.wantCoins(6, 0)
	if st, err := e.Rounds.Standing(e.ctx, e.c, "ann"); err != nil || *st.Last != r {
		t.Errorf("got %+v, %v, want %+v as it was", st, err, r)
	}
}

func concurrentClaimsAndEnds(t *testing.T, e *exam) {
	e.reopened(1, 100_000, nil)
	var ends, claims sync.WaitGroup
	const rounds = 40
	ends.Go(func() {
		for n := int64(1); n <= rounds; n++ {
			s, err := e.start("ann", n)
			for ; err != nil; s, err = e.start("ann", n) {
				var wrong *game.WrongNumberError
				if !errors.As(err, &wrong) {
					t.Errorf("start %d: %v", n, err)
					return
				}
				if n = wrong.Next; n > rounds { // claims have settled these numbers
					return
				}
			}
			if _, err := e.settle("ann", s, 10, 3); err != nil {
				t.Errorf("end %d: %v", n, err)
			}
		}
	})
	for n := int64(1); n <= 20; n++ {
		claims.Go(func() {
			for try := 0; try < 2; {
				all, err := e.Pools.Audit(e.ctx, e.c.Life, 0)
				e.must(err)
				_, err = e.Rounds.Claim(e.ctx, e.c, e.lost(n, 100, all.Seq)) // a ledger that is always up to date, but forgets
				if err == nil {
					try += 2
				} else if !errors.Is(err, game.ErrPending) {
					t.Errorf("claim %d: %v", n, err)
					return
				}
			}
		})
	}
	ends.Wait()
	claims.Wait()
	all, _ := e.coins()
	e.wantIssued(all)
	if all < 2000 {
		t.Errorf("got %d coins, want the 2000 that were lost, and what ends brought", all)
	}
}
