package game_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/gametest"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/inventory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 11, 12, 0, 0, 0, time.UTC)

// table is a service over the model, with everything around it in the test's hand.
type table struct {
	*testing.T
	*game.Service
	clock  *clock.Fake
	model  *gametest.Model
	rounds *scriptedRounds
	coins  *scriptedCoins
	c      *game.Campaign
	origin *shelf
	log    []string // what the nodes have in their round logs
}

// Append implements game.RoundLog.
func (at *table) Append(claim string) { at.log = append(at.log, claim) }

// scriptedRounds is the model, unless a test says otherwise.
type scriptedRounds struct {
	game.Rounds
	settle func(game.SettleRequest) (game.Settled, error)
	unsafe bool // what is read is on too few replicas
	calls  int
}

func (s *scriptedRounds) Standing(ctx context.Context, c *game.Live, user string) (game.Standing, error) {
	st, err := s.Rounds.Standing(ctx, c, user)
	if st.Last != nil && s.unsafe {
		last := *st.Last
		last.Safe, st.Last = false, &last
	}
	return st, err
}

func (s *scriptedRounds) Settle(ctx context.Context, c *game.Live, r game.SettleRequest) (game.Settled, error) {
	s.calls++
	if s.settle != nil {
		return s.settle(r)
	}
	return s.Rounds.Settle(ctx, c, r)
}

// scriptedCoins is the pool, unless a test says otherwise.
type scriptedCoins struct {
	pool *inventory.Pool
	err  error
}

func (s *scriptedCoins) Draw(ctx context.Context, run inventory.Run, shard int, need int64) (int64, error) {
	if s.err != nil {
		return 0, s.err
	}
	return s.pool.Draw(ctx, run, shard, need)
}

type sums struct{ *gametest.Model }

func (s sums) Level(ctx context.Context, run inventory.Run) (inventory.Level, error) {
	all, err := inventory.Audit(ctx, s.Model, run)
	return inventory.LevelOf(run, all, noon), err
}

// noArchive knows nothing, and all that ever comes has come.
type noArchive struct{}

func (noArchive) Last(context.Context, inventory.Run, string) (game.Settled, int64, error) {
	return game.Settled{}, 0, game.ErrNotFound
}

func (noArchive) Settled(context.Context, inventory.Run, string, int64) (game.Settled, error) {
	return game.Settled{}, game.ErrNotFound
}

// newTable opens run 2 of demo. Its coins lie in the bank: each shard is short at its first round.
func newTable(t *testing.T, change ...func(*game.Campaign)) *table {
	t.Helper()
	at := &table{T: t, clock: clock.NewFake(noon)}
	change = append(change, func(c *game.Campaign) {
		c.Run, c.RoundMS, c.EarlyMS, c.LateMS = 2, 10_000, 8_000, 30_000
		c.WarmupAt, c.StartsAt, c.EndsAt = noon.Add(-time.Hour), noon, noon.Add(time.Hour)
	})
	live := gametest.Campaign("demo", 2, change...)
	at.c, at.model = &live.Campaign, gametest.NewModel(at.clock.Now)
	at.rounds, at.coins = &scriptedRounds{Rounds: at.model}, &scriptedCoins{pool: inventory.New(at.model)}
	at.must(gametest.OpenAll(t.Context(), at.model, at.c.Life()))
	_, err := inventory.NewKeeper(at.model, at.c.Life(), "test").Fund(t.Context(), event.Funding{Number: 1, Amount: at.c.Pool})
	at.must(err)
	at.origin = newShelf(at.c)
	at.Service = at.node(keyring(t, "test", "new"))
	return at
}

// node is one process over the shared stores.
func (at *table) node(ring *game.Keyring) *game.Service {
	return game.New(game.Deps{
		Catalog: game.NewCatalog(newCopies(), at.origin, ring, at.clock, game.CacheOptions{}),
		Rounds:  at.rounds, Levels: sums{at.model}, Coins: at.coins, Archive: noArchive{}, Log: at,
	})
}

func (at *table) must(err error) {
	at.Helper()
	if err != nil {
		at.Fatalf("got %v, want no error", err)
	}
}

// begin starts a round and lets it last until it may end.
func (at *table) begin(user string, number int64) game.Open {
	at.Helper()
	open, err := at.Start(at.Context(), "demo", user, number)
	at.must(err)
	at.clock.Advance(9 * time.Second)
	return open
}

func TestEnd_isTheSameOnEveryNode(t *testing.T) {
	at := newTable(t)
	open := at.begin("ann", 1)
	var first game.Result
	for i := range 10 {
		got, err := at.node(keyring(t, "test")).End(t.Context(), "demo", "ann", 1, open.Token, 60)
		at.must(err)
		if i == 0 {
			first = got
		}
		if got != first || got.Coins < 1 {
			t.Errorf("node %d: got %+v, want %+v", i, got, first)
		}
	}
}

