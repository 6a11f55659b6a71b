package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/shake-live/shake/event"
)

const (
	fetchBytes = 1 << 20 // asked for at once; Kafka sends at least one batch, however large
	fetchTries = 8       // in a row without an answer, with pauses up to a second between
)

// Start is the offset of the oldest message that is kept.
func (b *Bus) Start(ctx context.Context, topic string, partition int32) (int64, error) {
	return b.offset(ctx, place{topic, partition}, sarama.OffsetOldest)
}

// End is the offset that the next message of the partition will have.
func (b *Bus) End(ctx context.Context, topic string, partition int32) (int64, error) {
	return b.offset(ctx, place{topic, partition}, sarama.OffsetNewest)
}

// OffsetAt is the offset of the first message that was written at a time or later, or End if there is none.
func (b *Bus) OffsetAt(ctx context.Context, topic string, partition int32, t time.Time) (int64, error) {
	offset, err := b.offset(ctx, place{topic, partition}, max(0, t.UnixMilli())) // below 0 are sarama's own words
	if err != nil || offset >= 0 {
		return offset, err
	}
	return b.End(ctx, topic, partition)
}

func (b *Bus) offset(ctx context.Context, p place, at int64) (int64, error) {
	offset, err := within(ctx, b, func() (int64, error) { return b.client.GetOffset(p.topic, p.partition, at) })
	if err != nil {
		return 0, fmt.Errorf("kafka: offset of %s: %w", p, err)
	}
	return offset, nil
}

// Scan calls fn for each message from offset from (or the oldest kept one) up to, not including, to. It never
// waits for messages that are not there yet. It asks the leader itself rather than through a consumer of
// sarama's, whose end takes as long as its last empty fetch: a start reads the tail of many partitions.
func (b *Bus) Scan(ctx context.Context, topic string, partition int32, from, to int64, fn func(event.Message) error) error {
	p := place{topic, partition}
	oldest, err := b.Start(ctx, topic, partition)
	if err != nil {
		return err
	}
	end, err := b.End(ctx, topic, partition)
	if err != nil {
		return err
	}
	to = min(to, end)
	for next := max(from, oldest); next < to; {
		messages, after, err := b.fetch(ctx, p, next)
		if err != nil {
			return fmt.Errorf("kafka: read %s from %d: %w", p, next, err)
		}
		for _, m := range messages {
			if m.Offset < next || m.Offset >= to { // a batch may begin before what was asked for
				continue
			}
			if err := fn(m); err != nil {
				return err
			}
		}
		next = after
	}
	return nil
}

// fetch reads some messages and tells where to go on. It tries again while leaders change.
func (b *Bus) fetch(ctx context.Context, p place, from int64) (messages []event.Message, after int64, err error) {
	for row := 0; ; row++ {
		block, err := within(ctx, b, func() (*sarama.FetchResponseBlock, error) { return b.fetchOnce(p, from) })
		if err == nil {
			messages, after := unpack(p, block)
			if after > from {
				return messages, after, nil
			}
			err = errors.New("no whole batch in the answer")
		}
		if ctx.Err() != nil || row == fetchTries || errors.Is(err, sarama.ErrOffsetOutOfRange) || errors.Is(err, ErrClosed) {
			return nil, 0, err
		}
		backOff(ctx, row)
		_, _ = within(ctx, b, func() (none, error) { return none{}, b.client.RefreshMetadata(p.topic) }) // the next try tells
	}
}

func (b *Bus) fetchOnce(p place, from int64) (*sarama.FetchResponseBlock, error) {
	leader, err := b.client.Leader(p.topic, p.partition)
	if err != nil {
		return nil, err
	}
	request := &sarama.FetchRequest{Version: 12, MaxWaitTime: 100, MinBytes: 1, MaxBytes: fetchBytes, SessionEpoch: -1}
	request.AddBlock(p.topic, p.partition, from, fetchBytes, -1)
	response, err := leader.Fetch(request)
	if err != nil {
		_ = leader.Close() // see fly
		return nil, err
	}
	block := response.GetBlock(p.topic, p.partition)
	if block == nil {
		return nil, sarama.ErrIncompleteResponse
	}
	if block.Err != sarama.ErrNoError {
		return nil, block.Err
	}
	return block, nil
}

// unpack gives a block's messages and the offset behind its last whole batch.
func unpack(p place, block *sarama.FetchResponseBlock) (messages []event.Message, after int64) {
	for _, set := range block.RecordsSet {
		batch := set.RecordBatch
		if batch == nil || batch.PartialTrailingRecord {
			continue
		}
		after = batch.LastOffset() + 1
		if batch.Control { // written by transactions, of others
			continue
		}
		for _, r := range batch.Records {
			messages = append(messages, event.Message{
				Topic: p.topic, Partition: p.partition, Offset: batch.FirstOffset + r.OffsetDelta, At: batch.FirstTimestamp.Add(r.TimestampDelta),
				Key: string(r.Key), Headers: headers(r.Headers), Value: r.Value,
			})
		}
	}
	return messages, after
}

func headers(list []*sarama.RecordHeader) map[string]string {
	if len(list) == 0 {
		return nil
	}
	m := make(map[string]string, len(list))
	for _, h := range list {
		m[string(h.Key)] = string(h.Value)
	}
	return m
}
