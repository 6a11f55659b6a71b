package gametest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/inventory"
)

// Store is what sits the exam: rounds and the pools they are paid from.
type Store struct {
	Rounds game.Rounds
	Pools  inventory.Store
}

// Campaign is a live campaign for tests. Its rounds last a second and may end at once.
func Campaign(id string, shards int, change ...func(*game.Campaign)) *game.Live {
	now := time.Now().UTC().Truncate(time.Millisecond)
	c := &game.Campaign{
		ID: id, Game: "shake", Market: "SG", Name: "Test", Version: 1, Run: 1,
		WarmupAt: now.Add(-2 * time.Hour), StartsAt: now.Add(-time.Hour), EndsAt: now.Add(time.Hour),
		RoundMS: 1000, EarlyMS: 0, LateMS: 60000, Chances: 1000, Pool: 1_000_000, Shards: shards, ShakeRate: 8,
		Curve: game.Curve{{From: 1, Probability: 1, Min: 1, Max: 10}}, KeyID: "test",
	}
	for _, f := range change {
		f(c)
	}
	ring, err := game.NewKeyring("test", map[string][]byte{"test": []byte("a key for tests only")})
	if err != nil {
		panic(err)
	}
	keys, err := ring.RunKeys("test", c.ID, c.Run)
	if err != nil {
		panic(err)
	}
	live, err := game.Prepare(c, keys)
	if err != nil {
		panic(err)
	}
	return live
}

// OpenAll opens all pools of a run that has no log.
func OpenAll(ctx context.Context, store inventory.Store, run inventory.Run) error {
	for _, shard := range run.Pools() {
		epoch, err := store.Seal(ctx, run, shard, inventory.Seal{Token: "test", Least: 1})
		if err == nil && epoch > 0 {
			err = store.Open(ctx, run, shard, "test", epoch, event.Mark{})
		}
		if err != nil {
			return fmt.Errorf("open %s: %w", run.Source(shard), err)
		}
	}
	return nil
}

// Fund brings coins straight to every shard, through the bank.
func Fund(ctx context.Context, store inventory.Store, run inventory.Run, number, each int64) error {
	k := inventory.NewKeeper(store, run, "test-funder")
	if _, err := k.Fund(ctx, event.Funding{Number: number, Amount: each * int64(run.Shards)}); err != nil {
		return err
	}
	for shard := range run.Shards {
		n, err := store.Debit(ctx, run, event.Bank, shard, number, each, 0)
		if err == nil {
			err = store.Credit(ctx, run, shard, event.Transfer{Peer: event.Bank, Number: number, Amount: n})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Run gives the exam; newStore is called once a question, campaigns have ids of their own.
func Run(t *testing.T, newStore func(t *testing.T) Store) {
	questions := map[string]func(*testing.T, *exam){
		"a start gives a round, again and again":                 startRepeats,
		"numbers go up one by one":                               startNumbers,
		"an open round keeps the next from starting":             startWhileOpen,
		"chances run out":                                        startChances,
		"rounds start inside the window only":                    startWindow,
		"a closed pool starts nothing, but gives an open round":  startClosed,
		"an abandoned round frees the player, costs the chance":  abandoned,
		"an end settles once and repeats its result":             endRepeats,
		"an end with other shakes is a conflict":                 endConflicts,
		"an end of an earlier round is old":                      endOld,
		"an end comes not too early":                             endEarly,
		"an end comes not too late":                              endLate,
		"an end settles without its start":                       endLostStart,
		"an end with an impossible clock is told the right time": endSkew,
		"a short shard pays nothing until it has all":            endShort,
		"who waits for coins is not late for that":               endWaits,
		"a dry shard pays what it has":                           endDry,
		"a player's cap holds over rounds":                       endPlayerCap,
		"10000 concurrent starts on one chance give one round":   concurrentStarts,
		"100 concurrent ends of one round give one debit":        concurrentEnds,
		"many players at once lose no coin":                      concurrentPlayers,
		"a shard that is not open is busy":                       notOpen,
	}
	maps.Copy(questions, claimQuestions)
	for name, question := range questions {
		t.Run(name, func(t *testing.T) { question(t, &exam{T: t, Store: newStore(t), ctx: t.Context()}) })
	}
}

type exam struct {
	*testing.T
	Store
	ctx context.Context
	c   *game.Live
}

// play makes a campaign with funded shards.
func (e *exam) play(shards int, each int64, change ...func(*game.Campaign)) {
	e.Helper()
	e.c = Campaign("exam", shards, change...)
	e.must(OpenAll(e.ctx, e.Pools, e.c.Life))
	if each > 0 {
		e.must(Fund(e.ctx, e.Pools, e.c.Life, 1, each))
	}
}

func (e *exam) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatalf("got %v, want no error", err)
	}
}

func (e *exam) want(err, want error) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Fatalf("got error %v, want %v", err, want)
	}
}

