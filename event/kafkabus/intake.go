package kafkabus

import (
	"context"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/shake-live/shake/event"
)

// An intake holds between these many bytes of one partition before it stops fetching and goes on again.
// The gap keeps a handler busy for longer than the 100 ms that sarama sleeps while all is paused.
const (
	intakeFull = 4 << 20
	intakeLow  = 2 << 20
)

// intake receives a partition's messages as fast as sarama has them. Somebody must, all the time: the end of
// that channel is the only sign that the partition is being taken away, and a handler may be busy for long.
type intake struct {
	pause, resume func() // stop and go of fetching

	mu     sync.Mutex
	queue  []arrived
	bytes  int
	paused bool
	more   chan struct{} // has something since the last look
	ended  chan struct{} // the partition is being taken away
}

type arrived struct {
	message event.Message
	at      time.Time
}

func newIntake(pause, resume func()) *intake {
	return &intake{pause: pause, resume: resume, more: make(chan struct{}, 1), ended: make(chan struct{})}
}

// fill runs until the partition is taken away, and then calls taken.
func (in *intake) fill(messages <-chan *sarama.ConsumerMessage, taken func()) {
	defer close(in.ended)
	defer taken()
	for m := range messages {
		in.put(m)
	}
}

func (in *intake) put(m *sarama.ConsumerMessage) {
	in.mu.Lock()
	in.queue = append(in.queue, arrived{message(m), time.Now()})
	in.bytes += len(m.Value) + recordOverhead
	full := in.bytes >= intakeFull && !in.paused
	in.paused = in.paused || full
	in.mu.Unlock()
	if full {
		in.pause()
	}
	select {
	case in.more <- struct{}{}:
	default:
	}
}

// next waits for a batch: most messages, or fewer when the first of them has been here for age. It gives
// nothing when ctx ended.
func (in *intake) next(ctx context.Context, most int, age time.Duration) []event.Message {
	for ctx.Err() == nil {
		batch, wait := in.take(most, age)
		if batch != nil {
			return batch
		}
		in.await(ctx, wait)
	}
	return nil
}

// take gives a batch that is due, or how long until one is.
func (in *intake) take(most int, age time.Duration) ([]event.Message, time.Duration) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.queue) == 0 {
		return nil, time.Hour // or until something comes
	}
	if wait := age - time.Since(in.queue[0].at); len(in.queue) < most && wait > 0 {
		return nil, wait
	}
	batch := make([]event.Message, min(most, len(in.queue)))
	for i := range batch {
		batch[i] = in.queue[i].message
		in.bytes -= len(batch[i].Value) + recordOverhead
	}
	in.queue = in.queue[len(batch):]
	if in.paused && in.bytes < intakeLow {
		in.paused = false
		in.resume()
	}
	return batch, 0
}

func (in *intake) await(ctx context.Context, wait time.Duration) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-in.more:
	case <-t.C:
	case <-ctx.Done():
	}
}

func message(m *sarama.ConsumerMessage) event.Message {
	return event.Message{
		Topic: m.Topic, Partition: m.Partition, Offset: m.Offset,
		Key: string(m.Key), Headers: headers(m.Headers), Value: m.Value,
	}
}
