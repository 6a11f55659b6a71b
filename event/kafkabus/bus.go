// Package kafkabus is the event bus on Kafka: it writes messages, reads logs and consumes in groups.
// It is the only place that knows sarama. DESIGN.md beside this file tells why the producer is our own.
package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/IBM/sarama"

	"github.com/shake-live/shake/event"
)

// ErrClosed is what calls get from a bus that was closed.
var ErrClosed = errors.New("kafka: bus is closed")

// Bus talks to one Kafka cluster. All its methods may be called at once.
type Bus struct {
	opts     Options
	client   sarama.Client
	hash     sarama.Partitioner
	producer *producer

	life context.Context // ends with Close
	end  context.CancelFunc

	mu     sync.Mutex
	closed bool
	work   sync.WaitGroup // running Consumes, and calls that outlive their caller's patience
}

var _ interface {
	event.Producer
	event.DatedLog
	event.Group
} = (*Bus)(nil)

// New makes a bus. It does not wait for Kafka, which may well be away for now: Ping tells.
func New(opts Options) (*Bus, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	client, err := sarama.NewClient(opts.Brokers, opts.config())
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	b := &Bus{opts: opts, client: client, hash: sarama.NewMurmur2Partitioner("")}
	b.life, b.end = context.WithCancel(context.Background())
	b.producer = newProducer(client, opts)
	return b, nil
}

// Ping tells whether Kafka answers.
func (b *Bus) Ping(ctx context.Context) error {
	_, err := within(ctx, b, func() (none, error) { return none{}, b.client.RefreshMetadata() })
	if err != nil {
		return fmt.Errorf("kafka does not answer: %w", err)
	}
	return nil
}

// Close ends all consumers, lets the producer write what it was given, within CloseTimeout, and hangs up.
// Requests that are out when that time is over hold it up for RequestTimeout at most.
func (b *Bus) Close() error {
	b.mu.Lock()
	closed := b.closed
	b.closed = true
	b.mu.Unlock()
	if closed {
		return nil
	}
	b.end()
	err := b.producer.flush()
	b.producer.stop()
	err = errors.Join(err, b.client.Close())
	b.producer.work.Wait()
	b.work.Wait()
	return err
}

// begin takes part in the bus's life; who gets true calls work.Done at the end.
func (b *Bus) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.work.Add(1)
	return true
}

type none struct{}

// within runs f, which sarama gives no context, and returns when ctx ends, if that is sooner. What goes on
// behind is bounded by the network timeouts, and Close waits for it.
func within[T any](ctx context.Context, b *Bus, f func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	if !b.begin() {
		return *new(T), ErrClosed
	}
	go func() {
		defer b.work.Done()
		value, err := f()
		answers <- answer{value, err}
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		return *new(T), context.Cause(ctx)
	case <-b.life.Done():
		return *new(T), ErrClosed
	}
}
