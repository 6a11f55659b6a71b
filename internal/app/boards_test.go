package app

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/gametest"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/leaderboard"
)

// slowBoard counts how often its best are read.
type slowBoard struct {
	leaderboard.Board
	reads int
	err   error
}

func (b *slowBoard) Range(context.Context, event.Run, int64, int) ([]leaderboard.Entry, error) {
	b.reads++
	time.Sleep(20 * time.Millisecond)
	return []leaderboard.Entry{{Rank: 1, User: "ann", Coins: int64(b.reads)}, {Rank: 2, User: "bob"}}, b.err
}

// However many look, a board's best are read once a second.
func TestBoards_top(t *testing.T) {
	now := clock.NewFake(time.Date(2026, 11, 11, 12, 0, 0, 0, time.UTC))
	known := &known{list: map[string]string{"ann": "Łukasz Żółć"}}
	b, store := newBoards(&stack{clock: now}, shownBy(known)), &slowBoard{}
	demo := gametest.Campaign("demo", 4)
	settled := gametest.Campaign("demo", 4, func(c *game.Campaign) { c.SettledAt = &c.EndsAt })
	look := func(of *game.Live, limit int) (coins int64, rows int) {
		t.Helper()
		entries, err := b.top(t.Context(), store, of, limit)
		if err != nil {
			t.Error(err)
			return 0, 0
		}
		return entries[0].Coins, len(entries)
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { look(demo, 10) })
	}
	all.Wait()
	if coins, rows := look(demo, 1); coins != 1 || rows != 1 || store.reads != 1 {
		t.Errorf("after 51 looks: %d reads, %d rows of the %d. one; want one read", store.reads, rows, coins)
	}
	if known.reads.Load() != 1 {
		t.Errorf("after 51 looks: %d reads of names, want one", known.reads.Load())
	}
	if look(settled, 10); store.reads != 2 {
		t.Errorf("the final board is another: %d reads, want 2", store.reads)
	}
	now.Advance(time.Second)
	if coins, _ := look(demo, 10); coins != 3 {
		t.Errorf("a second later the board is the %d. one, want the third", coins)
	}
	now.Advance(time.Second)
	store.err = errors.New("away")
	if _, err := b.top(t.Context(), store, demo, 10); !errors.Is(err, store.err) {
		t.Errorf("got %v, want what the store said", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	store.err = nil
	if _, err := b.top(ctx, store, demo, 10); err != nil {
		t.Errorf("one who gave up took the others along: %v", err)
	}
}
