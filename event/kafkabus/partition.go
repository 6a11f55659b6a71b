package kafkabus

import (
	"context"
	"fmt"

	"github.com/IBM/sarama"
)

// place is one partition of one topic.
type place struct {
	topic     string
	partition int32
}

func (p place) String() string { return fmt.Sprintf("%s/%d", p.topic, p.partition) }

// Partition is where messages with this key go. The hash is the one of Kafka's own clients (murmur2), so
// that other tools put a key where we do.
func (b *Bus) Partition(ctx context.Context, topic, key string) (int32, error) {
	n, err := b.Partitions(ctx, topic)
	if err != nil {
		return 0, err
	}
	return b.partitionOf(key, n)
}

func (b *Bus) partitionOf(key string, partitions int32) (int32, error) {
	return b.hash.Partition(&sarama.ProducerMessage{Key: sarama.StringEncoder(key)}, partitions)
}

// Partitions counts a topic's partitions.
func (b *Bus) Partitions(ctx context.Context, topic string) (int32, error) {
	list, err := within(ctx, b, func() ([]int32, error) { return b.client.Partitions(topic) })
	if err != nil {
		return 0, fmt.Errorf("kafka: partitions of %s: %w", topic, err)
	}
	return int32(len(list)), nil
}