func (e *exam) wantNext(err error, next int64) {
	e.Helper()
	var wrong *game.WrongNumberError
	if !errors.As(err, &wrong) || wrong.Next != next {
		e.Fatalf("got error %v, want next number %d", err, next)
	}
}

func (e *exam) start(user string, number int64) (game.Started, error) {
	return e.Rounds.Start(e.ctx, e.c, game.StartRequest{User: user, Number: number, Granted: e.c.Chances})
}

func (e *exam) settle(user string, s game.Started, shakes, coins int64) (game.Settled, error) {
	elapsed := max(0, min(time.Now().UnixMilli()-s.At, e.c.RoundMS))
	return e.Rounds.Settle(e.ctx, e.c, game.SettleRequest{
		Token:  game.Token{Run: 1, Epoch: s.Epoch, Number: s.Number, Shard: int64(e.c.Life.ShardOf(user)), StartedAt: s.At, User: user},
		Shakes: shakes, ElapsedMS: elapsed, Computed: coins, Granted: e.c.Chances,
	})
}

func (e *exam) round(user string, number, shakes, coins int64) game.Settled {
	e.Helper()
	s, err := e.start(user, number)
	e.must(err)
	r, err := e.settle(user, s, shakes, coins)
	e.must(err)
	return r
}

// sums audits the run: every pool balances, and so do all together.
func (e *exam) sums() (left, issued int64) {
	e.Helper()
	all, err := inventory.Audit(e.ctx, e.Pools, e.c.Life)
	e.must(err)
	for _, s := range all {
		if !s.Balanced() {
			e.Fatalf("%s does not balance: %+v", s.Source, s.State)
		}
	}
	level := inventory.LevelOf(e.c.Life, all, time.Now())
	return level.Left, level.Issued
}

func startRepeats(t *testing.T, e *exam) {
	e.play(2, 100)
	first, err := e.start("ann", 1)
	e.must(err)
	again, err := e.start("ann", 1)
	e.must(err)
	if first != again || first.Number != 1 || first.Epoch != 1 {
		t.Errorf("got %+v and again %+v, want the same round 1 of epoch 1", first, again)
	}
	st, err := e.Rounds.Standing(e.ctx, e.c, "ann")
	e.must(err)
	if st.Number != 1 || st.Open == nil || *st.Open != first || st.Last != nil {
		t.Errorf("got standing %+v, want round 1 open", st)
	}
}

func startNumbers(t *testing.T, e *exam) {
	e.play(2, 100)
	for _, n := range []int64{0, 2, 3, 1 << 40} {
		_, err := e.start("ann", n)
		e.wantNext(err, 1)
	}
	e.round("ann", 1, 5, 3)
	for _, n := range []int64{1, 3} {
		_, err := e.start("ann", n)
		e.wantNext(err, 2)
	}
	if st, err := e.Rounds.Standing(e.ctx, e.c, "nobody"); err != nil || st.Number != 0 || st.Open != nil || st.Last != nil {
		t.Errorf("got standing %+v, %v of a player who never played, want none", st, err)
	}
}

func startWhileOpen(_ *testing.T, e *exam) {
	e.play(1, 100)
	_, err := e.start("ann", 1)
	e.must(err)
	_, err = e.start("ann", 2)
	e.want(err, game.ErrRoundOpen)
}

