package inventorytest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/event/eventtest"
	"github.com/shake-live/shake/inventory"
)

// history is a log with what shard 0 of the exam's run did, written by hand: each entry adds a coin.
type history struct {
	*exam
	log  *eventtest.Memory
	last event.Position
}

const hold = 200 * time.Millisecond

func newHistory(e *exam) *history { return &history{exam: e, log: &eventtest.Memory{}} }

// Drain implements inventory.Drainer: what a pool writes in this exam reaches the log by hand.
func (h *history) Drain(context.Context, inventory.Run, int) error { return nil }

func (h *history) opener() *inventory.Opener {
	o := inventory.NewOpener(h.Store, h, h.log, h.log, "log")
	o.Hold = hold
	return o
}

// begins writes the entry that the pool wrote when it was opened in this epoch.
func (h *history) begins(epoch int64) {
	h.Helper()
	h.write(event.Entry{Kind: event.KindOpen, Position: event.Position{Epoch: epoch, Seq: h.last.Seq + 1}, Open: &event.Open{Host: "h", Previous: h.last}})
}

// grows writes n entries.
func (h *history) grows(n int) {
	h.Helper()
	for range n {
		e := event.Entry{Kind: event.KindCredit, Position: h.last.Next()}
		e.Transfer = &event.Transfer{Peer: event.Bank, Number: e.Seq, Amount: 1}
		h.write(e)
	}
}

func (h *history) write(e event.Entry) {
	h.Helper()
	e.Source, e.At = h.Run.Source(0), time.Now().UnixMilli()
	e.State = event.State{Left: e.Seq, Received: e.Seq}
	m, err := e.Message("log")
	h.must(err)
	h.must(h.log.Produce(h.ctx, m))
	h.last = e.Position
}

// reopen opens the pools and says how many entries of shard 0 were missing there.
func (h *history) reopen(since int64, applied int) {
	h.Helper()
	done, err := h.opener().Open(h.ctx, h.Run, inventory.Since{0: since})
	h.must(err)
	s := h.audit(0)
	if !s.Open || done.Applied != applied || s.Left != h.last.Seq {
		h.Fatalf("got %+v after %d entries, want it open after %d with the %d coins of the log", s, done.Applied, applied, h.last.Seq)
	}
}

// lives gives the pools a past: opened from nothing and reopened from a log of n entries.
func (h *history) lives(n int) {
	h.Helper()
	h.begins(1)
	h.grows(n)
	h.reopen(0, n+1)
	h.begins(h.audit(0).Epoch)
	h.grows(3)
	h.Restart()
	h.log.Read()
}

func marking(t *testing.T, e *exam) {
	mark := event.Mark{Position: event.Position{Epoch: 3, Seq: 40}, Offset: 1234}
	open := func(mark event.Mark) {
		t.Helper()
		epoch, err := e.Store.Seal(e.ctx, e.Run, 0, inventory.Seal{Token: "opener", Least: 1})
		e.must(err)
		e.must(e.Store.Open(e.ctx, e.Run, 0, "opener", epoch, mark))
	}
	want := func(mark event.Mark, when string) {
		t.Helper()
		if s := e.audit(0); s.Mark != mark {
			t.Errorf("%s the mark is %+v, want %+v", when, s.Mark, mark)
		}
	}
	want(event.Mark{}, "before the first opening")
	open(mark)
	want(mark, "after the opening")
	e.Restart()
	epoch, err := e.Store.Seal(e.ctx, e.Run, 0, inventory.Seal{Token: "other", Least: 8})
	e.must(err)
	e.must(e.Store.Restore(e.ctx, e.Run, 0, "other", inventory.Restoration{Position: event.Position{Epoch: 7, Seq: 50}}))
	want(mark, "while the pool is restored")
	e.must(e.Store.Open(e.ctx, e.Run, 0, "other", epoch, event.Mark{}))
	want(event.Mark{}, "after an opening without any")
}

