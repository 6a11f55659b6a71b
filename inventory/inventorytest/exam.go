// Package inventorytest says what a store of pools is: an exam that the model, Redis and a Redis Cluster all sit.
package inventorytest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/inventory"
)

// Subject is a store with an empty run. Restart makes the pools belong to a host that is gone.
type Subject struct {
	Store   inventory.Store
	Run     inventory.Run
	Restart func()
}

// Run gives the exam; newSubject is called once a question.
func Run(t *testing.T, newSubject func(t *testing.T) Subject) {
	for name, question := range map[string]func(*testing.T, *exam){
		"a pool that was never opened is busy":                         neverOpened,
		"opening twice is opening once":                                openTwice,
		"funding counts once a number":                                 funding,
		"a funding is decided once":                                    fundingDecidedOnce,
		"funding needs the lock":                                       fundingLocked,
		"withdrawing takes what is there and no more":                  withdrawing,
		"a transfer counts once on each side":                          transfer,
		"transfers keep their order":                                   transferOrder,
		"a debit takes what is left at most":                           debitBounds,
		"coins that arrive end a drought":                              drought,
		"dry comes too late after its time":                            dryLate,
		"the lock has one owner until it runs out":                     locking,
		"a restarted server is busy until reopened":                    restart,
		"whoever seals later, after the hold, claims the higher epoch": overtaken,
		"restoring sets what the log says, repeatedly":                 restoring,
		"a mark comes with an opening and outlasts a restart":          marking,
		"a renewed seal holds, and what is gone is not sealed anew":    renewing,
		"an opener may take longer than the hold":                      slowOpener,
		"an opener that died is overtaken after the hold":              deadOpener,
		"reopening reads the log from the mark on":                     reopenAtMark,
		"reopening needs nothing from before the mark":                 reopenWithoutPast,
		"what the log has no longer keeps a pool closed":               reopenGone,
		"a run whose beginning is gone stays closed without a mark":    reopenSinceGone,
		"a mark beyond the end of the log is none":                     reopenShorter,
		"a mark at which something else stands is none":                reopenShifted,
		"what goes while it is read keeps a pool closed":               reopenForgetting,
		"a forced seal closes an open pool, and no held one":           forcedSeal,
		"by hand, some pools are reopened and the others left alone":   reopenSome,
		"a pool that is not trusted is fenced and opened anew":         reopenFence,
		"a higher fence keeps a pool closed until the next try":        reopenFenced,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSubject(t)
			question(t, &exam{TB: t, Subject: s, ctx: t.Context()})
		})
	}
}

