package eventtest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/shake-live/shake/event"
)

// Memory is a log of one partition in memory, for tests of what reads and writes a log. It counts what is read,
// and it can forget.
type Memory struct {
	mu       sync.Mutex
	start    int64
	messages []event.Message // from start on
	read     int
}

var _ interface {
	event.Producer
	event.DatedLog
} = (*Memory)(nil)

// Forget deletes all messages before an offset, as a log does with old ones.
func (l *Memory) Forget(before int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages = slices.Clone(l.messages[before-l.start:])
	l.start = before
}

// Clear makes it an empty log, as a topic is that was deleted and made again.
func (l *Memory) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages, l.start = nil, 0
}

// Read tells how many messages were handed to readers since it was asked last.
func (l *Memory) Read() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.read
	l.read = 0
	return n
}

// Messages are those that it has.
func (l *Memory) Messages() []event.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.messages)
}

// Produce implements event.Producer.
func (l *Memory) Produce(_ context.Context, messages ...event.Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range messages {
		messages[i].Partition, messages[i].Offset = 0, l.start+int64(len(l.messages))
		stored := messages[i]
		stored.At = time.Now().Truncate(time.Millisecond)
		l.messages = append(l.messages, stored)
	}
	return nil
}

// Partition implements event.Log.
func (l *Memory) Partition(context.Context, string, string) (int32, error) { return 0, nil }

// Partitions implements event.Log.
func (l *Memory) Partitions(context.Context, string) (int32, error) { return 1, nil }

// Start implements event.Log.
func (l *Memory) Start(context.Context, string, int32) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start, nil
}

// End implements event.Log.
func (l *Memory) End(context.Context, string, int32) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start + int64(len(l.messages)), nil
}

// OffsetAt implements event.Log.
func (l *Memory) OffsetAt(ctx context.Context, topic string, partition int32, t time.Time) (int64, error) {
	for _, m := range l.Messages() {
		if !m.At.Before(t) {
			return m.Offset, nil
		}
	}
	return l.End(ctx, topic, partition)
}

// Scan implements event.Log.
func (l *Memory) Scan(ctx context.Context, _ string, _ int32, from, to int64, fn func(event.Message) error) error {
	for _, m := range l.Messages() {
		if m.Offset < from || m.Offset >= to {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		l.mu.Lock()
		l.read++
		l.mu.Unlock()
		if err := fn(m); err != nil {
			return err
		}
	}
	return nil
}
