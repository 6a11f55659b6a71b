package kafkabus

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"
)

// Lag is how many messages of each partition the group has not committed as read.
func (b *Bus) Lag(ctx context.Context, group, topic string) (map[int32]int64, error) {
	n, err := b.Partitions(ctx, topic)
	if err != nil {
		return nil, err
	}
	read, err := within(ctx, b, func() (*sarama.OffsetFetchResponse, error) { return b.committed(group, topic, n) })
	if err != nil {
		return nil, fmt.Errorf("kafka: offsets of group %s: %w", group, err)
	}
	lag := make(map[int32]int64, n)
	for p := range n {
		block := read.GetBlock(topic, p)
		committed := int64(-1) // nothing yet
		if block != nil {
			committed = block.Offset
		}
		if lag[p], err = b.behind(ctx, place{topic, p}, committed); err != nil {
			return nil, err
		}
	}
	return lag, nil
}

// behind counts from the committed offset, or from the oldest message when nothing was committed or what was
// is no longer kept.
func (b *Bus) behind(ctx context.Context, p place, committed int64) (int64, error) {
	end, err := b.offset(ctx, p, sarama.OffsetNewest)
	if err != nil {
		return 0, err
	}
	oldest, err := b.offset(ctx, p, sarama.OffsetOldest)
	return end - max(committed, oldest), err
}

func (b *Bus) committed(group, topic string, partitions int32) (*sarama.OffsetFetchResponse, error) {
	admin, err := b.admin()
	if err != nil {
		return nil, err
	}
	list := make([]int32, partitions)
	for p := range list {
		list[p] = int32(p)
	}
	response, err := admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: list})
	if errors.Is(err, sarama.ErrGroupIDNotFound) { // it never committed anything
		return &sarama.OffsetFetchResponse{}, nil
	}
	return response, err
}
