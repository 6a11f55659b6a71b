package sqlinbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/internal/sqldb/sqldbtest"
	"github.com/shake-live/shake/reward"
	"github.com/shake-live/shake/reward/rewardtest"
	"github.com/shake-live/shake/reward/sqlinbox"
)

// lossy is a line to pages that loses two pushes of five, and two receipts of five on the way back.
type lossy struct {
	store *sqlinbox.Store
	clock clock.Clock
	rng   *rand.Rand
	shown map[string]bool // by id
	done  map[string]bool
	again int
}

func (l *lossy) Push(ctx context.Context, notices []reward.Notice) error {
	for _, n := range notices {
		if l.rng.Float64() < 0.4 {
			continue
		}
		if l.shown[n.ID] { // a page knows it by its id, and sends the receipt once more
			l.again++
		}
		l.shown[n.ID] = true
		if l.rng.Float64() < 0.4 {
			continue
		}
		if _, err := l.store.Receipt(ctx, n.User, n.ID, l.clock.Now()); err != nil {
			return err
		}
		l.done[n.ID] = true
	}
	return nil
}

func (l *lossy) Pushed(int, bool) {}
func (l *lossy) PushFailed()      {}

// With 40 % of pushes and of receipts lost, at least 99 % of the notices are shown. Every player loses his network for a
// moment once. That a page shows none twice is for the tests of the SDK.
func TestPusher_reachesPlayersOverALossyLine(t *testing.T) {
	const players = 3000
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	clk := clock.NewFake(time.Now().UTC().Truncate(time.Millisecond))
	store := sqlinbox.New(sqldbtest.SQLite(t), clk, sqlinbox.Options{})
	line := &lossy{store: store, clock: clk, rng: rand.New(rand.NewPCG(seed, 1)), shown: map[string]bool{}, done: map[string]bool{}}
	pusher := reward.NewPusher(store, line, clk, line, slog.New(slog.DiscardHandler))
	notifier := reward.NewNotifier(store, pusher.Fresh, func(reward.Delivered) {})
	w := rewardtest.NewWriter("demo", 0)
	w.Credit(players)
	back := map[int][]string{} // who opens his page again, by second
	for i := range players {
		user := fmt.Sprint("user", i)
		w.Start(user)
		w.End(rewardtest.Win{User: user, Paid: 1})
		at := line.rng.IntN(300)
		back[at] = append(back[at], user)
	}
	if err := notifier.Handle(t.Context(), w.Log); err != nil {
		t.Fatal(err)
	}
	for second := range 700 {
		clk.Advance(time.Second)
		if err := pusher.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		unseen, err := store.Unseen(t.Context(), back[second], players)
		if err != nil {
			t.Fatal(err)
		}
		if err := line.Push(t.Context(), unseen); err != nil {
			t.Fatal(err)
		}
	}
	reached := float64(len(line.shown)) / players
	t.Logf("%.2f %% reached, %d came again to a page that had shown them, %d receipts", 100*reached, line.again, len(line.done))
	if reached < 0.99 || line.again == 0 {
		t.Errorf("got %.4f reached and %d that came again, want at least 0.99 and many", reached, line.again)
	}
}
