// Package eventtest is the exam that every event bus sits.
package eventtest

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
)

// Partitions is how many partitions both topics of a Fixture have.
const Partitions = 4

// Bus is what the exam is about.
type Bus interface {
	event.Producer
	event.DatedLog
	event.Group
	Close() error
}

// Fixture is a pair of fresh, empty topics and a way to open buses on them.
type Fixture struct {
	Topics event.Topics
	Open   func(t *testing.T) Bus // may be called several times; the exam closes what it opens
}

// Run examines a bus; setup is called once for each question.
func Run(t *testing.T, setup func(t *testing.T) Fixture) {
	questions := []struct {
		name string
		ask  func(*testing.T, Fixture)
	}{
		{"order per key", orderPerKey},
		{"partitions", partitions},
		{"produce after an error", produceAfterError},
		{"produce tells where", producesWhere},
		{"starts, ends and scans", endsAndScans},
		{"group/at least once, one at a time", members},
		{"group/goes on where it was", goesOn},
		{"group/failed batches come again", failedBatches},
		{"group/batches by size and age", batches},
		{"dead letters", deadLetters},
		{"close flushes", closeFlushes},
	}
	for _, q := range questions {
		t.Run(q.name, func(t *testing.T) { q.ask(t, setup(t)) })
	}
}

// patience is how long anything in the exam may take: a rebalance on a busy machine is the slowest.
const patience = 60 * time.Second

func (f Fixture) open(t *testing.T) Bus {
	t.Helper()
	b := f.Open(t)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

// numbered gives n messages of a key whose values count up from first.
func (f Fixture) numbered(key string, first, n int) []event.Message {
	list := make([]event.Message, n)
	for i := range list {
		list[i] = event.Message{
			Topic: f.Topics.Entries, Key: key, Value: []byte(strconv.Itoa(first + i)),
			Headers: map[string]string{event.HeaderKind: "number"},
		}
	}
	return list
}

func number(t *testing.T, m event.Message) int {
	t.Helper()
	n, err := strconv.Atoi(string(m.Value))
	if err != nil {
		t.Errorf("message %s/%d/%d: value %q is none of ours", m.Topic, m.Partition, m.Offset, m.Value)
	}
	return n
}

func produce(t *testing.T, b event.Producer, messages ...event.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := b.Produce(ctx, messages...); err != nil {
		t.Fatalf("produce: %v", err)
	}
}

// all reads a whole topic, partition by partition.
func all(t *testing.T, b Bus, topic string) (list []event.Message) {
	t.Helper()
	n, err := b.Partitions(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	for p := range n {
		end, err := b.End(t.Context(), topic, p)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, scan(t, b, topic, p, 0, end)...)
	}
	return list
}

func scan(t *testing.T, b Bus, topic string, partition int32, from, to int64) (list []event.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := b.Scan(ctx, topic, partition, from, to, func(m event.Message) error {
		list = append(list, m)
		return nil
	})
	if err != nil {
		t.Fatalf("scan %s/%d from %d to %d: %v", topic, partition, from, to, err)
	}
	return list
}

func key(i int) string { return fmt.Sprintf("demo.1.%d", i) }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s and not yet: %s", patience, what)
		}
	}
}
