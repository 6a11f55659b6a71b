package rewardtest

import (
	"errors"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/reward"
)

// An entry that was passed over is put back once: its coins are granted, the cursor and what the shard said last stay.
func putBack(t *testing.T, l Ledger) {
	w := NewWriter("demo", 0)
	w.Credit(100)
	w.End(Win{"ann", 10})
	w.End(Win{"ann", 20}, Win{"bob", 5})
	w.End(Win{"ann", 30})
	dead := w.Log[3]
	apply(t, l, w.Log[:3]...)
	if err := l.SkipDead(t.Context(), dead.Source, dead.Position, "not JSON"); err != nil {
		t.Fatal(err)
	}
	apply(t, l, w.Log[4:]...)
	before := shard(t, l, "demo", 0)
	if _, _, err := l.PutBack(t.Context(), w.Log[3], "a note"); err != nil {
		t.Fatal(err)
	}
	after := shard(t, l, "demo", 0)
	if before.Dead != 1 || after.Dead != 0 || after.Cursor != before.Cursor || after.Left != before.Left || after.Issued != before.Issued || after.Granted != 65 || after.Rounds != 4 {
		t.Errorf("put back: got %+v, before %+v", after, before)
	}
	for range 2 {
		if applied, r, err := l.PutBack(t.Context(), dead, "a note"); err != nil || r != event.Counted || applied.Coins != 0 {
			t.Errorf("again: got %+v, %s, %v, want nothing", applied, r, err)
		}
	}
	if got := apply(t, l, w.Log...); got.Coins != 0 || got.Repeats != len(w.Log) {
		t.Errorf("all once more: %+v", got)
	}
	other := dead
	other.Rounds = append([]event.Round(nil), dead.Rounds...)
	other.Rounds[0].User = "eve"
	if _, _, err := l.PutBack(t.Context(), other, "a lie"); !errors.Is(err, event.ErrOther) {
		t.Errorf("another one in the same place: got %v, want it refused", err)
	}
	wantBalance(t, l, "ann", 60)
	wantBalance(t, l, "bob", 5)
	wantBalance(t, l, "eve", 0)
	wantSums(t, l, "demo", reward.Sums{Rounds: 4, Granted: 65})
	if r, err := l.RoundByID(t.Context(), dead.Rounds[1].ID(dead.Source)); err != nil || r.Position != dead.Position || r.State != reward.Granted {
		t.Errorf("the round: %+v, %v", r, err)
	}
	// One that was not passed over is judged like any other.
	w.End(Win{"ann", 1})
	w.End(Win{"ann", 1})
	var g *event.GapError
	if _, _, err := l.PutBack(t.Context(), w.Last(), ""); !errors.As(err, &g) {
		t.Errorf("beyond the cursor: got %v, want a gap", err)
	}
	if applied, r, err := l.PutBack(t.Context(), w.Log[len(w.Log)-2], ""); err != nil || r != event.Counts || applied.Coins != 1 {
		t.Errorf("the next one: got %+v, %s, %v, want it counted", applied, r, err)
	}
	// The last entry of all takes what the shard says with it.
	if err := l.SkipDead(t.Context(), w.source, w.Last().Position, "?"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.PutBack(t.Context(), w.Last(), ""); err != nil {
		t.Fatal(err)
	}
	if got := shard(t, l, "demo", 0); got.Issued != w.Last().State.Issued || got.Granted != got.Issued || got.Left != w.Last().State.Left {
		t.Errorf("the last one put back: %+v, want issued %d", got, w.Last().State.Issued)
	}
}

// Two who put the same entry back at the same moment pay it once.
func putBackAtOnce(t *testing.T, l Ledger) {
	w := NewWriter("demo", 0)
	w.Credit(100)
	w.End(Win{"ann", 10})
	apply(t, l, w.Log[:2]...)
	if err := l.SkipDead(t.Context(), w.source, w.Last().Position, "?"); err != nil {
		t.Fatal(err)
	}
	var all errgroup.Group
	results := make([]event.Return, 8)
	for i := range results {
		all.Go(func() (err error) {
			_, results[i], err = l.PutBack(t.Context(), w.Last(), "")
			return err
		})
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	counts := 0
	for _, r := range results {
		if r == event.Counts {
			counts++
		}
	}
	if counts != 1 {
		t.Errorf("got %v, want one that counts", results)
	}
	wantBalance(t, l, "ann", 10)
}

// Rounds that were held for want of a credit that nobody could read are paid when it is put back.
func creditPutBack(t *testing.T, l Ledger) {
	w := NewWriter("demo", 0)
	w.Credit(5)
	w.Credit(100)
	w.End(Win{"ann", 30}, Win{"bob", 20})
	credit := w.Log[2]
	apply(t, l, w.Log[:2]...)
	if err := l.SkipDead(t.Context(), w.source, credit.Position, "?"); err != nil {
		t.Fatal(err)
	}
	if got := apply(t, l, w.Log[3:]...); len(got.Held) != 2 {
		t.Fatalf("without the credit: %+v, want two held", got)
	}
	wantBalance(t, l, "ann", 0)
	applied, r, err := l.PutBack(t.Context(), credit, "")
	if err != nil || r != event.Counts || applied.Coins != 50 || applied.Grants != 2 {
		t.Errorf("put back: %+v, %s, %v, want 50 coins paid", applied, r, err)
	}
	wantBalance(t, l, "ann", 30)
	wantBalance(t, l, "bob", 20)
	wantSums(t, l, "demo", reward.Sums{Rounds: 2, Granted: 50})
	if got := shard(t, l, "demo", 0); got.Held != 0 || got.Granted != 50 || got.Received != 105 {
		t.Errorf("shard: %+v", got)
	}
	round, err := l.RoundByID(t.Context(), w.Last().Rounds[0].ID(w.source))
	if err != nil || round.State != reward.Granted || round.Reason != "" {
		t.Errorf("the round: %+v, %v", round, err)
	}
}
