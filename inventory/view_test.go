package inventory_test

import (
	"context"
	"testing"
	"time"

	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/inventory"
)

// full has pools of ten coins each.
type full struct{ inventory.Store }

func (full) Audit(context.Context, inventory.Run, int) (s inventory.Slice, err error) {
	s.Funded, s.Left = 10, 10
	return s, nil
}

// A node that hears nothing of a keeper sums for itself, and somebody hears of it.
func TestView_summed(t *testing.T) {
	now := clock.NewFake(time.Date(2026, 11, 11, 12, 0, 0, 0, time.UTC))
	v, run, sums := inventory.NewView(full{}, now), inventory.Run{Campaign: "show", Number: 1, Shards: 1}, 0
	v.Summed = func(inventory.Run) { sums++ }
	level := func(wait time.Duration, want int) {
		t.Helper()
		now.Advance(wait)
		if _, err := v.Level(t.Context(), run); err != nil || sums != want {
			t.Errorf("%d sums, %v; want %d", sums, err, want)
		}
	}
	level(0, 1)
	level(900*time.Millisecond, 1)
	level(200*time.Millisecond, 2)
	v.Push(inventory.Level{Campaign: "show", Run: 1, Epochs: 1})
	level(900*time.Millisecond, 2)
}

// What pools were like before does not come back because its news is late; it counts as news all the same.
func TestLevels_lateNews(t *testing.T) {
	at := time.Date(2026, 11, 11, 12, 0, 0, 0, time.UTC)
	level := func(epochs, seqs, left int64, sec int) inventory.Level {
		return inventory.Level{Campaign: "show", Run: 1, Funded: 100, Left: left, Epochs: epochs, Seqs: seqs, At: at.Add(time.Duration(sec) * time.Second)}
	}
	var levels inventory.Levels
	for _, step := range []struct {
		set, want inventory.Level
	}{
		{level(0, 0, 0, 0), level(0, 0, 0, 0)},
		{level(3, 9, 50, 1), level(3, 9, 50, 1)},
		{level(0, 0, 0, 2), level(3, 9, 50, 2)}, // pools that are not open yet
		{level(3, 8, 60, 3), level(3, 9, 50, 3)},
		{level(3, 10, 40, 1), level(3, 10, 40, 1)},
		{level(4, 6, 70, 4), level(4, 6, 70, 4)}, // an epoch later
	} {
		levels.Set(step.set)
		if got, _ := levels.Get(inventory.Run{Campaign: "show", Number: 1}); got != step.want {
			t.Errorf("after %+v got %+v, want %+v", step.set, got, step.want)
		}
	}
}
