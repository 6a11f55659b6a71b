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
	notifier := reward.NewNotifier(s.inbox, s.pusher.Fresh, func(d reward.Delivered) { s.metrics.Read("notices", d.Tally) })
	return []*reader{
		s.reader("ledger", ledger),
		s.reader("notices", notifier),
		s.reader("board", s.boardReader()),
	}
}

func (s *stack) reader(name string, h event.Handler) *reader {
	w := s.cfg.Worker
	s.metrics.Reads(s.group(name))
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

// pushEvery is how often a worker pushes again what is due.
const pushEvery = time.Second

// pushLease is how long a pusher may be silent before another worker's takes over.
const pushLease = 10 * time.Second

// pushAgain pushes again what was not shown, on one worker at a time.
func (s *stack) pushAgain(ctx context.Context) {
	failing := false
	for ctx.Err() == nil {
		mine, err := s.redis.Lease(ctx, s.cfg.Namespace+":pusher", s.owner, pushLease)
		if err == nil && mine {
			err = s.pusher.Look(ctx)
		}
		if err != nil && !failing && ctx.Err() == nil {
			s.log.Warn("notices are not pushed again for now", "err", err)
		}
		failing = err != nil
		pause(ctx, pushEvery)
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
