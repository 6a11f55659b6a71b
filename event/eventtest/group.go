package eventtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
)

// crowd is all members of a group, and what they saw together.
type crowd struct {
	mu     sync.Mutex
	seen   map[string]int // by key and number: how often
	inside map[int32]int  // handlers at work, by partition
	double int            // times two handlers were at work on one partition
}

func newCrowd() *crowd { return &crowd{seen: map[string]int{}, inside: map[int32]int{}} }

// handle takes its time, and finishes what it began even if its partition is being taken away.
func (c *crowd) handle(_ context.Context, batch []event.Message) error {
	p := batch[0].Partition
	c.mu.Lock()
	c.inside[p]++
	if c.inside[p] > 1 {
		c.double++
	}
	c.mu.Unlock()
	time.Sleep(5 * time.Millisecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inside[p]--
	for _, m := range batch {
		c.seen[m.Key+"/"+string(m.Value)]++
	}
	return nil
}

func (c *crowd) count() int { c.mu.Lock(); defer c.mu.Unlock(); return len(c.seen) }

func (c *crowd) repeats() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, times := range c.seen {
		n += times - 1
	}
	return n
}

// consume is a member until the returned function is called.
func consume(t *testing.T, b Bus, s event.Subscription, handle func(context.Context, []event.Message) error) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Consume(ctx, s, handle) }()
	var once sync.Once
	leave = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("consume: %v", err)
			}
		})
	}
	t.Cleanup(leave)
	return leave
}

func (f Fixture) subscription(group string) event.Subscription {
	return event.Subscription{Group: f.Topics.Entries + "." + group, Topic: f.Topics.Entries, MaxBatch: 20, MaxAge: 10 * time.Millisecond}
}

// Members come and go while messages flow: each message is handled, no partition by two members at once, and
// none twice, for all left in good order.
func members(t *testing.T, f Fixture) {
	const keys, rounds, per = 16, 60, 5
	s, c := f.subscription("members"), newCrowd()
	first := consume(t, f.open(t), s, c.handle)
	writer := f.open(t)
	var writing sync.WaitGroup
	writing.Go(func() {
		for r := range rounds {
			for k := range keys {
				produce(t, writer, f.numbered(key(k), r*per, per)...)
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	atLeast := func(share int) {
		eventually(t, fmt.Sprintf("%d %% are handled", share), func() bool { return c.count() >= keys*rounds*per*share/100 })
	}
	atLeast(10)
	second := consume(t, f.open(t), s, c.handle)
	atLeast(30)
	consume(t, f.open(t), s, c.handle)
	atLeast(50)
	first()
	atLeast(70)
	second()
	atLeast(100)
	writing.Wait()
	if c.double > 0 {
		t.Errorf("two members were at work on one partition %d times", c.double)
	}
	if n := c.repeats(); n > 0 {
		t.Errorf("%d messages were handled twice though every member left in good order", n)
	}
}

// A group that starts anew goes on behind what it had handled.
func goesOn(t *testing.T, f Fixture) {
	s, c := f.subscription("on"), newCrowd()
	b := f.open(t)
	produce(t, b, f.numbered(key(1), 0, 100)...)
	leave := consume(t, b, s, c.handle)
	eventually(t, "the first 100", func() bool { return c.count() == 100 })
	leave()
	produce(t, b, f.numbered(key(1), 100, 100)...)
	consume(t, f.open(t), s, c.handle)
	eventually(t, "the next 100", func() bool { return c.count() == 200 })
	if n := c.repeats(); n > 0 {
		t.Errorf("%d messages came again", n)
	}
}

// A batch that was refused comes again, whole and before any later one; other partitions do not wait for it.
func failedBatches(t *testing.T, f Fixture) {
	b := f.open(t)
	bad, err := b.Partition(t.Context(), f.Topics.Entries, key(0))
	if err != nil {
		t.Fatal(err)
	}
	const n = 100
	for k := range 8 {
		produce(t, b, f.numbered(key(k), 0, n)...)
	}
	others := newCrowd()
	var mu sync.Mutex
	var refused, next int
	consume(t, b, f.subscription("failing"), func(ctx context.Context, batch []event.Message) error {
		if batch[0].Partition != bad {
			return others.handle(ctx, batch)
		}
		mu.Lock()
		defer mu.Unlock()
		if batch[0].Offset != int64(next) {
			t.Errorf("got a batch from offset %d, want %d", batch[0].Offset, next)
		}
		if refused < 4 {
			refused++
			return errors.New("on purpose")
		}
		next += len(batch)
		return nil
	})
	end, err := b.End(t.Context(), f.Topics.Entries, bad)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are handled", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return next == int(end) && others.count() == 8*n-int(end)
	})
}

// A batch is handed over when it is full, or when its first message has waited long enough.
func batches(t *testing.T, f Fixture) {
	b := f.open(t)
	s := f.subscription("batches")
	s.MaxBatch, s.MaxAge = 10, 300*time.Millisecond
	sizes := make(chan int, 100)
	consume(t, b, s, func(_ context.Context, batch []event.Message) error { sizes <- len(batch); return nil })
	produce(t, b, f.numbered(key(1), 0, 10)...)
	if got := receive(t, sizes); got != 10 {
		t.Errorf("ten messages came in a batch of %d", got)
	}
	began := time.Now()
	produce(t, b, f.numbered(key(1), 10, 3)...)
	if got := receive(t, sizes); got != 3 {
		t.Errorf("three messages came in a batch of %d", got)
	}
	if waited := time.Since(began); waited < s.MaxAge/2 {
		t.Errorf("three of ten came after %s, want them to wait %s for more", waited, s.MaxAge)
	}
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		return *new(T)
	}
}