func renewing(t *testing.T, e *exam) {
	const short = 150 * time.Millisecond
	mine := inventory.Seal{Token: "first", Least: 1, Hold: short}
	epoch, err := e.Store.Seal(e.ctx, e.Run, 0, mine)
	e.must(err)
	renewal := inventory.Seal{Token: "first", Hold: short, Renew: epoch}
	for range 3 {
		time.Sleep(short / 2)
		again, err := e.Store.Seal(e.ctx, e.Run, 0, renewal)
		e.must(err)
		if again != epoch {
			t.Fatalf("renewed, the claim is %d, want %d", again, epoch)
		}
	}
	_, err = e.Store.Seal(e.ctx, e.Run, 0, inventory.Seal{Token: "second", Least: 1, Hold: short})
	e.want(err, inventory.ErrLocked)
	time.Sleep(short * 3 / 2)
	second, err := e.Store.Seal(e.ctx, e.Run, 0, inventory.Seal{Token: "second", Least: 1, Hold: short})
	e.must(err)
	_, err = e.Store.Seal(e.ctx, e.Run, 0, renewal)
	e.want(err, inventory.ErrLost)
	e.must(e.Store.Open(e.ctx, e.Run, 0, "second", second, event.Mark{}))
	_, err = e.Store.Seal(e.ctx, e.Run, 0, inventory.Seal{Token: "second", Hold: short, Renew: second})
	e.want(err, inventory.ErrLost)
	_, err = e.Store.Seal(e.ctx, e.Run, 1, inventory.Seal{Token: "first", Hold: short, Renew: 1}) // nobody sealed it
	e.want(err, inventory.ErrLost)
}

// slow is a log whose messages take their time.
type slow struct {
	*eventtest.Memory
	each time.Duration
}

// Scan implements event.Log.
func (l slow) Scan(ctx context.Context, topic string, partition int32, from, to int64, fn func(event.Message) error) error {
	return l.Memory.Scan(ctx, topic, partition, from, to, func(m event.Message) error {
		time.Sleep(l.each)
		return fn(m)
	})
}

// slowly begins to open pools with a log of 31 entries that takes some three holds to read once, and comes back
// when they are sealed.
func (h *history) slowly(ctx context.Context) (opened func() (inventory.Opened, error)) {
	h.Helper()
	h.begins(1)
	h.grows(30)
	o := inventory.NewOpener(h.Store, h, slow{h.log, hold / 10}, h.log, "log")
	o.Hold = hold
	var done inventory.Opened
	ended := make(chan error, 1)
	go func() {
		var err error
		done, err = o.Open(ctx, h.Run, nil)
		ended <- err
	}()
	for h.fences() < len(h.Run.Pools()) && h.ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	return func() (inventory.Opened, error) { err := <-ended; return done, err }
}

func (h *history) fences() (n int) {
	for _, m := range h.log.Messages() {
		if m.Headers[event.HeaderKind] == string(event.KindFence) {
			n++
		}
	}
	return n
}

func slowOpener(t *testing.T, e *exam) {
	h := newHistory(e)
	opened := h.slowly(e.ctx)
	for began := time.Now(); time.Since(began) < 2*hold; time.Sleep(hold / 4) {
		if done, err := h.opener().Open(e.ctx, e.Run, nil); err != nil || len(done.Pools) > 0 {
			t.Errorf("a second opener got %v, %v beside one at work", done.Pools, err)
		}
	}
	done, err := opened()
	e.must(err)
	if len(done.Pools) != len(e.Run.Pools()) || done.Applied != 31 {
		t.Errorf("the slow opener opened %v with %d entries, want all %d pools with 31", done.Pools, done.Applied, len(e.Run.Pools()))
	}
}

func deadOpener(t *testing.T, e *exam) {
	h := newHistory(e)
	ctx, kill := context.WithCancel(e.ctx)
	opened := h.slowly(ctx)
	kill()
	if _, err := opened(); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want the opener to end with its context", err)
	}
	if done, err := h.opener().Open(e.ctx, e.Run, nil); err != nil || len(done.Pools) > 0 {
		t.Fatalf("got %v, %v within the hold, want nothing", done.Pools, err)
	}
	time.Sleep(hold * 3 / 2)
	h.reopen(0, 31)
}

// lowest is where the first of the pools' marks is.
func (h *history) lowest() int64 {
	h.Helper()
	low := h.audit(0).Mark.Offset
	for _, shard := range h.Run.Pools() {
		low = min(low, h.audit(shard).Mark.Offset)
	}
	return low
}

