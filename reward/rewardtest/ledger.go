package rewardtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/reward"
)

// Ledger is what the exam asks of a store.
type Ledger interface {
	reward.Book
	Balance(ctx context.Context, user string) (int64, error)
	History(ctx context.Context, user, before string, limit int) ([]reward.Entry, string, error)
	Round(ctx context.Context, campaign string, run int64, user string, number int64) (reward.Record, error)
	LastRound(ctx context.Context, campaign string, run int64, user string) (reward.Record, error)
	RoundByID(ctx context.Context, id string) (reward.Record, error)
	Booked(ctx context.Context, source event.Source, at event.Position, id reward.RoundID) (reward.Booked, error)
	Total(ctx context.Context, campaign string, run int64, user string) (int64, error)
	Progress(ctx context.Context, campaign string, run int64) (map[int]reward.Shard, error)
	Sums(ctx context.Context, campaign string, run int64) (reward.Sums, error)
}

// RunLedger examines a ledger. newLedger opens an empty one.
func RunLedger(t *testing.T, newLedger func(testing.TB) Ledger) {
	for name, exam := range map[string]func(*testing.T, Ledger){
		"grants":             grants,
		"zero coins":         zeroCoins,
		"fundings":           fundings,
		"delivered twice":    deliveredTwice,
		"gap":                gap,
		"void after fence":   voidAfterFence,
		"overflow is held":   overflow,
		"duplicate round":    duplicateRound,
		"duplicate in batch": duplicateInBatch,
		"duplicate funding":  duplicateFunding,
		"last round":         lastRound,
		"dead letter":        deadLetter,
		"dead fence":         deadFence,
		"put back":           putBack,
		"put back at once":   putBackAtOnce,
		"a credit put back":  creditPutBack,
		"history pages":      historyPages,
		"rounds":             rounds,
		"ids byte for byte":  idsByteForByte,
		"big batch":          bigBatch,
		"two at once":        twoAtOnce,
		"random histories":   randomHistories,
		"killed half-way":    killedHalfWay,
		"claims":             claims,
		"claimed twice":      claimedTwice,
		"claim behind dead":  claimBehindDead,
	} {
		t.Run(name, func(t *testing.T) { exam(t, newLedger(t)) })
	}
}

func apply(t *testing.T, l reward.Book, entries ...event.Entry) reward.Applied {
	t.Helper()
	applied, err := l.Apply(t.Context(), entries)
	if err != nil {
		t.Fatal(err)
	}
	return applied
}

func wantBalance(t *testing.T, l Ledger, user string, want int64) {
	t.Helper()
	if got, err := l.Balance(t.Context(), user); err != nil || got != want {
		t.Errorf("balance of %q: got %d (%v), want %d", user, got, err, want)
	}
}

// wantSums checks the run's totals, and that its books are even.
func wantSums(t *testing.T, l Ledger, campaign string, want reward.Sums) {
	t.Helper()
	got, err := l.Sums(t.Context(), campaign, 1)
	if err != nil {
		t.Fatal(err)
	}
	want.RunBalance = want.Funded - want.Granted
	if got != want {
		t.Errorf("sums of %s:\n got %+v\nwant %+v", campaign, got, want)
	}
}

func shard(t *testing.T, l Ledger, campaign string, number int) reward.Shard {
	t.Helper()
	progress, err := l.Progress(t.Context(), campaign, 1)
	if err != nil {
		t.Fatal(err)
	}
	return progress[number]
}

func grants(t *testing.T, l Ledger) {
	w := NewWriter("demo", 0)
	w.Credit(100)
	w.Start("ann", "bob")
	w.End(Win{"ann", 10}, Win{"bob", 20})
	w.End(Win{"ann", 5})
	w.Debit(15)
	got := apply(t, l, w.Log...)
	if want := (reward.Applied{Tally: event.Tally{Entries: 6}, Rounds: 3, Grants: 3, Coins: 35}); !reflect.DeepEqual(got, want) {
		t.Errorf("applied: got %+v, want %+v", got, want)
	}
	wantBalance(t, l, "ann", 15)
	wantBalance(t, l, "bob", 20)
	wantBalance(t, l, "nobody", 0)
	wantSums(t, l, "demo", reward.Sums{Rounds: 3, Granted: 35})
	wantSums(t, l, "other", reward.Sums{})
	want := reward.Shard{
		Cursor: event.Cursor{Position: event.Position{Epoch: 1, Seq: 6}, Fence: 1},
		Count:  reward.Count{Left: 50, Issued: 35, Sent: 15, Received: 100, Granted: 35, Rounds: 3},
	}
	if got := shard(t, l, "demo", 0); got != want {
		t.Errorf("shard: got %+v, want %+v", got, want)
	}
}