// The coins follow from what the claim says, so anybody with the key can derive them again.
func TestEnd_coinsFollowFromTheClaim(t *testing.T) {
	at := newTable(t, func(c *game.Campaign) {
		c.Curve = game.Curve{{From: 1, Probability: 1, Min: 1, Max: 500}, {From: 50, Probability: 1, Min: 1000, Max: 9000}}
	})
	keys, err := keyring(t, "test").RunKeys("test", "demo", 2)
	at.must(err)
	live, err := game.Prepare(at.c, keys)
	at.must(err)
	for number, shakes := range []int64{0, 1, 49, 50, 72, 1_000_000_000} {
		open := at.begin("ann", int64(number+1))
		got, err := at.End(t.Context(), "demo", "ann", int64(number+1), open.Token, shakes)
		at.must(err)
		claim, err := keys.VerifyClaim(got.Claim)
		at.must(err)
		r := claim.Round
		id := game.RoundID{Campaign: claim.Campaign, Run: claim.Run, Epoch: r.StartEpoch, User: r.User, Number: r.Number}
		derived := live.Rewarder.Reward(keys.Seed(id), game.Facts{Round: id, Shakes: r.Shakes, ElapsedMS: r.ElapsedMS})
		if id != got.ID || derived.Coins != got.Coins || r.Paid != got.Coins || r.Shakes != shakes || r.ElapsedMS != 9000 {
			t.Errorf("%d shakes: got %+v with claim %+v, want %d coins derived for 9 s of play", shakes, got, claim, derived.Coins)
		}
	}
}

func TestEnd_shortShardDrawsAndPaysInFull(t *testing.T) {
	at := newTable(t)
	open := at.begin("ann", 1)
	got, err := at.End(t.Context(), "demo", "ann", 1, open.Token, 60)
	if at.must(err); got.Coins < 1 || at.rounds.calls != 2 {
		t.Errorf("got %+v after %d calls, want it paid at the second", got, at.rounds.calls)
	}
}

// Where no coins come, the wait is bounded and the player is told to ask again; nothing is paid short.
func TestEnd_isPendingWhileNoCoinsCome(t *testing.T) {
	for _, why := range []error{inventory.ErrEmpty, inventory.ErrBusy, errors.New("connection refused")} {
		at := newTable(t)
		open := at.begin("ann", 1)
		at.coins.err = why
		began := time.Now()
		if _, err := at.End(t.Context(), "demo", "ann", 1, open.Token, 60); !errors.Is(err, game.ErrPending) {
			t.Errorf("%v: got %v, want ErrPending", why, err)
		}
		if took := time.Since(began); took < 200*time.Millisecond || took > time.Second || at.rounds.calls > 20 {
			t.Errorf("%v: took %s and %d calls, want about 250 ms and a call in 20 ms", why, took, at.rounds.calls)
		}
		at.coins.err = nil
		if got, err := at.End(t.Context(), "demo", "ann", 1, open.Token, 60); err != nil || got.Coins < 1 {
			t.Errorf("got %+v, %v once coins came, want them paid", got, err)
		}
	}
}

func TestEnd_ofACallerWhoGivesUpWhileWaiting(t *testing.T) {
	at := newTable(t)
	open := at.begin("ann", 1)
	at.coins.err = inventory.ErrEmpty
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := at.End(ctx, "demo", "ann", 1, open.Token, 60); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the caller's deadline", err)
	}
}

func TestEnd_isPendingUntilItIsSafe(t *testing.T) {
	at := newTable(t)
	open := at.begin("ann", 1)
	at.rounds.settle = func(game.SettleRequest) (game.Settled, error) { return game.Settled{Safe: false}, nil }
	if _, err := at.End(t.Context(), "demo", "ann", 1, open.Token, 60); !errors.Is(err, game.ErrPending) {
		t.Errorf("got %v, want ErrPending", err)
	}
	if len(at.log) != 0 {
		t.Error("the round log has what nobody was promised")
	}
}

// What players are told is in the round log of the node that told them.
func TestEnd_isLogged(t *testing.T) {
	at := newTable(t)
	open := at.begin("ann", 1)
	if _, err := at.End(t.Context(), "demo", "ann", 1, "forged", 60); err == nil || len(at.log) != 0 {
		t.Fatalf("got %v and %d in the log for a forged token", err, len(at.log))
	}
	got, err := at.End(t.Context(), "demo", "ann", 1, open.Token, 60)
	at.must(err)
	if len(at.log) != 1 || at.log[0] != got.Claim {
		t.Errorf("the log has %q, want the claim %q", at.log, got.Claim)
	}
}