func reopenAtMark(t *testing.T, e *exam) {
	h := newHistory(e)
	h.lives(1000)
	h.reopen(0, 3)
	// Twice what stands behind the lowest mark (three fences, the pool's four entries), and three new fences once.
	if n := h.log.Read(); n != 17 {
		t.Errorf("%d messages were read of %d, want those behind the mark", n, len(h.log.Messages()))
	}
}

func reopenWithoutPast(t *testing.T, e *exam) {
	h := newHistory(e)
	h.lives(1000)
	h.log.Forget(h.lowest())
	h.reopen(0, 3)
}

func reopenGone(t *testing.T, e *exam) {
	h := newHistory(e)
	h.lives(10)
	h.log.Forget(h.lowest() + 1) // one pool's mark
	done, err := h.opener().Open(h.ctx, h.Run, nil)
	e.want(err, inventory.ErrGone)
	if !strings.Contains(err.Error(), h.Run.Campaign+".") {
		t.Errorf("%q names no campaign", err)
	}
	shut := 0
	for _, shard := range h.Run.Pools() {
		if s := h.audit(shard); !s.Open {
			shut++
		}
	}
	if shut != 1 || len(done.Pools) != len(h.Run.Pools())-1 {
		t.Errorf("opened %v, and %d pools are closed; want all but the one that the log can't complete", done.Pools, shut)
	}
}

func reopenSinceGone(t *testing.T, e *exam) {
	h := newHistory(e)
	h.begins(1)
	h.grows(10)
	h.log.Forget(11)
	_, err := h.opener().Open(h.ctx, h.Run, inventory.Since{0: 0})
	e.want(err, inventory.ErrGone)
	_, err = h.opener().Open(h.ctx, h.Run, inventory.Since{0: 100})
	e.want(err, inventory.ErrGone)
	if h.audit(0).Open {
		t.Error("the pool is open without its past")
	}
}

func reopenShorter(t *testing.T, e *exam) {
	h := newHistory(e)
	h.lives(20)
	before := h.log.Messages()
	h.log.Clear()
	h.must(h.log.Produce(h.ctx, before[:5]...))
	_, err := h.opener().Open(h.ctx, h.Run, nil)
	if h.must(err); h.audit(0).Mark.Offset >= int64(len(h.log.Messages())) {
		t.Errorf("the mark is %+v, want it in the log", h.audit(0).Mark)
	}
}

func reopenShifted(t *testing.T, e *exam) {
	h := newHistory(e)
	h.lives(20)
	before := h.log.Messages()
	h.log.Clear()
	h.must(h.log.Produce(h.ctx, event.Message{Key: "x.1.0", Headers: map[string]string{event.HeaderPosition: "1-1"}}))
	h.must(h.log.Produce(h.ctx, before...))
	h.reopen(0, 3)
	if n := h.log.Read(); n < 2*len(before) {
		t.Errorf("%d messages were read, want both scans to begin where the run did", n)
	}
}

// meddled is a log to which something happens just before it is read for the second time, or written to.
type meddled struct {
	*eventtest.Memory
	scan    func()
	produce func()
	scans   int
}

// Scan implements event.Log.
func (l *meddled) Scan(ctx context.Context, topic string, partition int32, from, to int64, fn func(event.Message) error) error {
	if l.scans++; l.scans == 2 && l.scan != nil {
		l.scan()
	}
	return l.Memory.Scan(ctx, topic, partition, from, to, fn)
}

// Produce implements event.Producer.
func (l *meddled) Produce(ctx context.Context, messages ...event.Message) error {
	if l.produce != nil {
		l.produce()
	}
	l.produce = nil
	return l.Memory.Produce(ctx, messages...)
}

// What is deleted while it is read was perhaps not read.
func reopenForgetting(t *testing.T, e *exam) {
	h := newHistory(e)
	h.lives(20)
	log := &meddled{Memory: h.log, scan: func() { h.log.Forget(int64(len(h.log.Messages()))) }}
	done, err := inventory.NewOpener(e.Store, h, log, log, "log").Open(e.ctx, e.Run, nil)
	e.want(err, inventory.ErrGone)
	if len(done.Pools) > 0 || e.audit(0).Open {
		t.Errorf("opened %v with a log that is gone", done.Pools)
	}
}

