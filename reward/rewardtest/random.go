package rewardtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/reward"
)

// truth is what a history amounts to, known from writing it and not from judging it.
type truth struct {
	log    []event.Entry
	coins  map[string]int64
	wins   int
	rounds int64
	sum    int64
}

// randomHistory lets a few shards live: transfers, rounds, failovers with a zombie that writes on.
func randomHistory(rng *rand.Rand, campaign string, steps int) truth {
	tr := truth{coins: map[string]int64{}}
	var logs [][]event.Entry
	for s := range 1 + rng.IntN(4) {
		logs = append(logs, randomShard(rng, NewWriter(campaign, s), steps, &tr))
	}
	for len(logs) > 0 { // mixed, each shard's entries in their order
		i := rng.IntN(len(logs))
		n := min(len(logs[i]), 1+rng.IntN(5))
		tr.log = append(tr.log, logs[i][:n]...)
		if logs[i] = logs[i][n:]; len(logs[i]) == 0 {
			logs = append(logs[:i], logs[i+1:]...)
		}
	}
	return tr
}

func randomShard(rng *rand.Rand, w *Writer, steps int, tr *truth) []event.Entry {
	for range steps {
		switch n := rng.IntN(20); {
		case n < 3:
			w.Credit(1 + rng.Int64N(100))
		case n < 4 && w.state.Left > 10:
			w.Debit(1 + rng.Int64N(w.state.Left-10))
		case n < 6:
			w.Start("user1")
		case n < 7:
			failover(rng, w)
		default:
			tr.end(rng, w)
		}
	}
	return w.Log
}

func (tr *truth) end(rng *rand.Rand, w *Writer) {
	var wins []Win
	left := w.state.Left
	for i := range 1 + rng.IntN(4) {
		win := Win{User: fmt.Sprintf("user%d.%d", w.source.Shard, 4*i+rng.IntN(4)), Paid: min(left, rng.Int64N(12))}
		left -= win.Paid
		wins = append(wins, win)
		tr.coins[win.User] += win.Paid
		tr.sum += win.Paid
		tr.rounds++
		if win.Paid > 0 {
			tr.wins++
		}
	}
	w.End(wins...)
}

// failover reopens the shard while the old host goes on writing for a while.
func failover(rng *rand.Rand, w *Writer) {
	zombie := w.lost()
	zombie.Credit(1_000_000)
	zombie.End(Win{"user0.0", 1000}, Win{"nobody", 1000})
	w.Fence()
	cut := rng.IntN(3)
	w.Log = append(w.Log, zombie.Log[:cut]...)
	w.Open()
	w.Log = append(w.Log, zombie.Log[cut:]...)
}

// seeds are few on purpose: a server answers each batch, and the judging itself is tested without one.
const seeds = 6

func randomHistories(t *testing.T, l Ledger) {
	for seed := range uint64(seeds) {
		campaign := fmt.Sprint("random", seed)
		rng := rand.New(rand.NewPCG(seed, 1))
		tr := randomHistory(rng, campaign, 40)
		deliver(t, rng, tr.log, func(batch []event.Entry) error {
			_, err := l.Apply(t.Context(), batch)
			return err
		})
		tr.check(t, l, campaign, seed)
	}
}

// deliver hands over a log as a consumer group does: in batches of any size, now and then again from
// further back, and by two members at once.
func deliver(t *testing.T, rng *rand.Rand, log []event.Entry, apply func([]event.Entry) error) {
	t.Helper()
	var g errgroup.Group
	for range 2 {
		own := rand.New(rand.NewPCG(rng.Uint64(), 2))
		g.Go(func() error {
			for from := 0; from < len(log); {
				to := min(len(log), from+1+own.IntN(30))
				if err := apply(log[from:to]); err != nil {
					return err
				}
				if from = to; own.IntN(4) == 0 && to < len(log) {
					from = own.IntN(to)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

func (tr truth) check(t *testing.T, l Ledger, campaign string, seed uint64) {
	t.Helper()
	sums, err := l.Sums(t.Context(), campaign, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := reward.Sums{Rounds: tr.rounds, Granted: tr.sum, RunBalance: -tr.sum}
	if sums != want {
		t.Errorf("seed %d:\n got %+v\nwant %+v", seed, sums, want)
	}
	for user, coins := range tr.coins {
		if got := earned(t, l, user, campaign); got != coins {
			t.Errorf("seed %d: %s earned %d, want %d", seed, user, got, coins)
		}
	}
}

// earned adds up a player's history in one campaign.
func earned(t *testing.T, l Ledger, user, campaign string) (sum int64) {
	t.Helper()
	for before := ""; ; {
		page, next, err := l.History(t.Context(), user, before, reward.MaxPage)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			if e.Campaign == campaign {
				sum += e.Coins
			}
		}
		if before = next; next == "" {
			return sum
		}
	}
}

// killedHalfWay lets the transaction die anywhere, again and again; whoever retries ends up with the truth.
func killedHalfWay(t *testing.T, l Ledger) {
	rng := rand.New(rand.NewPCG(7, 7))
	tr := randomHistory(rng, "killed", 60)
	kills := 0
	patience := time.Millisecond
	for from := 0; from < len(tr.log); {
		to := min(len(tr.log), from+10)
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.Int64N(int64(patience))))
		_, err := l.Apply(ctx, tr.log[from:to])
		cancel()
		var g *event.GapError
		switch {
		case errors.As(err, &g):
			t.Fatal(err)
		case err != nil:
			kills++
			patience += patience / 4 // so that it gets through on a slow machine, too
		default:
			from, patience = to, time.Millisecond
		}
	}
	t.Logf("%d transactions killed for %d batches", kills, len(tr.log)/10)
	tr.check(t, l, "killed", 7)
}