func startChances(_ *testing.T, e *exam) {
	e.play(1, 100, func(c *game.Campaign) { c.Chances = 2 })
	e.round("ann", 1, 1, 1)
	e.round("ann", 2, 1, 1)
	_, err := e.start("ann", 3)
	e.want(err, game.ErrNoChances)
}

func startWindow(_ *testing.T, e *exam) {
	e.play(1, 100, func(c *game.Campaign) { c.StartsAt, c.EndsAt = time.Now().Add(time.Minute), time.Now().Add(time.Hour) })
	_, err := e.start("ann", 1)
	e.want(err, game.ErrNotLive)
	e.c = Campaign("exam", 1, func(c *game.Campaign) { c.EndsAt = time.Now().Add(-time.Second) })
	_, err = e.start("ann", 1)
	e.want(err, game.ErrNotLive)
}

func startClosed(t *testing.T, e *exam) {
	e.play(1, 100)
	first, err := e.start("ann", 1)
	e.must(err)
	closed := game.StartRequest{User: "ann", Number: 1, Granted: 10, Closed: true}
	again, err := e.Rounds.Start(e.ctx, e.c, closed)
	e.must(err)
	if again != first {
		t.Errorf("got %+v, want the open round %+v", again, first)
	}
	closed.User = "bob"
	_, err = e.Rounds.Start(e.ctx, e.c, closed)
	e.want(err, game.ErrPoolEmpty)
}

func abandoned(t *testing.T, e *exam) {
	e.play(1, 100, func(c *game.Campaign) { c.RoundMS, c.LateMS = 1000, 100 })
	// The shard was opened just now, and our outage makes nobody late: a round is open until that and the late
	// time are over too.
	first, err := e.start("ann", 1)
	e.must(err)
	time.Sleep(1200 * time.Millisecond)
	_, err = e.start("ann", 1)
	e.wantNext(err, 2)
	second, err := e.start("ann", 2)
	e.must(err)
	_, err = e.settle("ann", first, 5, 5)
	e.want(err, game.ErrTooLate)
	r, err := e.settle("ann", second, 5, 5)
	e.must(err)
	if r.Round.ChancesLeft != e.c.Chances-2 {
		t.Errorf("chances left %d, want %d: the abandoned round costs one", r.Round.ChancesLeft, e.c.Chances-2)
	}
}

func endRepeats(t *testing.T, e *exam) {
	e.play(2, 100)
	s, err := e.start("ann", 1)
	e.must(err)
	first, err := e.settle("ann", s, 80, 7)
	e.must(err)
	again, err := e.settle("ann", s, 80, 7)
	e.must(err)
	if first != again || first.Round.Paid != 7 || first.Round.Total != 7 || first.Round.ChancesLeft != e.c.Chances-1 {
		t.Errorf("got %+v and again %+v, want 7 coins once", first, again)
	}
	if left, issued := e.sums(); left != 193 || issued != 7 {
		t.Errorf("got %d left and %d issued, want 193 and 7", left, issued)
	}
	if r := e.round("ann", 2, 10, 3); r.Round.Total != 10 || r.Round.Number != 2 {
		t.Errorf("got %+v, want a total of 10", r.Round)
	}
}

func endConflicts(_ *testing.T, e *exam) {
	e.play(1, 100)
	s, err := e.start("ann", 1)
	e.must(err)
	_, err = e.settle("ann", s, 80, 7)
	e.must(err)
	_, err = e.settle("ann", s, 81, 8)
	e.want(err, game.ErrConflict)
}

func endOld(_ *testing.T, e *exam) {
	e.play(1, 100)
	s, err := e.start("ann", 1)
	e.must(err)
	_, err = e.settle("ann", s, 80, 7)
	e.must(err)
	e.round("ann", 2, 1, 1)
	_, err = e.settle("ann", s, 80, 7)
	e.want(err, game.ErrOld)
}

