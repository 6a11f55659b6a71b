package rewardtest

import (
	"testing"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/reward"
)

func wantBooked(t *testing.T, l Ledger, source event.Source, lost Lost, want reward.Booked) {
	t.Helper()
	r := lost.Round
	got, err := l.Booked(t.Context(), source, lost.At, reward.RoundID{
		Campaign: source.Campaign, Run: source.Run, Epoch: r.StartEpoch, User: r.User, Number: r.Number,
	})
	if err != nil || got != want {
		t.Errorf("booked %s/%d: got %+v (%v), want %+v", r.User, r.Number, got, err, want)
	}
}

// A claim books a round under the id that it always had, once, as a movement of its own kind.
func claims(t *testing.T, l Ledger) {
	w := NewWriter("demo", 0)
	w.Credit(100)
	w.End(Win{"ann", 10})
	lost := w.Lose(Win{"ann", 7}, Win{"bob", 8}, Win{"cat", 0})
	wantBooked(t, l, w.source, lost[0], reward.Booked{})
	apply(t, l, w.Log...)
	wantBooked(t, l, w.source, lost[0], reward.Booked{Read: event.Position{Epoch: 1, Seq: 3}})
	w.Fence()
	w.Open()
	w.End(Win{"ann", 5}) // the same number, another round
	apply(t, l, w.Log...)
	wantBooked(t, l, w.source, lost[0], reward.Booked{Read: event.Position{Epoch: 2, Seq: 5}})
	e := w.Claim(lost...)
	for range 2 {
		apply(t, l, w.Log...)
	}
	wantBooked(t, l, w.source, lost[0], reward.Booked{Read: e.Position, Found: true, State: reward.Granted, Paid: 7})
	wantBooked(t, l, w.source, lost[2], reward.Booked{Read: e.Position, Found: true, State: reward.Granted})
	wantBalance(t, l, "ann", 22)
	wantBalance(t, l, "bob", 8)
	wantSums(t, l, "demo", reward.Sums{Rounds: 5, Granted: 30})
	r, err := l.RoundByID(t.Context(), "demo.1.1.ann.2")
	if err != nil || r.Kind() != reward.KindClaim || r.Reason != "claimed: its settle at 1-4 was lost" || r.Total != 22 || r.Position != e.Position {
		t.Errorf("claimed round: %+v (%v)", r, err)
	}
	if r, err = l.RoundByID(t.Context(), "demo.1.2.ann.2"); err != nil || r.Kind() != reward.KindGrant || r.Paid != 5 {
		t.Errorf("the round that was played instead: %+v (%v)", r, err)
	}
	history, _, err := l.History(t.Context(), "ann", "", 10)
	if err != nil || len(history) != 3 || history[0].Kind != reward.KindClaim || history[0].Coins != 7 || history[1].Kind != reward.KindGrant {
		t.Errorf("history: %+v (%v)", history, err)
	}
	if total, err := l.Total(t.Context(), "demo", 1, "ann"); err != nil || total != 22 {
		t.Errorf("total: %d (%v), want 22", total, err)
	}
	if got := shard(t, l, "demo", 0); got.Granted != 30 || got.Issued != 30 || got.Rounds != 5 {
		t.Errorf("shard: %+v", got)
	}
}

// A round that is in the book is refused when its claim is paid as well, and one that is too much is held.
func claimedTwice(t *testing.T, l Ledger) {
	w := NewWriter("demo", 0)
	w.Credit(20)
	lost := w.Lose(Win{"ann", 7}, Win{"bob", 9})
	w.Fence()
	w.Open()
	w.Claim(lost[0])
	w.Claim(lost[0])
	got := apply(t, l, w.Log...)
	if got.Rounds != 1 || len(got.Refused) != 1 || got.Refused[0].ID != "demo.1.1.ann.1" {
		t.Errorf("applied: %+v", got)
	}
	w.state.Left += 7 // as its script would have had it
	w.state.Received += 7
	w.Debit(10)
	w.Claim(lost[1])
	if got = apply(t, l, w.Log...); len(got.Held) != 1 {
		t.Errorf("applied: %+v", got)
	}
	wantBooked(t, l, w.source, lost[1], reward.Booked{Read: w.at, Found: true, State: reward.Held, Paid: 9})
	wantBalance(t, l, "ann", 7)
	wantBalance(t, l, "bob", 0)
}

// Where an entry could not be read, what it settled is not known.
func claimBehindDead(t *testing.T, l Ledger) {
	w := NewWriter("demo", 0)
	w.Credit(100)
	w.End(Win{"ann", 10})
	w.End(Win{"ann", 20})
	apply(t, l, w.Log[:3]...)
	dead := w.Log[3]
	if err := l.SkipDead(t.Context(), dead.Source, dead.Position, "not JSON"); err != nil {
		t.Fatal(err)
	}
	for seq, want := range map[int64]int64{3: 1, 4: 1, 5: 0} {
		wantBooked(t, l, w.source, Lost{Round: dead.Rounds[0], At: event.Position{Epoch: 1, Seq: seq}}, reward.Booked{Read: dead.Position, Dead: want})
	}
	wantBooked(t, l, w.source, Lost{Round: dead.Rounds[0], At: event.Position{Epoch: 2, Seq: 1}}, reward.Booked{Read: dead.Position})
}
