package event

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/shake-live/shake/internal/failpoint"
)

// Handler acts on entries: a ledger, a board, notices. Entries of one source come in order; after an error,
// a restart or a rebalance the same ones come again, so a handler counts by position or by round.
type Handler interface {
	Handle(ctx context.Context, batch []Entry) error
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, batch []Entry) error

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, batch []Entry) error { return f(ctx, batch) }

// Skipper is a Handler with cursors. It is told of each entry that nobody can read, in its place among the
// batches, once the message lies in the dead-letter topic. Its place comes from the message's key and
// headers; a message that lacks those as well is buried without a word, for it moves no cursor.
type Skipper interface {
	SkipDead(ctx context.Context, s Source, p Position, reason string) error
}

// Consumer runs a Handler over a group's messages. It skips nothing: a handler that fails gets the same
// batch until it takes it, a hole stops the partition, and what is unreadable goes to the dead letters.
type Consumer struct {
	group   Group
	dead    Producer
	handler Handler
	opts    ConsumerOptions
}

// NewConsumer makes a consumer that sends unreadable messages through dead.
func NewConsumer(group Group, dead Producer, handler Handler, opts ConsumerOptions) *Consumer {
	return &Consumer{group: group, dead: dead, handler: handler, opts: opts.withDefaults()}
}

// Run consumes until ctx ends.
func (c *Consumer) Run(ctx context.Context) error {
	return c.group.Consume(ctx, c.opts.Subscription, c.handle)
}

// handle applies a batch: the readable entries between two unreadable messages at once.
func (c *Consumer) handle(ctx context.Context, batch []Message) error {
	var entries []Entry
	for _, m := range batch {
		e, reason := Decode(m.Value)
		if reason == nil {
			entries = append(entries, e)
			continue
		}
		if err := c.apply(ctx, m.Partition, entries); err != nil {
			return err
		}
		if err := c.bury(ctx, m, reason); err != nil {
			return err
		}
		entries = nil
	}
	return c.apply(ctx, batch[0].Partition, entries)
}

func (c *Consumer) apply(ctx context.Context, partition int32, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	var began time.Time
	err := c.insist(ctx, partition, func() error {
		began = c.opts.Clock.Now()
		return c.handler.Handle(ctx, entries)
	})
	if err != nil {
		return err
	}
	failpoint.Hit("consumer.applied")
	now := c.opts.Clock.Now()
	age := now.Sub(time.UnixMilli(entries[len(entries)-1].At))
	c.opts.Observer.Applied(c.opts.Group, partition, len(entries), now.Sub(began), age)
	return nil
}

// bury moves a message to the dead letters and tells a handler that has cursors.
func (c *Consumer) bury(ctx context.Context, m Message, reason error) error {
	letter := Letter(m, c.opts.DeadTopic, c.opts.Group, reason)
	if err := c.insist(ctx, m.Partition, func() error { return c.dead.Produce(ctx, letter) }); err != nil {
		return err
	}
	c.opts.Observer.Buried(c.opts.Group, m.Partition, reason)
	c.opts.Log.Error("unreadable message moved to the dead letters", "group", c.opts.Group, "origin", letter.Headers[HeaderOrigin], "err", reason)
	skipper, cares := c.handler.(Skipper)
	source, position, placed := m.Place()
	if !cares || !placed {
		return nil
	}
	return c.insist(ctx, m.Partition, func() error { return skipper.SkipDead(ctx, source, position, reason.Error()) })
}

// Letter is a message for the dead letters: as it was, with what happened to it in its headers.
func Letter(m Message, deadTopic, group string, reason error) Message {
	headers := make(map[string]string, len(m.Headers)+3)
	for k, v := range m.Headers {
		headers[k] = v
	}
	headers[HeaderReason] = reason.Error()
	headers[HeaderGroup] = group
	if _, again := headers[HeaderOrigin]; !again { // one that is buried anew comes from where it came from first
		headers[HeaderOrigin] = fmt.Sprintf("%s/%d/%d", m.Topic, m.Partition, m.Offset)
	}
	return Message{Topic: deadTopic, Key: m.Key, Headers: headers, Value: m.Value}
}

// Place reads whose entry a message is from what stands outside its value.
func (m Message) Place() (s Source, p Position, ok bool) {
	s, err1 := ParseSource(m.Key)
	p, err2 := ParsePosition(m.Headers[HeaderPosition])
	return s, p, err1 == nil && err2 == nil
}

// insist does something until it works or ctx ends.
func (c *Consumer) insist(ctx context.Context, partition int32, do func() error) error {
	pause, stopped := c.opts.RetryMin, false
	for row := 1; ; row++ {
		err := do()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			if stopped {
				c.opts.Observer.Left(c.opts.Group, partition)
			}
			return context.Cause(ctx)
		}
		if c.complain(partition, row, err) {
			pause, stopped = c.opts.RetryMax, true
		}
		sleep(ctx, pause/2+rand.N(pause/2+1))
		pause = min(2*pause, c.opts.RetryMax)
	}
}

// complain reports an error, and tells whether it is a gap. The first of a row is logged; the metric has all.
func (c *Consumer) complain(partition int32, row int, err error) (gap bool) {
	var hole *GapError
	if gap = errors.As(err, &hole); gap {
		c.opts.Observer.Stopped(c.opts.Group, partition, hole)
	} else {
		c.opts.Observer.Retried(c.opts.Group, partition, err)
	}
	switch {
	case row > 1:
	case gap:
		c.opts.Log.Error("consumer stopped before a hole in the history", "group", c.opts.Group, "partition", partition, "err", err)
	default:
		c.opts.Log.Warn("consumer stands still and keeps trying", "group", c.opts.Group, "partition", partition, "err", err)
	}
	return gap
}
