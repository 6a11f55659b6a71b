package inventory

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/event"
)

// begin is where the log is read from for one pool: at its mark, or where the run began.
type begin struct {
	mark   event.Mark // zero: there is none that can be used
	seen   bool       // what the mark speaks of stands where it says
	offset int64
}

// set chooses, for a log that is kept from start to end. A mark that the log does not reach any more, or not yet, is
// of no use; nor is one that another topic had, under the same name: see proves.
func (b *begin) set(source event.Source, since, start, end int64) error {
	b.seen = false
	if b.mark != (event.Mark{}) && start <= b.mark.Offset && b.mark.Offset < end {
		b.offset = b.mark.Offset
		return nil
	}
	b.mark, b.offset = event.Mark{}, since
	if start <= since && since <= end {
		return nil
	}
	return fmt.Errorf("%s needs its entries from offset %d on, and its partition has %d to %d: %w", source, since, start, end, ErrGone)
}

// proves tells whether the message is what the mark speaks of: the entry at its position, or the fence behind it.
func (b *begin) proves(m event.Message) bool {
	return m.Offset == b.mark.Offset &&
		(m.Headers[event.HeaderPosition] == b.mark.Position.String() || m.Headers[event.HeaderKind] == string(event.KindFence))
}

// survey decides where to read from, and asks the log for the last epoch of each pool: one that came back with old
// data, or with none, does not know it. Only headers are read.
func (j *opening) survey(ctx context.Context) error {
	return j.each(ctx, func(ctx context.Context, partition int32, pools []*reopened) error {
		for again := true; again; {
			end, err := j.begin(ctx, partition, pools)
			if err != nil {
				return err
			}
			if err := j.read(ctx, partition, pools, end, (*reopened).learn); err != nil {
				return err
			}
			again = false
			for _, p := range pools {
				if p.begin.mark != (event.Mark{}) && !p.begin.seen {
					p.begin.mark, again = event.Mark{}, true
				}
			}
		}
		return nil
	})
}

// begin sets the beginnings of pools of one partition, and gives the partition's end.
func (j *opening) begin(ctx context.Context, partition int32, pools []*reopened) (end int64, err error) {
	start, err := j.log.Start(ctx, j.topic, partition)
	if err != nil {
		return 0, err
	}
	if end, err = j.log.End(ctx, j.topic, partition); err != nil {
		return 0, err
	}
	for _, p := range pools {
		p.gone = p.begin.set(p.source, j.since[partition], start, end)
		p.known = p.begin.mark.Epoch
	}
	return end, nil
}

// learn takes what the headers of one message tell.
func (p *reopened) learn(_ context.Context, m event.Message) error {
	p.begin.seen = p.begin.seen || p.begin.proves(m)
	at, err := event.ParsePosition(m.Headers[event.HeaderPosition])
	p.known = max(p.known, at.Epoch)
	return err
}

// each does something for the pools of each partition.
func (j *opening) each(ctx context.Context, do func(context.Context, int32, []*reopened) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4) // a scan is a connection and a decoder at work
	for n, pools := range j.partitions {
		g.Go(func() error {
			if err := do(ctx, n, pools); err != nil {
				return fmt.Errorf("scan %s/%d: %w", j.topic, n, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// read hands each message of the pools to take, from where each of them begins.
func (j *opening) read(ctx context.Context, partition int32, pools []*reopened, end int64, take func(*reopened, context.Context, event.Message) error) error {
	from, bySource := end, map[event.Source]*reopened{}
	for _, p := range pools {
		if p.gone == nil {
			bySource[p.source] = p
			from = min(from, p.begin.offset)
		}
	}
	return j.log.Scan(ctx, j.topic, partition, from, end, func(m event.Message) error {
		source, err := event.ParseSource(m.Key)
		p := bySource[source]
		if err != nil || p == nil || m.Offset < p.begin.offset {
			return nil // somebody else's, or before all that matters
		}
		return take(p, ctx, m)
	})
}

// scanAll does the steps 3 and 4, once for all pools of a partition.
func (j *opening) scanAll(ctx context.Context) error {
	return j.each(ctx, func(ctx context.Context, partition int32, pools []*reopened) error {
		var ours []*reopened
		for _, p := range pools {
			if p.claim.Load() > 0 {
				ours = append(ours, p)
			}
		}
		if len(ours) == 0 {
			return nil
		}
		return j.scan(ctx, partition, ours)
	})
}

func (j *opening) scan(ctx context.Context, partition int32, pools []*reopened) error {
	for _, p := range pools {
		p.cursor = p.begin.mark.Cursor()
		if err := j.fence(ctx, p); err != nil {
			return err
		}
	}
	end, err := j.log.End(ctx, j.topic, partition)
	if err != nil {
		return err
	}
	if err := j.read(ctx, partition, pools, end, j.take); err != nil {
		return err
	}
	start, err := j.log.Start(ctx, j.topic, partition)
	if err != nil {
		return err
	}
	for _, p := range pools {
		if start > p.begin.offset { // deleted since the survey, so perhaps before it was read
			p.gone = fmt.Errorf("%s needs its entries from offset %d on, and its partition begins at %d now: %w", p.source, p.begin.offset, start, ErrGone)
			continue
		}
		if p.claim.Load() > 0 && !p.fenced {
			return fmt.Errorf("%s: the fence that was written is not there", p.source)
		}
		if err := j.flush(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (j *opening) fence(ctx context.Context, p *reopened) error {
	epoch := p.claim.Load()
	if epoch == 0 {
		return nil
	}
	e := event.Entry{Kind: event.KindFence, Source: p.source, Position: event.Position{Epoch: epoch}}
	m, err := e.Message(j.topic)
	if err != nil {
		return err
	}
	return j.send.Produce(ctx, m)
}

// restoreBatch bounds the players set in one script call: Redis serves nobody else meanwhile.
const restoreBatch = 100

// take takes one message of the log; what a pool lacks gathers until it is worth a script call.
func (j *opening) take(p *reopened, ctx context.Context, m event.Message) error {
	epoch := p.claim.Load()
	if epoch == 0 {
		return nil // another worker is at it
	}
	e, err := j.Instead.Read(ctx, m)
	if err != nil {
		return fmt.Errorf("offset %d: %w", m.Offset, err)
	}
	switch p.cursor.Judge(e) {
	case event.Repeat, event.Void:
		return nil
	case event.Gap:
		return &event.GapError{Source: e.Source, At: p.cursor, Got: e.Position}
	}
	p.cursor = p.cursor.Advance(e)
	switch {
	case p.cursor.Fence > epoch: // what we would write is void
		p.claim.Store(0)
	case e.Kind == event.KindFence && e.Epoch == epoch:
		// All that counts and is older stands before it, all that will count behind it.
		p.fenced, p.mark = true, event.Mark{Position: p.cursor.Position, Offset: m.Offset}
	case e.Kind != event.KindFence && p.from.Before(e.Position):
		p.change.Add(e)
		p.applied++
	}
	if len(p.change.Players) >= restoreBatch {
		return j.flush(ctx, p)
	}
	return nil
}

// flush sets what has gathered.
func (j *opening) flush(ctx context.Context, p *reopened) error {
	if p.change.Position.Seq == 0 || p.claim.Load() == 0 {
		return nil
	}
	err := j.store.Restore(ctx, j.run, p.source.Shard, j.token, p.change)
	p.change = Restoration{}
	if errors.Is(err, ErrLost) {
		p.claim.Store(0) // another worker is at it; the other pools go on
		return nil
	}
	return err
}