// What too few replicas have is not told: it may be gone after a fail-over.
func TestMe_isSilentUntilItIsSafe(t *testing.T) {
	at := newTable(t)
	open := at.begin("ann", 1)
	_, err := at.End(t.Context(), "demo", "ann", 1, open.Token, 60)
	at.must(err)
	at.rounds.unsafe = true
	me, err := at.Me(t.Context(), "demo", "ann")
	if at.must(err); me.Last != nil || me.Coins != 0 || me.NextNumber != 2 {
		t.Errorf("got %+v, want round 2 next and nothing of the first one's coins", me)
	}
	if _, err := at.Result(t.Context(), "demo", "ann", 1); !errors.Is(err, game.ErrPending) {
		t.Errorf("got %v, want ErrPending", err)
	}
	at.rounds.unsafe = false
	if me, err := at.Me(t.Context(), "demo", "ann"); err != nil || me.Last == nil || me.Coins != me.Last.Total || me.Coins == 0 {
		t.Errorf("got %+v, %v, want the first round's coins", me, err)
	}
}

// A node whose idea of the shard's clock is off is told the time and settles by that.
func TestEnd_withASkewedClock(t *testing.T) {
	at := newTable(t)
	open := at.begin("ann", 1)
	var elapsed []int64
	at.rounds.settle = func(r game.SettleRequest) (game.Settled, error) {
		if elapsed = append(elapsed, r.ElapsedMS); len(elapsed) == 1 {
			return game.Settled{}, &game.SkewError{ElapsedMS: 8123}
		}
		return game.Settled{Safe: true}, nil
	}
	_, err := at.End(t.Context(), "demo", "ann", 1, open.Token, 60)
	if at.must(err); len(elapsed) != 2 || elapsed[1] != 8123 {
		t.Errorf("got %v ms, want the second try with 8123", elapsed)
	}
	at.rounds.settle = func(game.SettleRequest) (game.Settled, error) { return game.Settled{}, &game.SkewError{ElapsedMS: 1} }
	if _, err := at.End(t.Context(), "demo", "ann", 1, open.Token, 60); !errors.Is(err, game.ErrBusy) {
		t.Errorf("got %v of a clock that is never right, want ErrBusy: it is no fault of the player's", err)
	}
}

// A token of the run before is late, also when the master key was replaced between the runs; one of the run after
// is busy, because this node will hear of that run within a second. Nobody can make one up.
func TestEnd_tokensOfOtherRuns(t *testing.T) {
	at := newTable(t)
	ring := keyring(t, "test", "new")
	sign := func(key, campaign string, run int64) string {
		keys, err := ring.RunKeys(key, campaign, run)
		at.must(err)
		return keys.Sign(game.Token{Run: run, Epoch: 1, Number: 1, Shard: int64(at.c.Life().ShardOf("ann")), StartedAt: noon.UnixMilli(), User: "ann"})
	}
	forged := strings.Replace(sign("test", "demo", 1), "A", "B", 1)
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"run before":                   {sign("test", "demo", 1), game.ErrTooLate},
		"run before, under its key":    {sign("new", "demo", 1), game.ErrTooLate},
		"run after":                    {sign("test", "demo", 3), game.ErrBusy},
		"run after, under its key":     {sign("new", "demo", 3), game.ErrBusy},
		"this run, under another key":  {sign("new", "demo", 2), game.ErrTokenInvalid},
		"other campaign":               {sign("test", "other", 1), game.ErrTokenInvalid},
		"run before, forged":           {forged, game.ErrTokenInvalid},
		"run before, signed by no one": {"AQEBAQAA", game.ErrTokenInvalid},
	} {
		if _, err := at.End(t.Context(), "demo", "ann", 1, c.token, 60); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if at.rounds.calls != 0 {
		t.Errorf("%d of them reached the store, want none", at.rounds.calls)
	}
}

