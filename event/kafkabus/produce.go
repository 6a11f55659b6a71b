package kafkabus

import (
	"context"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/shake-live/shake/event"
)

// Produce writes the messages and returns when Kafka has them on all in-sync replicas. What many callers
// produce at once shares requests. Of the messages of one call that go to one partition, what was written
// when an error comes back is always the first ones: a reader never meets a later one without the earlier.
// Without an error it has set where the messages lie.
func (b *Bus) Produce(ctx context.Context, messages ...event.Message) error {
	if len(messages) == 0 {
		return nil
	}
	c := &call{left: len(messages), done: make(chan struct{}), offsets: make([]int64, len(messages))}
	records, bytes, err := b.records(ctx, c, messages)
	if err != nil {
		return err
	}
	if err := b.producer.put(ctx, records, bytes); err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		b.producer.giveUp(c, fmt.Errorf("kafka: produce: %w", context.Cause(ctx)))
	}
	if c.err != nil {
		return c.err
	}
	for i := range messages {
		messages[i].Partition, messages[i].Offset = records[i].place.partition, c.offsets[i]
	}
	return nil
}

// call is one Produce. All but done belongs to the producer's lock until done is closed.
type call struct {
	left    int
	err     error
	done    chan struct{}
	offsets []int64 // of its messages
}

func (c *call) over() bool { return c.left == 0 || c.err != nil }

// record is one message on its way.
type record struct {
	place place
	call  *call
	index int // in its call
	size  int
	at    time.Time
	wire  *sarama.Record
}

func (b *Bus) records(ctx context.Context, c *call, messages []event.Message) ([]record, int64, error) {
	records := make([]record, len(messages))
	now, bytes := time.Now(), int64(0)
	var topic string
	var partitions int32
	for i, m := range messages {
		if i == 0 || m.Topic != topic {
			n, err := b.Partitions(ctx, m.Topic)
			if err != nil {
				return nil, 0, err
			}
			topic, partitions = m.Topic, n
		}
		partition, err := b.partitionOf(m.Key, partitions)
		if err != nil {
			return nil, 0, fmt.Errorf("kafka: partition of %q in %s: %w", m.Key, topic, err)
		}
		r := record{place: place{topic, partition}, call: c, index: i, at: now}
		r.wire, r.size = wireRecord(m)
		if r.size > maxBatchBytes {
			return nil, 0, fmt.Errorf("kafka: message of %q in %s has %d bytes, more than %d", m.Key, topic, r.size, maxBatchBytes)
		}
		records[i] = r
		bytes += int64(r.size)
	}
	return records, bytes, nil
}

// recordOverhead is more than a record's framing takes.
const recordOverhead = 40

func wireRecord(m event.Message) (*sarama.Record, int) {
	r := &sarama.Record{Key: []byte(m.Key), Value: m.Value}
	size := recordOverhead + len(m.Key) + len(m.Value)
	for k, v := range m.Headers {
		r.Headers = append(r.Headers, &sarama.RecordHeader{Key: []byte(k), Value: []byte(v)})
		size += recordOverhead + len(k) + len(v)
	}
	return r, size
}