func lastRound(t *testing.T, l Ledger) {
	w := NewWriter("demo", 0)
	w.Credit(100)
	for _, coins := range []int64{5, 0, 7} {
		w.Start("ann")
		w.End(Win{"ann", coins})
	}
	apply(t, l, w.Log...)
	if r, err := l.LastRound(t.Context(), "demo", 1, "ann"); err != nil || r.Number != 3 || r.Paid != 7 || r.Total != 12 {
		t.Errorf("got %+v, %v, want round 3 with 7 of 12 coins", r, err)
	}
	for _, other := range []struct {
		campaign string
		run      int64
		user     string
	}{{"demo", 2, "ann"}, {"dem", 1, "ann"}, {"demo", 1, "an"}} {
		if r, err := l.LastRound(t.Context(), other.campaign, other.run, other.user); !errors.Is(err, reward.ErrNotFound) {
			t.Errorf("%v: got %+v, %v, want ErrNotFound", other, r, err)
		}
	}
}

func zeroCoins(t *testing.T, l Ledger) {
	w := NewWriter("demo", 0)
	w.End(Win{"ann", 0}) // also with nothing in the shard
	if got := apply(t, l, w.Log...); got.Rounds != 1 || got.Grants != 0 || len(got.Held) != 0 {
		t.Errorf("applied: %+v", got)
	}
	r, err := l.Round(t.Context(), "demo", 1, "ann", 1)
	if err != nil || r.State != reward.Granted {
		t.Errorf("round: got %+v (%v)", r, err)
	}
	history, _, err := l.History(t.Context(), "ann", "", 10)
	if err != nil || len(history) != 0 {
		t.Errorf("no coins moved, yet the history is %v (%v)", history, err)
	}
}

func fundings(t *testing.T, l Ledger) {
	bank := NewWriter("demo", event.Bank)
	bank.Fund(1, 1000)
	bank.Fund(2, -300)
	bank.Debit(100)
	w := NewWriter("demo", 3)
	w.Credit(100)
	w.End(Win{"ann", 40})
	apply(t, l, append(bank.Log, w.Log...)...)
	wantSums(t, l, "demo", reward.Sums{Rounds: 1, Granted: 40, Funded: 700})
	if got := shard(t, l, "demo", event.Bank).Count; got != (reward.Count{Left: 600, Funded: 700, Sent: 100}) {
		t.Errorf("bank: %+v", got)
	}
}

func deliveredTwice(t *testing.T, l Ledger) {
	w := NewWriter("demo", 0)
	w.Credit(100)
	w.End(Win{"ann", 10})
	apply(t, l, w.Log...)
	w.End(Win{"ann", 7})
	for range 2 {
		got := apply(t, l, w.Log...)
		if got.Repeats+got.Entries != 4 || got.Repeats < 3 {
			t.Errorf("applied: %+v", got)
		}
	}
	if got := apply(t, l, append(w.Log, w.Log...)...); got.Repeats != 8 {
		t.Errorf("twice in one batch: %+v", got)
	}
	if got := apply(t, l); !reflect.DeepEqual(got, reward.Applied{}) {
		t.Errorf("empty batch: %+v", got)
	}
	wantBalance(t, l, "ann", 17)
	wantSums(t, l, "demo", reward.Sums{Rounds: 2, Granted: 17})
}

// A hole stops its own source, the batch's other source goes on, and the retry counts nothing twice.
func gap(t *testing.T, l Ledger) {
	a, b := NewWriter("demo", 0), NewWriter("demo", 1)
	for _, w := range []*Writer{a, b} {
		w.Credit(100)
		for range 4 {
			w.End(Win{fmt.Sprint("user", w.source.Shard), 10})
		}
	}
	holed := append(append([]event.Entry{}, a.Log[:3]...), b.Log[:3]...)
	holed = append(append(holed, a.Log[4:]...), b.Log[3:]...) // a's fourth is missing
	for try := range 2 {
		got, err := l.Apply(t.Context(), holed)
		var g *event.GapError
		if !errors.As(err, &g) || g.Source != a.source || g.Got != a.Log[4].Position || g.At.Position != a.Log[2].Position {
			t.Fatalf("try %d: got %v, want a gap at %s", try, err, a.Log[4].Position)
		}
		if want := 9 * (1 - try); got.Entries != want || len(got.Gaps) != 1 {
			t.Errorf("try %d: %+v, want %d entries taken", try, got, want)
		}
		wantBalance(t, l, "user0", 10)
		wantBalance(t, l, "user1", 40)
	}
	apply(t, l, a.Log...)
	wantBalance(t, l, "user0", 40)
	wantSums(t, l, "demo", reward.Sums{Rounds: 8, Granted: 80})
}

