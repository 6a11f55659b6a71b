package app

import (
	"context"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/ops"
	"github.com/shake-live/shake/reward"
)

// reader is one consumer group: it starts over when its subscription breaks off.
type reader struct {
	*stack
	name     string
	consumer *event.Consumer
}

// readers are all who act on entries.
func (s *stack) readers() []*reader {
	ledger := reward.NewLedger(s.ledger, s.booked)
	notifier := reward.NewNotifier(s.inbox, func(d reward.Delivered) { s.metrics.Read("notices", d.Tally) })
	return []*reader{
		s.reader("ledger", ledger),
		s.reader("notices", notifier),
		s.reader("board", s.boardReader()),
	}
}

func (s *stack) reader(name string, h event.Handler) *reader {
	w := s.cfg.Worker
	return &reader{stack: s, name: name, consumer: event.NewConsumer(s.bus, s.bus, h, event.ConsumerOptions{
		Subscription: event.Subscription{
			Group: s.group(name), Topic: s.topics.Entries, MaxBatch: w.MaxBatch, MaxAge: time.Duration(w.MaxAge),
		},
		DeadTopic: s.topics.Dead, Observer: s.metrics, Log: s.log,
	})}
}

// restartPause is before a subscription that broke off is begun anew.
const restartPause = time.Second

func (r *reader) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := r.consumer.Run(ctx); err != nil && ctx.Err() == nil {
			r.log.Warn("reader starts over", "reader", r.name, "err", err)
			pause(ctx, restartPause)
		}
	}
}

// lagEvery is how often the readers' lag is asked for.
const lagEvery = 5 * time.Second

// watchLag keeps the metric of messages not read yet.
func (s *stack) watchLag(ctx context.Context, readers []*reader) {
	for ctx.Err() == nil {
		for _, r := range readers {
			lag, err := s.bus.Lag(ctx, s.group(r.name), s.topics.Entries)
			if err != nil {
				continue // Kafka's own metrics tell of that
			}
			for partition, messages := range lag {
				s.metrics.Behind(s.group(r.name), partition, messages)
			}
		}
		pause(ctx, lagEvery)
	}
}

// group is the name of a reader's consumer group.
func (s *stack) group(reader string) string { return s.cfg.Namespace + "." + reader }

// booked counts what the ledger did and logs what somebody should look at.
func (s *stack) booked(a reward.Applied) {
	s.metrics.Booked(a)
	for _, r := range a.Held {
		s.log.Error("round is held: its shard granted more than it had", "round", r.ID, "coins", r.Paid, "reason", r.Reason)
	}
	for _, r := range a.Refused {
		s.log.Error("round came twice and was refused", "round", r.ID, "reason", r.Reason)
	}
}

var _ event.ConsumerObserver = (*ops.Metrics)(nil)
