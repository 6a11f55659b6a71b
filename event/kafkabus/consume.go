package kafkabus

import (
	"context"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/shake-live/shake/event"
)

type handler func(ctx context.Context, batch []event.Message) error

// Consume reads a topic as a member of a group until ctx or the bus ends, and then gives nil. A batch for
// which handle gives an error is handed over again after a pause that grows, by this member or whoever has
// the partition by then; nothing is skipped. The ctx of handle ends when its partition is taken away, and
// nobody else gets the partition before handle has returned, or RebalanceTimeout is over.
func (b *Bus) Consume(ctx context.Context, s event.Subscription, handle func(context.Context, []event.Message) error) error {
	if !b.begin() {
		return ErrClosed
	}
	defer b.work.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.life, cancel)()

	group, err := sarama.NewConsumerGroup(b.opts.Brokers, s.Group, b.opts.groupConfig())
	if err != nil {
		return fmt.Errorf("kafka: group %s: %w", s.Group, err)
	}
	m := &member{bus: b, group: group, subscription: s, handle: handle}
	reported := make(chan struct{})
	go func() {
		defer close(reported)
		for err := range group.Errors() {
			m.report("consumer group has trouble and goes on", err)
		}
	}()
	m.join(ctx)
	if err := group.Close(); err != nil {
		m.report("left the consumer group by silence", err) // its session times out
	}
	<-reported
	return nil
}

// member is one Consume.
type member struct {
	bus          *Bus
	group        sarama.ConsumerGroup
	subscription event.Subscription
	handle       handler
}

// join is in the group as often as it takes, with pauses that grow while that fails at once.
func (m *member) join(ctx context.Context) {
	const steady = 10 * time.Second // a session this long was none that failed at once
	for row := 0; ctx.Err() == nil; row++ {
		began := time.Now()
		err := m.group.Consume(ctx, []string{m.subscription.Topic}, m)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			m.report("not in the consumer group, joining again", err)
		}
		if time.Since(began) > steady {
			row = 0
		}
		backOff(ctx, row)
	}
}

func (m *member) report(what string, err error) {
	m.bus.opts.Log.Warn(what, "group", m.subscription.Group, "topic", m.subscription.Topic, "err", err)
}

// Setup is part of sarama's handler; a session needs none.
func (m *member) Setup(sarama.ConsumerGroupSession) error { return nil }

// Cleanup is part of sarama's handler; sarama commits what is marked.
func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim works on one partition until it is taken away. To return sooner would end the whole session.
func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	this := map[string][]int32{claim.Topic(): {claim.Partition()}}
	in := newIntake(func() { m.group.Pause(this) }, func() { m.group.Resume(this) })
	ctx, cancel := context.WithCancel(session.Context())
	defer cancel()
	go in.fill(claim.Messages(), cancel)
	for {
		batch := in.next(ctx, max(1, m.subscription.MaxBatch), m.subscription.MaxAge)
		if batch == nil || !m.deliver(ctx, batch) {
			break
		}
		session.MarkOffset(claim.Topic(), claim.Partition(), batch[len(batch)-1].Offset+1, "")
	}
	<-in.ended
	return nil
}

// deliver hands the batch over until it is taken, and tells whether it was.
func (m *member) deliver(ctx context.Context, batch []event.Message) bool {
	for row := 0; ; row++ {
		err := m.handle(ctx, batch)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		m.report(fmt.Sprintf("batch at %d/%d failed, handing it over again", batch[0].Partition, batch[0].Offset), err)
		backOff(ctx, row)
	}
}
