package eventtest

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
)

func orderPerKey(t *testing.T, f Fixture) {
	const keys, calls, most = 30, 20, 7
	b := f.open(t)
	var writers sync.WaitGroup
	for k := range keys {
		writers.Go(func() {
			next := 0
			for c := range calls {
				n := 1 + (k+c)%most
				produce(t, b, f.numbered(key(k), next, n)...)
				next += n
			}
		})
	}
	writers.Wait()
	next := map[string]int{}
	for _, m := range all(t, b, f.Topics.Entries) {
		if got := number(t, m); got != next[m.Key] {
			t.Fatalf("key %s at %d/%d: got number %d, want %d", m.Key, m.Partition, m.Offset, got, next[m.Key])
		}
		if m.Topic != f.Topics.Entries || m.Headers[event.HeaderKind] != "number" {
			t.Fatalf("message came back as %+v", m)
		}
		next[m.Key]++
	}
	if len(next) != keys {
		t.Errorf("got %d keys, want %d", len(next), keys)
	}
}

// Partition tells where a key's messages really are, and every bus says the same.
func partitions(t *testing.T, f Fixture) {
	one, other := f.open(t), f.open(t)
	if n, err := one.Partitions(t.Context(), f.Topics.Entries); n != Partitions || err != nil {
		t.Fatalf("got %d partitions, %v, want %d", n, err, Partitions)
	}
	used := map[int32]bool{}
	for k := range 50 {
		produce(t, one, f.numbered(key(k), 0, 1)...)
	}
	for _, m := range all(t, other, f.Topics.Entries) {
		used[m.Partition] = true
		for _, b := range []Bus{one, other} {
			if p, err := b.Partition(t.Context(), m.Topic, m.Key); p != m.Partition || err != nil {
				t.Errorf("Partition(%s): got %d, %v, but it lies in %d", m.Key, p, err, m.Partition)
			}
		}
	}
	if len(used) != Partitions {
		t.Errorf("50 keys use %d of %d partitions", len(used), Partitions)
	}
}

func produceAfterError(t *testing.T, f Fixture) {
	b := f.open(t)
	huge := f.numbered(key(1), 0, 1)
	huge[0].Value = bytes.Repeat([]byte("x"), 2<<20)
	if err := b.Produce(t.Context(), huge...); err == nil {
		t.Error("a message of 2 MiB was taken")
	}
	elsewhere := f.numbered(key(1), 0, 1)
	elsewhere[0].Topic += ".missing"
	if err := b.Produce(t.Context(), elsewhere...); err == nil {
		t.Error("a topic that does not exist was written to")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Produce(gone, f.numbered(key(2), 0, 1)...); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: got %v, want it to say so", err)
	}
	produce(t, b, f.numbered(key(1), 0, 3)...)
	n := 0
	for _, m := range all(t, b, f.Topics.Entries) {
		if m.Key == key(1) {
			n++
		}
	}
	if n != 3 {
		t.Errorf("after the errors got %d messages, want 3", n)
	}
	if err := b.Produce(t.Context()); err != nil {
		t.Errorf("nothing to produce: %v", err)
	}
}

// Produce says where each message lies, also of those that travel with the messages of others.
func producesWhere(t *testing.T, f Fixture) {
	const writers, calls = 20, 10
	b := f.open(t)
	var writing sync.WaitGroup
	var mu sync.Mutex
	var told []event.Message
	for k := range writers {
		writing.Go(func() {
			for c := range calls {
				var list []event.Message
				for i := range 5 { // of two keys by turns
					list = append(list, f.numbered(key(k+i%2*writers), c*5+i, 1)...)
				}
				produce(t, b, list...)
				mu.Lock()
				told = append(told, list...)
				mu.Unlock()
			}
		})
	}
	writing.Wait()
	type place struct {
		partition int32
		offset    int64
	}
	lies := map[place]event.Message{}
	for _, m := range all(t, b, f.Topics.Entries) {
		lies[place{m.Partition, m.Offset}] = m
	}
	if len(lies) != len(told) {
		t.Errorf("%d messages lie in the log, %d were written", len(lies), len(told))
	}
	for _, m := range told {
		if there := lies[place{m.Partition, m.Offset}]; there.Key != m.Key || !bytes.Equal(there.Value, m.Value) {
			t.Fatalf("%s of %s was said to lie at %d/%d, where there is %s of %q", m.Value, m.Key, m.Partition, m.Offset, there.Value, there.Key)
		}
	}
}