// What a host writes after it lost the shard lands behind the fence and counts for nobody.
func voidAfterFence(t *testing.T, l Ledger) {
	w := NewWriter("demo", 0)
	w.Credit(100)
	w.End(Win{"ann", 10})
	zombie := w.lost()
	zombie.End(Win{"ann", 50})
	zombie.End(Win{"bob", 40})
	w.Fence()
	w.Log = append(w.Log, zombie.Log[0])
	w.Fence() // a second worker's
	w.Open()
	w.End(Win{"ann", 5})
	w.Log = append(w.Log, zombie.Log[1])
	got := apply(t, l, w.Log...)
	if got.Voids != 1 || got.Repeats != 2 { // behind the new epoch's first entry a zombie's is an old position
		t.Errorf("applied: %+v", got)
	}
	wantBalance(t, l, "ann", 15)
	wantBalance(t, l, "bob", 0)
	wantSums(t, l, "demo", reward.Sums{Rounds: 2, Granted: 15})
	if got := shard(t, l, "demo", 0); got.Epoch != 2 || got.Fence != 2 || got.Issued != 15 {
		t.Errorf("shard: %+v", got)
	}
	apply(t, l, w.Log...)
	wantBalance(t, l, "ann", 15)
}

// A shard that pays more than it received is not believed.
func overflow(t *testing.T, l Ledger) {
	w := NewWriter("demo", 0)
	w.Credit(30)
	w.Debit(10)
	w.End(Win{"ann", 15}, Win{"bob", 6}, Win{"cat", 5}, Win{"dan", 1})
	got := apply(t, l, w.Log...)
	if got.Coins != 20 || len(got.Held) != 2 || got.Held[0].User != "bob" || got.Held[1].User != "dan" {
		t.Errorf("applied: %+v", got)
	}
	r, err := l.Round(t.Context(), "demo", 1, "bob", 1)
	if err != nil || r.State != reward.Held || r.Reason == "" || r.Paid != 6 {
		t.Errorf("held round: %+v (%v)", r, err)
	}
	wantBalance(t, l, "ann", 15)
	wantBalance(t, l, "bob", 0)
	wantBalance(t, l, "cat", 5)
	wantSums(t, l, "demo", reward.Sums{Rounds: 4, Granted: 20, Held: 7, HeldRounds: 2})
	if got := shard(t, l, "demo", 0); got.Granted != 20 || got.Held != 7 {
		t.Errorf("shard: %+v", got)
	}
	w.Credit(100) // more coins free nobody's held round, but the next one
	w.End(Win{"bob", 9})
	apply(t, l, w.Log...)
	wantBalance(t, l, "bob", 9)
}

// The same round from another position, in a batch with good ones.
func duplicateRound(t *testing.T, l Ledger) {
	a, b := NewWriter("demo", 0), NewWriter("demo", 1)
	a.Credit(100)
	b.Credit(100)
	a.End(Win{"ann", 10})
	apply(t, l, a.Log...)
	b.End(Win{"bob", 3}, Win{"ann", 20}, Win{"cat", 4}) // ann's round 1 again, with other facts
	got := apply(t, l, b.Log...)
	if got.Rounds != 2 || got.Coins != 7 || len(got.Refused) != 1 || got.Refused[0].ID != "demo.1.1.ann.1" {
		t.Errorf("applied: %+v", got)
	}
	wantBalance(t, l, "ann", 10)
	wantBalance(t, l, "bob", 3)
	wantBalance(t, l, "cat", 4)
	wantSums(t, l, "demo", reward.Sums{Rounds: 3, Granted: 17})
	if got := shard(t, l, "demo", 1); got.Refused != 20 || got.Granted != 7 || got.Rounds != 3 {
		t.Errorf("shard: %+v", got)
	}
	r, err := l.RoundByID(t.Context(), "demo.1.1.ann.1")
	if err != nil || r.Source != a.source || r.Paid != 10 {
		t.Errorf("the first one stays: %+v (%v)", r, err)
	}
}

func duplicateInBatch(t *testing.T, l Ledger) {
	a, b := NewWriter("demo", 0), NewWriter("demo", 1)
	a.Credit(100)
	b.Credit(100)
	a.End(Win{"ann", 10})
	b.End(Win{"ann", 20})
	got := apply(t, l, append(a.Log, b.Log...)...)
	if got.Coins != 10 || len(got.Refused) != 1 {
		t.Errorf("applied: %+v", got)
	}
	wantBalance(t, l, "ann", 10)
}