func endEarly(_ *testing.T, e *exam) {
	e.play(1, 100, func(c *game.Campaign) { c.EarlyMS = 800 })
	s, err := e.start("ann", 1)
	e.must(err)
	_, err = e.settle("ann", s, 80, 7)
	e.want(err, game.ErrTooEarly)
	time.Sleep(850 * time.Millisecond)
	_, err = e.settle("ann", s, 80, 7)
	e.must(err)
}

func endLate(_ *testing.T, e *exam) {
	e.play(1, 100, func(c *game.Campaign) { c.LateMS = 100 })
	s, err := e.start("ann", 1)
	e.must(err)
	time.Sleep(1200 * time.Millisecond)
	_, err = e.settle("ann", s, 80, 7)
	e.want(err, game.ErrTooLate)
}

func endLostStart(t *testing.T, e *exam) {
	e.play(1, 100)
	r, err := e.settle("ann", game.Started{Number: 3, At: time.Now().UnixMilli() - 1, Epoch: 1}, 5, 5)
	e.must(err)
	if r.Round.Number != 3 || r.Round.Paid != 5 {
		t.Errorf("got %+v, want round 3 settled from its token alone", r.Round)
	}
	_, err = e.start("ann", 3)
	e.wantNext(err, 4)
}

func endSkew(t *testing.T, e *exam) {
	e.play(1, 100)
	s, err := e.start("ann", 1)
	e.must(err)
	_, err = e.Rounds.Settle(e.ctx, e.c, game.SettleRequest{
		Token: game.Token{Run: 1, Epoch: 1, Number: 1, StartedAt: s.At, User: "ann"}, Shakes: 9, ElapsedMS: 1000, Computed: 1, Granted: 5,
	})
	var skew *game.SkewError
	if !errors.As(err, &skew) || skew.ElapsedMS > 800 {
		t.Errorf("got %v, want to be told the time that has really passed", err)
	}
}

func endShort(t *testing.T, e *exam) {
	e.play(1, 10)
	s, err := e.start("ann", 1)
	e.must(err)
	_, err = e.settle("ann", s, 80, 11)
	var short *game.ShortError
	if !errors.As(err, &short) || short.Need != 11 {
		t.Fatalf("got %v, want short of 11", err)
	}
	slice, err := e.Pools.Audit(e.ctx, e.c.Life, 0)
	e.must(err)
	if slice.Left != 10 || slice.Need != 11 {
		t.Errorf("got %d left and need %d, want 10 and 11", slice.Left, slice.Need)
	}
	e.must(Fund(e.ctx, e.Pools, e.c.Life, 2, 5))
	r, err := e.settle("ann", s, 80, 11)
	e.must(err)
	if r.Round.Paid != 11 {
		t.Errorf("paid %d, want 11", r.Round.Paid)
	}
}

// Two rounds are over their late time when coins come: the one whose end had come in time is paid, the other is late.
func endWaits(t *testing.T, e *exam) {
	e.play(1, 10, func(c *game.Campaign) { c.RoundMS, c.LateMS = 1000, 100 })
	ann, err := e.start("ann", 1)
	e.must(err)
	bob, err := e.start("bob", 1)
	e.must(err)
	_, err = e.settle("ann", ann, 80, 11)
	var short *game.ShortError
	if !errors.As(err, &short) {
		t.Fatalf("got %v, want short", err)
	}
	time.Sleep(1300 * time.Millisecond)
	e.must(Fund(e.ctx, e.Pools, e.c.Life, 2, 5))
	_, err = e.settle("bob", bob, 80, 1)
	e.want(err, game.ErrTooLate)
	r, err := e.settle("ann", ann, 80, 11)
	e.must(err)
	if r.Round.Paid != 11 {
		t.Errorf("paid %d, want 11", r.Round.Paid)
	}
}

func endDry(t *testing.T, e *exam) {
	e.play(1, 10)
	s, err := e.start("ann", 1)
	e.must(err)
	e.must(e.Pools.Dry(e.ctx, e.c.Life, 0, true, time.Time{}))
	r, err := e.settle("ann", s, 80, 11)
	e.must(err)
	if r.Round.Paid != 10 || r.Round.Computed != 11 {
		t.Errorf("got %+v, want 10 paid of 11", r.Round)
	}
	if left, issued := e.sums(); left != 0 || issued != 10 {
		t.Errorf("got %d left and %d issued, want the last coin paid", left, issued)
	}
}

