package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/IBM/sarama"
)

// TopicSpec says what a topic must be like.
type TopicSpec struct {
	Name        string
	Partitions  int32
	Replication int16         // copies; 0 takes the brokers' default
	MinInSync   int           // copies that a write waits for; 0 takes the brokers' default
	Retention   time.Duration // how long messages are kept; 0 takes the brokers' default, below 0 is for ever
}

// EnsureTopics makes the topics that are missing and returns when all can be used. A topic that is there with
// fewer partitions is an error: adding some would move keys, and with them the order of what they wrote.
func (b *Bus) EnsureTopics(ctx context.Context, specs []TopicSpec) error {
	for _, s := range specs {
		if err := b.ensure(ctx, s); err != nil {
			return fmt.Errorf("kafka: topic %s: %w", s.Name, err)
		}
	}
	return nil
}

func (b *Bus) ensure(ctx context.Context, s TopicSpec) error {
	if err := b.create(ctx, s); err != nil && !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return err
	}
	for row := 0; ; row++ {
		found, err := within(ctx, b, func() (int32, error) { return b.led(s.Name) })
		switch {
		case err == nil && found < s.Partitions:
			return fmt.Errorf("it has %d partitions, %d are wanted; adding some would move keys: make a new topic", found, s.Partitions)
		case err == nil:
			return nil
		case ctx.Err() != nil || errors.Is(err, ErrClosed):
			return err
		}
		backOff(ctx, row)
	}
}

// createTries bounds how often a topic is asked for over connections that break.
const createTries = 5

// create asks the controller for the topic. Its connection is everybody's: whoever learns new metadata may close it
// under another's request, so a request that found it closed goes again.
func (b *Bus) create(ctx context.Context, s TopicSpec) (err error) {
	for try := range createTries {
		_, err = within(ctx, b, func() (none, error) {
			admin, err := b.admin()
			if err != nil {
				return none{}, err
			}
			return none{}, admin.CreateTopic(s.Name, s.detail(), false)
		})
		if !errors.Is(err, sarama.ErrNotConnected) && !errors.Is(err, io.EOF) {
			return err
		}
		backOff(ctx, try)
	}
	return err
}

func (s TopicSpec) detail() *sarama.TopicDetail {
	d := &sarama.TopicDetail{NumPartitions: s.Partitions, ReplicationFactor: s.Replication, ConfigEntries: map[string]*string{}}
	if s.Replication == 0 {
		d.ReplicationFactor = -1
	}
	set := func(name string, value int64) {
		text := strconv.FormatInt(value, 10)
		d.ConfigEntries[name] = &text
	}
	if s.MinInSync > 0 {
		set("min.insync.replicas", int64(s.MinInSync))
	}
	switch {
	case s.Retention > 0:
		set("retention.ms", s.Retention.Milliseconds())
	case s.Retention < 0:
		set("retention.ms", -1)
	}
	return d
}

// led counts the topic's partitions once all of them have a leader.
func (b *Bus) led(topic string) (int32, error) {
	if err := b.client.RefreshMetadata(topic); err != nil {
		return 0, err
	}
	all, err := b.client.Partitions(topic)
	if err != nil {
		return 0, err
	}
	for _, p := range all {
		if _, err := b.client.Leader(topic, p); err != nil {
			return 0, err
		}
	}
	return int32(len(all)), nil
}