func duplicateFunding(t *testing.T, l Ledger) {
	bank := NewWriter("demo", event.Bank)
	bank.Fund(1, 1000)
	apply(t, l, bank.Log...)
	bank.Fund(1, 1000)
	bank.Fund(2, 5)
	if got := apply(t, l, bank.Log...); len(got.RefusedFundings) != 1 {
		t.Errorf("applied: %+v", got)
	}
	wantSums(t, l, "demo", reward.Sums{Funded: 1005})
}

func deadLetter(t *testing.T, l Ledger) {
	w := NewWriter("demo", 0)
	w.Credit(100)
	w.End(Win{"ann", 10})
	w.End(Win{"ann", 20})
	w.End(Win{"ann", 30})
	dead := w.Log[3]
	var g *event.GapError
	if err := l.SkipDead(t.Context(), dead.Source, dead.Position, "too early"); !errors.As(err, &g) {
		t.Errorf("skipping over what was not applied yet: got %v, want a gap", err)
	}
	apply(t, l, w.Log[:3]...)
	for range 2 {
		if err := l.SkipDead(t.Context(), dead.Source, dead.Position, "not JSON"); err != nil {
			t.Fatal(err)
		}
	}
	apply(t, l, w.Log[4:]...)
	if got := apply(t, l, w.Log...); got.Repeats != 5 {
		t.Errorf("all again, the dead one mended: %+v", got)
	}
	wantBalance(t, l, "ann", 40)
	wantSums(t, l, "demo", reward.Sums{Rounds: 2, Granted: 40, Dead: 1})
	if got := shard(t, l, "demo", 0); got.Dead != 1 || got.Seq != 5 || got.Issued != 60 {
		t.Errorf("shard: %+v", got)
	}
}

// Of a fence nothing is lost when its body cannot be read, and an opening can be skipped as well.
func deadFence(t *testing.T, l Ledger) {
	w := NewWriter("demo", 0)
	w.Credit(100)
	zombie := w.lost()
	zombie.End(Win{"ann", 50})
	apply(t, l, w.Log...)
	w.Fence()
	if err := l.SkipDead(t.Context(), w.source, w.Last().Position, "bad fence"); err != nil {
		t.Fatal(err)
	}
	if got := apply(t, l, zombie.Log...); got.Voids != 1 {
		t.Errorf("behind a dead fence: %+v", got)
	}
	w.Open()
	if err := l.SkipDead(t.Context(), w.source, w.Last().Position, "bad open"); err != nil {
		t.Fatal(err)
	}
	w.End(Win{"bob", 7})
	apply(t, l, w.Last())
	wantBalance(t, l, "bob", 7)
	if got := shard(t, l, "demo", 0); got.Dead != 2 || got.Epoch != 2 {
		t.Errorf("shard: %+v", got)
	}
}

func historyPages(t *testing.T, l Ledger) {
	w := NewWriter("demo", 0)
	w.Credit(1000)
	for i := range 25 {
		w.End(Win{"ann", int64(i + 1)}, Win{"bob", 1})
	}
	apply(t, l, w.Log...)
	var coins []int64
	before := ""
	for pages := 1; ; pages++ {
		page, next, err := l.History(t.Context(), "ann", before, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			coins = append(coins, e.Coins)
			if e.Kind != reward.KindGrant || e.Campaign != "demo" || e.Run != 1 || e.At.IsZero() {
				t.Errorf("entry %+v", e)
			}
		}
		if before = next; next == "" {
			if pages != 3 {
				t.Errorf("got %d pages, want 3", pages)
			}
			break
		}
	}
	for i, c := range coins {
		if c != int64(25-i) {
			t.Fatalf("newest first: %v", coins)
		}
	}
	if len(coins) != 25 {
		t.Errorf("got %d entries, want 25", len(coins))
	}
	if page, next, err := l.History(t.Context(), "ann", "", 25); err != nil || next != "" || page[0].Round != "demo.1.1.ann.25" {
		t.Errorf("exactly one page: next %q (%v)", next, err)
	}
	for _, bad := range []string{"x", "12", "a.b", "12.", "12.!"} {
		if _, _, err := l.History(t.Context(), "ann", bad, 10); !errors.Is(err, reward.ErrBadPage) {
			t.Errorf("page %q: got %v, want ErrBadPage", bad, err)
		}
	}
}