func endPlayerCap(t *testing.T, e *exam) {
	e.play(1, 100, func(c *game.Campaign) { c.PlayerCap = 10 })
	for i, want := range []int64{7, 3, 0} {
		if r := e.round("ann", int64(i+1), 80, 7); r.Round.Paid != want || r.Round.Computed != 7 {
			t.Errorf("round %d: got %+v, want %d paid", i+1, r.Round, want)
		}
	}
}

func concurrentStarts(t *testing.T, e *exam) {
	e.play(1, 100, func(c *game.Campaign) { c.Chances = 1 })
	var mu sync.Mutex
	seen := map[game.Started]int{}
	parallel(10_000, 64, func(i int) {
		s, err := e.start("ann", 1)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			t.Errorf("start: %v", err)
		}
		seen[s]++
	})
	if len(seen) != 1 {
		t.Errorf("got %d different rounds, want one", len(seen))
	}
	if slice, err := e.Pools.Audit(e.ctx, e.c.Life, 0); err != nil || slice.Seq != 3 { // open, credit, start
		t.Errorf("got seq %d, %v; want 3: one start was written", slice.Seq, err)
	}
}

func concurrentEnds(t *testing.T, e *exam) {
	e.play(1, 1000)
	s, err := e.start("ann", 1)
	e.must(err)
	elapsed := max(0, min(time.Now().UnixMilli()-s.At, e.c.RoundMS))
	var mu sync.Mutex
	seen := map[game.Settled]int{}
	parallel(100, 100, func(i int) {
		r, err := e.Rounds.Settle(e.ctx, e.c, game.SettleRequest{
			Token:  game.Token{Run: 1, Epoch: s.Epoch, Number: 1, StartedAt: s.At, User: "ann"},
			Shakes: 80, ElapsedMS: elapsed, Computed: 7, Granted: e.c.Chances,
		})
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			t.Errorf("end: %v", err)
		}
		seen[r]++
	})
	if left, issued := e.sums(); len(seen) != 1 || left != 993 || issued != 7 {
		t.Errorf("got %d results, %d left, %d issued; want one result and one debit of 7", len(seen), left, issued)
	}
}

func concurrentPlayers(t *testing.T, e *exam) {
	const players, rounds, coins = 200, 5, 3
	e.play(4, 10_000)
	parallel(players, 64, func(i int) {
		user := fmt.Sprintf("user-%d", i)
		for n := int64(1); n <= rounds; n++ {
			s, err := e.start(user, n)
			if err != nil {
				t.Errorf("start %s/%d: %v", user, n, err)
				return
			}
			if r, err := e.settle(user, s, 10, coins); err != nil || r.Round.Total != coins*n {
				t.Errorf("end %s/%d: %+v, %v", user, n, r, err)
				return
			}
		}
	})
	if left, issued := e.sums(); issued != players*rounds*coins || left != 40_000-issued {
		t.Errorf("got %d left and %d issued, want %d issued of 40000", left, issued, players*rounds*coins)
	}
}

func notOpen(_ *testing.T, e *exam) {
	e.c = Campaign("exam", 1)
	_, err := e.start("ann", 1)
	e.want(err, game.ErrBusy)
	_, err = e.settle("ann", game.Started{Number: 1, At: time.Now().UnixMilli(), Epoch: 1}, 1, 1)
	e.want(err, game.ErrBusy)
	_, err = e.Rounds.Standing(e.ctx, e.c, "ann")
	e.want(err, game.ErrBusy)
	e.claimFails(e.lost(1, 7, 5), game.ErrBusy)
}

// parallel calls fn(0) to fn(n-1) from so many goroutines.
func parallel(n, workers int, fn func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range workers {
		wg.Go(func() {
			for i := range next {
				fn(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