func TestStart_whenTheLevelIsNotKnown(t *testing.T) {
	at := newTable(t)
	at.model.Restart("another")
	if _, err := at.Start(t.Context(), "demo", "ann", 1); !errors.Is(err, game.ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	if _, err := at.Me(t.Context(), "demo", "ann"); !errors.Is(err, game.ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
}

func TestStart_floor(t *testing.T) {
	at := newTable(t, func(c *game.Campaign) { c.Pool, c.Floor = 1000, 999 })
	open := at.begin("ann", 1)
	_, err := at.End(t.Context(), "demo", "ann", 1, open.Token, 60) // an end may spend the floor
	at.must(err)
	if _, err := at.Start(t.Context(), "demo", "bob", 1); !errors.Is(err, game.ErrPoolEmpty) {
		t.Errorf("got %v at the floor, want ErrPoolEmpty", err)
	}
}

func TestCampaignThatIsNotThere(t *testing.T) {
	at := newTable(t)
	_, start := at.Start(t.Context(), "nope", "ann", 1)
	_, end := at.End(t.Context(), "nope", "ann", 1, "token", 1)
	_, me := at.Me(t.Context(), "nope", "ann")
	_, result := at.Result(t.Context(), "nope", "ann", 1)
	for name, err := range map[string]error{"start": start, "end": end, "me": me, "result": result} {
		if !errors.Is(err, game.ErrNotFound) {
			t.Errorf("%s: got %v, want ErrNotFound", name, err)
		}
	}
}

// lost is a store whose server lost everything.
type lost struct{ game.Rounds }

func (lost) Start(context.Context, *game.Live, game.StartRequest) (game.Started, error) {
	return game.Started{}, game.ErrBusy
}

func (lost) Settle(context.Context, *game.Live, game.SettleRequest) (game.Settled, error) {
	return game.Settled{}, game.ErrBusy
}

func (lost) Standing(context.Context, *game.Live, string) (game.Standing, error) {
	return game.Standing{}, game.ErrBusy
}

// kept is an archive with one round of ann's.
type kept struct{ settled game.Settled }

func (k kept) Settled(_ context.Context, _ inventory.Run, user string, number int64) (game.Settled, error) {
	if user != "ann" || number != k.settled.Round.Number {
		return game.Settled{}, game.ErrNotFound
	}
	return k.settled, nil
}

func (k kept) Last(ctx context.Context, run inventory.Run, user string) (game.Settled, int64, error) {
	last, err := k.Settled(ctx, run, user, k.settled.Round.Number)
	return last, 0, err
}

// A settled run is told from the archive: what its Redis had may be gone.
func TestSettledRun_needsNoRedis(t *testing.T) {
	at := newTable(t)
	open := at.begin("ann", 1)
	want, err := at.End(t.Context(), "demo", "ann", 1, open.Token, 60)
	at.must(err)
	live := at.clock.Now()
	st, err := at.model.Standing(t.Context(), gametest.Campaign("demo", 2, func(c *game.Campaign) { *c = *at.c }), "ann")
	at.must(err)
	settled := *at.c
	settled.SettledAt, settled.Version = &live, settled.Version+1
	after := game.New(game.Deps{
		Catalog: game.NewCatalog(newCopies(), newShelf(&settled), keyring(t, "test", "new"), at.clock, game.CacheOptions{}),
		Rounds:  lost{}, Levels: sums{at.model}, Coins: at.coins, Archive: kept{*st.Last},
	})
	if got, err := after.End(t.Context(), "demo", "ann", 1, open.Token, 60); err != nil || got != want {
		t.Errorf("got %+v, %v, want the same result %+v", got, err, want)
	}
	if _, err := after.End(t.Context(), "demo", "ann", 1, open.Token, 61); !errors.Is(err, game.ErrConflict) {
		t.Errorf("got %v for other shakes, want ErrConflict", err)
	}
	if got, err := after.Result(t.Context(), "demo", "ann", 1); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	me, err := after.Me(t.Context(), "demo", "ann")
	if at.must(err); me.Last == nil || *me.Last != want || me.Coins != want.Total || me.NextNumber != 2 {
		t.Errorf("got %+v, want the one round", me)
	}
	if me, err := after.Me(t.Context(), "demo", "bob"); err != nil || me.Last != nil || me.NextNumber != 1 {
		t.Errorf("bob: got %+v, %v, want nothing played", me, err)
	}
	if _, err := after.Start(t.Context(), "demo", "ann", 2); !errors.Is(err, game.ErrNotLive) {
		t.Errorf("got %v, want ErrNotLive", err)
	}
}

func TestResult(t *testing.T) {
	at := newTable(t)
	want := func(number int64, want error) {
		t.Helper()
		if _, err := at.Result(t.Context(), "demo", "ann", number); !errors.Is(err, want) {
			t.Errorf("round %d: got %v, want %v", number, err, want)
		}
	}
	want(1, game.ErrNotFound)
	at.begin("ann", 1)
	want(1, game.ErrPending)
	at.clock.Advance(32 * time.Second)
	want(1, game.ErrNotFound) // it ran out
	open := at.begin("ann", 2)
	_, err := at.End(t.Context(), "demo", "ann", 2, open.Token, 60)
	at.must(err)
	want(2, nil)
	for _, n := range []int64{1, 0, -1, 3} {
		want(n, game.ErrNotFound)
	}
}
