package sqlboard_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/internal/sqldb/sqldbtest"
	"github.com/shake-live/shake/leaderboard"
	"github.com/shake-live/shake/leaderboard/leaderboardtest"
	"github.com/shake-live/shake/leaderboard/sqlboard"
	"github.com/shake-live/shake/reward/rewardtest"
	"github.com/shake-live/shake/reward/sqlledger"
)

var (
	run   = event.Run{Campaign: "demo", Number: 1, Shards: 2}
	scale = leaderboard.NewScale(time.UnixMilli(1_700_000_000_000), time.UnixMilli(1_700_000_300_000))
)

func book(t *testing.T, db *sqldb.DB, entries []event.Entry) {
	t.Helper()
	if _, err := sqlledger.New(db, clock.System{}).Apply(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
}

func freeze(t *testing.T, b *sqlboard.Store) {
	t.Helper()
	if err := b.Freeze(t.Context(), run, scale); err != nil {
		t.Fatal(err)
	}
}

func top(t *testing.T, b leaderboard.Board) []leaderboard.Entry {
	t.Helper()
	entries, err := leaderboard.Top(t.Context(), b, run, leaderboard.MaxPage)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// season is a random run of two shards: many ties, rounds that pay nothing.
func season(seed uint64) []event.Entry {
	rng := rand.New(rand.NewPCG(seed, 5))
	a, b := rewardtest.NewWriter("demo", 0), rewardtest.NewWriter("demo", 1)
	for i, w := range []*rewardtest.Writer{a, b} {
		w.Credit(1_000_000)
		for range 150 {
			var wins []rewardtest.Win
			for range 1 + rng.IntN(4) {
				wins = append(wins, rewardtest.Win{User: fmt.Sprintf("user%d.%d", i, rng.IntN(40)), Paid: rng.Int64N(4)})
			}
			w.End(wins...)
		}
	}
	return append(a.Log, b.Log...)
}

// The board that the ledger's rounds make is the one that was seen live, place by place.
func TestFreeze_asLive(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func(testing.TB) *sqldb.DB) {
		for seed := range uint64(3) {
			db := open(t)
			final, live := sqlboard.New(db, clock.System{}), leaderboardtest.NewModel()
			log := season(seed)
			book(t, db, log)
			if _, err := live.Apply(t.Context(), run, scale, log); err != nil {
				t.Fatal(err)
			}
			freeze(t, final)
			if got, want := top(t, final), top(t, live); !slices.Equal(got, want) {
				t.Fatalf("seed %d:\n got %v\nwant %v", seed, got, want)
			}
			for _, e := range top(t, live)[:10] {
				got, err := final.Around(t.Context(), run, e.User, 3)
				want, _ := live.Around(t.Context(), run, e.User, 3)
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("around %s: got %v (%v), want %v", e.User, got, err, want)
				}
			}
			c, err := leaderboard.Compare(t.Context(), live, final, run, 10)
			if err != nil || !c.Same() {
				t.Errorf("seed %d: %+v (%v)", seed, c, err)
			}
		}
	})
}

func TestFreeze_once(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func(testing.TB) *sqldb.DB) {
		db := open(t)
		b := sqlboard.New(db, clock.System{})
		w := rewardtest.NewWriter("demo", 0)
		w.Credit(100)
		w.End(rewardtest.Win{User: "ann", Paid: 10}, rewardtest.Win{User: "bob", Paid: 0})
		book(t, db, w.Log)
		if frozen, err := b.Frozen(t.Context(), run); err != nil || frozen {
			t.Errorf("before: frozen is %v (%v)", frozen, err)
		}
		var g errgroup.Group
		for range 4 {
			g.Go(func() error { return b.Freeze(t.Context(), run, scale) })
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		w.End(rewardtest.Win{User: "bob", Paid: 50})
		book(t, db, w.Log)
		freeze(t, b)
		if got := top(t, b); !slices.Equal(got, []leaderboard.Entry{{Rank: 1, User: "ann", Coins: 10}}) {
			t.Errorf("the board moved: %v", got)
		}
		frozen, err := b.Frozen(t.Context(), run)
		if size, err2 := b.Size(t.Context(), run); err != nil || err2 != nil || !frozen || size != 1 {
			t.Errorf("after: frozen is %v with %d players (%v, %v)", frozen, size, err, err2)
		}
		if _, err := b.Rank(t.Context(), run, "bob"); !errors.Is(err, leaderboard.ErrNotRanked) {
			t.Errorf("bob: got %v, want ErrNotRanked", err)
		}
		if _, err := b.Around(t.Context(), run, "bob", 1); !errors.Is(err, leaderboard.ErrNotRanked) {
			t.Errorf("around bob: got %v, want ErrNotRanked", err)
		}
	})
}

// Held rounds pay nothing, so they count on the live board alone, and the comparison names their players.
func TestCompare_namesHeldRounds(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func(testing.TB) *sqldb.DB) {
		db := open(t)
		final, live := sqlboard.New(db, clock.System{}), leaderboardtest.NewModel()
		w := rewardtest.NewWriter("demo", 0)
		w.Credit(10)
		w.End(rewardtest.Win{User: "ann", Paid: 10})
		w.End(rewardtest.Win{User: "ann", Paid: 7})
		w.End(rewardtest.Win{User: "bob", Paid: 9})
		book(t, db, w.Log)
		if _, err := live.Apply(t.Context(), run, scale, w.Log); err != nil {
			t.Fatal(err)
		}
		freeze(t, final)
		c, err := leaderboard.Compare(t.Context(), live, final, run, 10)
		want := []leaderboard.Difference{{User: "ann", Live: 17, Final: 10}, {User: "bob", Live: 9, Final: 0}}
		if err != nil || c.Live != 2 || c.Final != 1 || c.Cut || !slices.Equal(c.Differences, want) {
			t.Errorf("got %+v (%v), want %v", c, err, want)
		}
		c, err = leaderboard.Compare(t.Context(), live, final, run, 1)
		if err != nil || !c.Cut || len(c.Differences) != 1 || c.Same() {
			t.Errorf("no more than one: %+v (%v)", c, err)
		}
	})
}

func TestEmpty(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func(testing.TB) *sqldb.DB) {
		b := sqlboard.New(open(t), clock.System{})
		for range 2 { // before and after
			if got := top(t, b); len(got) != 0 {
				t.Errorf("got %v", got)
			}
			coins, err := b.Coins(t.Context(), run, nil)
			if size, err2 := b.Size(t.Context(), run); err != nil || err2 != nil || size != 0 || len(coins) != 0 {
				t.Errorf("size %d, coins %v (%v, %v)", size, coins, err, err2)
			}
			freeze(t, b)
		}
	})
}