// Somebody with a higher claim fenced after we had asked for the last epoch: what we would write is void.
func reopenFenced(t *testing.T, e *exam) {
	h := newHistory(e)
	h.lives(20)
	log := &meddled{Memory: h.log, produce: func() {
		m, err := event.Entry{Kind: event.KindFence, Source: e.Run.Source(0), Position: event.Position{Epoch: 99}}.Message("log")
		e.must(errors.Join(err, h.log.Produce(e.ctx, m)))
	}}
	o := inventory.NewOpener(e.Store, h, log, log, "log")
	o.Hold = hold
	_, err := o.Open(e.ctx, e.Run, nil)
	if e.must(err); e.audit(0).Open {
		t.Fatal("the pool is open in an epoch that readers skip")
	}
	time.Sleep(hold * 3 / 2)
	h.reopen(0, 3)
	if s := e.audit(0); s.Epoch != 100 {
		t.Errorf("the epoch is %d, want 100, above the fence", s.Epoch)
	}
}

func forcedSeal(t *testing.T, e *exam) {
	const short = 150 * time.Millisecond
	e.open(0)
	before := e.audit(0)
	force := inventory.Seal{Token: "mover", Least: 1, Hold: short, Force: true}
	epoch, err := e.Store.Seal(e.ctx, e.Run, 0, force)
	e.must(err)
	s := e.audit(0)
	if s.Open || epoch <= before.Epoch || s.Host != "" || s.Seal != "mover" || !s.HeldUntil.After(s.At) || before.Host == "" {
		t.Errorf("claimed %d, the pool is %+v and was %+v, want it closed and held", epoch, s, before)
	}
	again, err := e.Store.Seal(e.ctx, e.Run, 0, force)
	if e.must(err); again != epoch {
		t.Errorf("claimed %d the second time, want %d again", again, epoch)
	}
	e.want(e.Store.Dry(e.ctx, e.Run, 0, true, time.Time{}), inventory.ErrBusy)
	_, err = e.Store.Seal(e.ctx, e.Run, 0, inventory.Seal{Token: "worker", Least: 1, Hold: short, Force: true})
	e.want(err, inventory.ErrLocked)
	time.Sleep(short * 3 / 2)
	_, err = e.Store.Seal(e.ctx, e.Run, 0, inventory.Seal{Token: "worker", Least: 1, Hold: short})
	e.must(err)
	_, err = e.Store.Seal(e.ctx, e.Run, 0, inventory.Seal{Token: "mover", Hold: short, Renew: epoch})
	e.want(err, inventory.ErrLost)
}

func reopenSome(t *testing.T, e *exam) {
	h := newHistory(e)
	h.lives(5)
	for range 2 { // the second time there is nothing to do
		_, err := h.opener().OpenThese(e.ctx, e.Run, nil, []int{0}, false)
		e.must(err)
	}
	if open, shut := e.audit(0), e.audit(1); !open.Open || shut.Open || open.Left != h.last.Seq {
		t.Errorf("shard 0 is %+v, shard 1 %+v; want the first open with all %d coins, and the other closed", open, shut, h.last.Seq)
	}
	h.begins(e.audit(0).Epoch)
	before := e.audit(0)
	done, err := h.opener().OpenThese(e.ctx, e.Run, nil, []int{0}, false)
	if e.must(err); len(done.Pools) != 0 || e.audit(0).Epoch != before.Epoch {
		t.Errorf("an open pool was opened again: %v", done.Pools)
	}
}

func reopenFence(t *testing.T, e *exam) {
	h := newHistory(e)
	h.lives(5)
	h.reopen(0, 3)
	h.begins(e.audit(0).Epoch)
	h.grows(2) // these the log has, and the pool, which is open, lacks
	before := e.audit(0)
	done, err := h.opener().OpenThese(e.ctx, e.Run, nil, []int{0}, true)
	e.must(err)
	if s := e.audit(0); len(done.Pools) != 1 || done.Applied != 2 || !s.Open || s.Epoch <= before.Epoch || s.Left != h.last.Seq {
		t.Errorf("opened %v with %d entries, the pool is %+v; want it in a new epoch with 2 more", done.Pools, done.Applied, s)
	}
}