// exam has short words for what questions do.
type exam struct {
	testing.TB
	Subject
	ctx context.Context
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

func (e *exam) open(shards ...int) {
	e.Helper()
	for _, s := range shards {
		epoch, err := e.Store.Seal(e.ctx, e.Run, s, inventory.Seal{Token: "opener", Least: 1})
		e.must(err)
		e.must(e.Store.Open(e.ctx, e.Run, s, "opener", epoch, event.Mark{}))
	}
}

func (e *exam) fund(number, amount int64) {
	e.Helper()
	_, err := e.Store.Lock(e.ctx, e.Run, "funder", time.Minute)
	e.must(err)
	got, err := e.Store.Fund(e.ctx, e.Run, "funder", event.Funding{Number: number, Amount: amount})
	if e.must(err); got != amount {
		e.Errorf("funding %d brought %d, want %d", number, got, amount)
	}
	_, err = e.Store.Lock(e.ctx, e.Run, "funder", 0)
	e.must(err)
}

func (e *exam) audit(shard int) inventory.Slice {
	e.Helper()
	s, err := e.Store.Audit(e.ctx, e.Run, shard)
	e.must(err)
	if !s.Balanced() {
		e.Fatalf("%s does not balance: %+v", s.Source, s.State)
	}
	return s
}

// unchanged runs fn and checks that it wrote no entry.
func (e *exam) unchanged(shard int, fn func()) {
	e.Helper()
	before := e.audit(shard)
	fn()
	if after := e.audit(shard); after.Position != before.Position || after.State != before.State {
		e.Fatalf("got %+v, want it unchanged: %+v", after, before)
	}
}

func neverOpened(t *testing.T, e *exam) {
	if s := e.audit(0); s.Exists || s.Open {
		t.Errorf("got %+v, want no pool", s)
	}
	_, err := e.Store.Debit(e.ctx, e.Run, 0, event.Bank, 1, 1, 0)
	e.want(err, inventory.ErrBusy)
	e.want(e.Store.Credit(e.ctx, e.Run, 0, event.Transfer{Peer: event.Bank, Number: 1, Amount: 1}), inventory.ErrBusy)
}

func openTwice(t *testing.T, e *exam) {
	e.open(0)
	first := e.audit(0)
	if want := (event.Position{Epoch: 1, Seq: 1}); first.Position != want || !first.Open || first.Pending != 1 {
		t.Fatalf("got %+v, want it open at %s with one entry", first, want)
	}
	e.unchanged(0, func() {
		e.must(e.Store.Open(e.ctx, e.Run, 0, "opener", 1, event.Mark{}))
		epoch, err := e.Store.Seal(e.ctx, e.Run, 0, inventory.Seal{Token: "another", Least: 1})
		e.must(err)
		if epoch != 0 {
			t.Errorf("Seal of an open pool claimed epoch %d, want it left alone", epoch)
		}
	})
}

func funding(t *testing.T, e *exam) {
	e.open(event.Bank)
	e.fund(1, 100)
	e.unchanged(event.Bank, func() { e.fund(1, 100) })
	e.fund(2, 50)
	if s := e.audit(event.Bank); s.Left != 150 || s.Funded != 150 || s.Funding != (event.Funding{Number: 2, Amount: 50}) {
		t.Errorf("got %+v, want 150 left of 150 after funding 2", s)
	}
	e.unchanged(event.Bank, func() {
		_, err := e.Store.Lock(e.ctx, e.Run, "funder", time.Minute)
		e.must(err)
		e.refusesFunding(event.Funding{Number: 4, Amount: 1}, inventory.ErrStale)
		e.refusesFunding(event.Funding{Number: 1, Amount: 1}, inventory.ErrStale)
	})
}

// Two who disagree on what a number brings get what the first one said.
func fundingDecidedOnce(t *testing.T, e *exam) {
	e.open(event.Bank)
	e.fund(1, 100)
	e.fund(2, 0) // a withdrawal that was given up
	e.unchanged(event.Bank, func() {
		_, err := e.Store.Lock(e.ctx, e.Run, "funder", time.Minute)
		e.must(err)
		got, err := e.Store.Fund(e.ctx, e.Run, "funder", event.Funding{Number: 2, Amount: -60})
		if e.must(err); got != 0 {
			t.Errorf("funding 2 brought %d, want 0 as decided before", got)
		}
	})
}

func (e *exam) refusesFunding(f event.Funding, want error) {
	_, err := e.Store.Fund(e.ctx, e.Run, "funder", f)
	e.want(err, want)
}

func fundingLocked(_ *testing.T, e *exam) {
	e.open(event.Bank)
	e.unchanged(event.Bank, func() {
		e.refusesFunding(event.Funding{Number: 1, Amount: 1}, inventory.ErrLocked)
		_, err := e.Store.Lock(e.ctx, e.Run, "keeper", time.Minute)
		e.must(err)
		e.refusesFunding(event.Funding{Number: 1, Amount: 1}, inventory.ErrLocked)
	})
}

func withdrawing(t *testing.T, e *exam) {
	e.open(event.Bank)
	e.fund(1, 100)
	e.unchanged(event.Bank, func() {
		_, err := e.Store.Lock(e.ctx, e.Run, "funder", time.Minute)
		e.must(err)
		e.refusesFunding(event.Funding{Number: 2, Amount: -101}, inventory.ErrShort)
	})
	e.fund(2, -100)
	if s := e.audit(event.Bank); s.Left != 0 || s.Funded != 0 {
		t.Errorf("got %+v, want nothing left", s)
	}
}

func transfer(t *testing.T, e *exam) {
	e.open(event.Bank, 0)
	e.fund(1, 100)
	for range 2 {
		n, err := e.Store.Debit(e.ctx, e.Run, event.Bank, 0, 1, 30, 0)
		e.must(err)
		if n != 30 {
			t.Fatalf("debit gave %d, want 30", n)
		}
	}
	for range 2 {
		e.must(e.Store.Credit(e.ctx, e.Run, 0, event.Transfer{Peer: event.Bank, Number: 1, Amount: 30}))
	}
	bank, shard := e.audit(event.Bank), e.audit(0)
	if bank.Left != 70 || bank.Sent != 30 || shard.Left != 30 || shard.Received != 30 {
		t.Errorf("got bank %+v and shard %+v, want 70 and 30", bank.State, shard.State)
	}
	if bank.To[0] != (event.Transfer{Peer: 0, Number: 1, Amount: 30}) || shard.From[event.Bank] != 1 {
		t.Errorf("got marks %v and %v, want number 1 on both sides", bank.To, shard.From)
	}
}

func transferOrder(_ *testing.T, e *exam) {
	e.open(event.Bank, 0)
	e.fund(1, 100)
	e.unchanged(event.Bank, func() {
		_, err := e.Store.Debit(e.ctx, e.Run, event.Bank, 0, 2, 30, 0)
		e.want(err, inventory.ErrStale)
		_, err = e.Store.Debit(e.ctx, e.Run, event.Bank, 0, 0, 30, 0)
		e.want(err, inventory.ErrStale)
	})
	e.unchanged(0, func() {
		e.want(e.Store.Credit(e.ctx, e.Run, 0, event.Transfer{Peer: event.Bank, Number: 2, Amount: 30}), inventory.ErrStale)
	})
}

func debitBounds(t *testing.T, e *exam) {
	e.open(event.Bank)
	e.fund(1, 100)
	for i, c := range []struct{ want, part, gives int64 }{{10, 0, 10}, {1, 9, 10}, {50, 8, 50}, {99, 0, 30}} {
		n, err := e.Store.Debit(e.ctx, e.Run, event.Bank, 0, int64(i+1), c.want, c.part)
		e.must(err)
		if n != c.gives {
			t.Errorf("debit %d of %d with part %d gave %d, want %d", i+1, c.want, c.part, n, c.gives)
		}
	}
	e.unchanged(event.Bank, func() {
		_, err := e.Store.Debit(e.ctx, e.Run, event.Bank, 0, 5, 1, 0)
		e.want(err, inventory.ErrEmpty)
	})
}

func drought(t *testing.T, e *exam) {
	e.open(event.Bank, 0)
	e.fund(1, 10)
	e.must(e.Store.Dry(e.ctx, e.Run, 0, true, time.Time{}))
	e.unchanged(0, func() { e.must(e.Store.Dry(e.ctx, e.Run, 0, true, time.Time{})) })
	if !e.audit(0).Dry {
		t.Fatal("shard is not dry")
	}
	_, err := e.Store.Debit(e.ctx, e.Run, event.Bank, 0, 1, 5, 0)
	e.must(err)
	e.must(e.Store.Credit(e.ctx, e.Run, 0, event.Transfer{Peer: event.Bank, Number: 1, Amount: 5}))
	if e.audit(0).Dry {
		t.Error("shard is dry after coins came")
	}
}

func dryLate(_ *testing.T, e *exam) {
	e.open(0)
	e.unchanged(0, func() {
		e.want(e.Store.Dry(e.ctx, e.Run, 0, true, time.Now().Add(-time.Minute)), inventory.ErrLocked)
	})
}

func locking(t *testing.T, e *exam) {
	e.open(event.Bank)
	until, err := e.Store.Lock(e.ctx, e.Run, "one", 150*time.Millisecond)
	e.must(err)
	if until.IsZero() {
		t.Error("the lock has no end")
	}
	_, err = e.Store.Lock(e.ctx, e.Run, "two", time.Minute)
	e.want(err, inventory.ErrLocked)
	time.Sleep(200 * time.Millisecond)
	_, err = e.Store.Lock(e.ctx, e.Run, "two", time.Minute)
	e.must(err)
	_, err = e.Store.Lock(e.ctx, e.Run, "two", 0)
	e.must(err)
	_, err = e.Store.Lock(e.ctx, e.Run, "one", time.Minute)
	e.must(err)
}

func restart(t *testing.T, e *exam) {
	e.open(event.Bank, 0)
	e.fund(1, 100)
	before := e.audit(event.Bank)
	e.Restart()
	if e.audit(event.Bank).Open {
		t.Fatal("the pool is open on a host that never opened it")
	}
	_, err := e.Store.Debit(e.ctx, e.Run, event.Bank, 0, 1, 1, 0)
	e.want(err, inventory.ErrBusy)
	e.open(event.Bank)
	after := e.audit(event.Bank)
	if want := (event.Position{Epoch: before.Epoch + 1, Seq: before.Seq + 1}); after.Position != want || after.State != before.State {
		t.Errorf("got %+v, want %s and the state of before", after, want)
	}
	e.unchanged(event.Bank, func() { e.fund(1, 100) })
}

func overtaken(t *testing.T, e *exam) {
	first, err := e.Store.Seal(e.ctx, e.Run, 0, inventory.Seal{Token: "first", Least: 1, Hold: 100 * time.Millisecond})
	e.must(err)
	again, err := e.Store.Seal(e.ctx, e.Run, 0, inventory.Seal{Token: "first", Least: 1, Hold: 100 * time.Millisecond})
	e.must(err)
	_, err = e.Store.Seal(e.ctx, e.Run, 0, inventory.Seal{Token: "second", Least: 1})
	e.want(err, inventory.ErrLocked)
	time.Sleep(150 * time.Millisecond)
	second, err := e.Store.Seal(e.ctx, e.Run, 0, inventory.Seal{Token: "second", Least: 1})
	e.must(err)
	if again != first || second <= first {
		t.Errorf("claims are %d, %d again, then %d; want the same, then a higher one", first, again, second)
	}
	e.want(e.Store.Open(e.ctx, e.Run, 0, "first", first, event.Mark{}), inventory.ErrLost)
	e.want(e.Store.Restore(e.ctx, e.Run, 0, "first", inventory.Restoration{Position: event.Position{Epoch: 1, Seq: 1}}), inventory.ErrLost)
	e.must(e.Store.Open(e.ctx, e.Run, 0, "second", second, event.Mark{}))
}

func restoring(t *testing.T, e *exam) {
	epoch, err := e.Store.Seal(e.ctx, e.Run, 0, inventory.Seal{Token: "opener", Least: 8})
	e.must(err)
	if epoch != 8 {
		t.Fatalf("claimed %d, want the least asked for, 8", epoch)
	}
	r := inventory.Restoration{
		Position: event.Position{Epoch: 7, Seq: 41},
		State:    event.State{Left: 25, Issued: 5, Sent: 10, Received: 40},
		To:       map[int]event.Transfer{event.Bank: {Peer: event.Bank, Number: 2, Amount: 10}},
		From:     map[int]int64{event.Bank: 3},
	}
	for range 2 {
		e.must(e.Store.Restore(e.ctx, e.Run, 0, "opener", r))
	}
	e.must(e.Store.Open(e.ctx, e.Run, 0, "opener", epoch, event.Mark{}))
	s := e.audit(0)
	if want := (event.Position{Epoch: 8, Seq: 42}); s.Position != want || s.State != r.State {
		t.Errorf("got %s %+v, want %s %+v", s.Position, s.State, want, r.State)
	}
	if s.To[event.Bank] != r.To[event.Bank] || s.From[event.Bank] != 3 {
		t.Errorf("got marks %v %v, want %v %v", s.To, s.From, r.To, r.From)
	}
	n, err := e.Store.Debit(e.ctx, e.Run, 0, event.Bank, 2, 99, 0)
	e.must(err)
	if n != 10 {
		t.Errorf("the last transfer again gave %d, want 10", n)
	}
}