func endsAndScans(t *testing.T, f Fixture) {
	b := f.open(t)
	topic := f.Topics.Entries
	p, err := b.Partition(t.Context(), topic, key(1))
	if err != nil {
		t.Fatal(err)
	}
	if end, err := b.End(t.Context(), topic, p); end != 0 || err != nil {
		t.Errorf("end of an empty partition: got %d, %v, want 0", end, err)
	}
	if got := scan(t, b, topic, p, 0, 100); len(got) != 0 {
		t.Errorf("an empty partition has %d messages", len(got))
	}
	const n = 1000
	for i := range 10 {
		produce(t, b, f.numbered(key(1), i*n/10, n/10)...)
	}
	if start, err := b.Start(t.Context(), topic, p); start != 0 || err != nil {
		t.Errorf("start: got %d, %v, want 0", start, err)
	}
	if end, err := b.End(t.Context(), topic, p); end != n || err != nil {
		t.Errorf("end: got %d, %v, want %d", end, err, n)
	}
	for _, c := range []struct{ from, to, first, n int }{
		{0, n, 0, n},
		{-5, n, 0, n},        // from the oldest
		{17, 18, 17, 1},      // inside a batch
		{995, 2 * n, 995, 5}, // to further than there is: what there is
		{n, n, 0, 0},         // nothing
		{2 * n, 3 * n, 0, 0}, // behind the end
	} {
		got := scan(t, b, topic, p, int64(c.from), int64(c.to))
		if len(got) != c.n || c.n > 0 && (number(t, got[0]) != c.first || got[0].Offset != int64(c.first)) {
			t.Errorf("from %d to %d: got %d messages, want %d from %d on", c.from, c.to, len(got), c.n, c.first)
		}
	}
	enters(t, b, topic, p)
	stop := errors.New("enough")
	if err := b.Scan(t.Context(), topic, p, 0, n, func(event.Message) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("fn's error: got %v, want it back", err)
	}
}

// enters goes into a log by time: everything written at a time or later stands from there on.
func enters(t *testing.T, b Bus, topic string, p int32) {
	t.Helper()
	list := scan(t, b, topic, p, 0, 1<<30)
	for _, i := range []int{0, len(list) / 2, len(list) - 1} {
		at := list[i].At
		if age := time.Since(at); age < -time.Minute || age > time.Hour {
			t.Fatalf("message %d was written %s ago", i, age)
		}
		offset, err := b.OffsetAt(t.Context(), topic, p, at)
		if err != nil || offset > list[i].Offset {
			t.Errorf("message %d was written at %s: got offset %d, %v, want at most %d", i, at, offset, err, list[i].Offset)
		}
		if offset > 0 && !list[offset-1].At.Before(at) {
			t.Errorf("offset %d at %s leaves out one that was written at %s", offset, at, list[offset-1].At)
		}
	}
	if offset, err := b.OffsetAt(t.Context(), topic, p, time.Now().Add(time.Hour)); offset != int64(len(list)) || err != nil {
		t.Errorf("in an hour: got %d, %v, want the end", offset, err)
	}
	if offset, err := b.OffsetAt(t.Context(), topic, p, time.Unix(0, 0)); offset != 0 || err != nil {
		t.Errorf("in 1970: got %d, %v, want the beginning", offset, err)
	}
}

// Whatever Produce said yes to before a Close is there after it.
func closeFlushes(t *testing.T, f Fixture) {
	b := f.Open(t)
	const writers = 50
	var mu sync.Mutex
	taken := 0
	var running sync.WaitGroup
	for k := range writers {
		running.Go(func() {
			for i := 0; b.Produce(t.Context(), f.numbered(key(k), i, 1)...) == nil; i++ {
				mu.Lock()
				taken++
				mu.Unlock()
			}
		})
	}
	eventually(t, "writing", func() bool { mu.Lock(); defer mu.Unlock(); return taken > 10*writers })
	if err := b.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	running.Wait()
	if err := b.Produce(t.Context(), f.numbered(key(1), 0, 1)...); err == nil {
		t.Error("a closed bus took a message")
	}
	if got := len(all(t, f.open(t), f.Topics.Entries)); got != taken {
		t.Errorf("%d messages lie in the log, %d were taken", got, taken)
	}
}