func rounds(t *testing.T, l Ledger) {
	w := NewWriter("demo", 7)
	w.Credit(100)
	e := w.End(Win{"a.n.n", 10})
	w.Fence()
	w.Open()
	w.number["a.n.n"] = 0 // the start was lost with the old epoch: number 1 again
	later := w.End(Win{"a.n.n", 20})
	apply(t, l, w.Log...)
	for _, want := range []event.Entry{e, later} {
		id := want.Rounds[0].ID(want.Source)
		got, err := l.RoundByID(t.Context(), id)
		wantRecord := reward.Record{Round: want.Rounds[0], ID: id, Source: want.Source, Position: want.Position, State: reward.Granted}
		if err != nil || got != wantRecord {
			t.Errorf("round %s:\n got %+v (%v)\nwant %+v", id, got, err, wantRecord)
		}
	}
	got, err := l.Round(t.Context(), "demo", 1, "a.n.n", 1)
	if err != nil || got.ID != "demo.1.2.a.n.n.1" {
		t.Errorf("by number: got %s (%v), want the later epoch's", got.ID, err)
	}
	_, err = l.Round(t.Context(), "demo", 1, "a.n.n", 2)
	_, err2 := l.RoundByID(t.Context(), "demo.1.1.ann.1")
	_, err3 := l.RoundByID(t.Context(), "rubbish")
	for _, err := range []error{err, err2, err3} {
		if !errors.Is(err, reward.ErrNotFound) {
			t.Errorf("no such round: got %v, want ErrNotFound", err)
		}
	}
}

func idsByteForByte(t *testing.T, l Ledger) {
	users := []string{"ann", "Ann", "ann ", "\u00e4nn", "a\u0308nn", "007", "7", "🦆", `'"\%_?`, "user:ann", "a.b"}
	w := NewWriter("demo", 0)
	w.Credit(1000)
	for i, u := range users {
		w.End(Win{u, int64(i + 1)})
	}
	apply(t, l, w.Log...)
	for i, u := range users {
		wantBalance(t, l, u, int64(i+1))
		history, _, err := l.History(t.Context(), u, "", 10)
		if err != nil || len(history) != 1 || history[0].Round != fmt.Sprintf("demo.1.1.%s.1", u) {
			t.Errorf("history of %q: %+v (%v)", u, history, err)
		}
		if r, err := l.Round(t.Context(), "demo", 1, u, 1); err != nil || r.User != u {
			t.Errorf("round of %q: %+v (%v)", u, r, err)
		}
	}
}

// More rows than one statement takes, a repeat in the middle of them.
func bigBatch(t *testing.T, l Ledger) {
	a, b := NewWriter("demo", 0), NewWriter("demo", 1)
	a.Credit(1_000_000)
	b.Credit(1_000_000)
	a.End(Win{"user900", 5})
	apply(t, l, a.Log...)
	for i := range 20 {
		var wins []Win
		for j := range 64 {
			wins = append(wins, Win{fmt.Sprint("user", i*64+j), 2})
		}
		b.End(wins...)
	}
	got := apply(t, l, b.Log...)
	if got.Rounds != 1279 || len(got.Refused) != 1 {
		t.Errorf("got %d rounds, %d refused, want 1279 and 1", got.Rounds, len(got.Refused))
	}
	wantBalance(t, l, "user900", 5)
	wantBalance(t, l, "user901", 2)
	wantSums(t, l, "demo", reward.Sums{Rounds: 1280, Granted: 2*1279 + 5})
}

func twoAtOnce(t *testing.T, l Ledger) {
	a, b := NewWriter("demo", 0), NewWriter("demo", 1)
	for _, w := range []*Writer{a, b} {
		w.Credit(1000)
		for i := range 4 {
			w.number[fmt.Sprint("user", i)] = int64(100 * w.source.Shard) // the same players, other rounds
		}
		for i := range 20 {
			w.End(Win{fmt.Sprint("user", i%4), 1}, Win{fmt.Sprint("solo", w.source.Shard), 2})
		}
	}
	forth, back := append(append([]event.Entry{}, a.Log...), b.Log...), append(append([]event.Entry{}, b.Log...), a.Log...)
	var g errgroup.Group
	for i := range 6 {
		g.Go(func() error {
			_, err := l.Apply(t.Context(), [][]event.Entry{forth, back, a.Log, b.Log}[i%4])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	wantBalance(t, l, "solo0", 40)
	wantBalance(t, l, "user1", 10)
	wantSums(t, l, "demo", reward.Sums{Rounds: 80, Granted: 120})
}
