package inventory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/event"
)

// Drainer carries all that waits in a pool's outbox into the log.
type Drainer interface {
	Drain(ctx context.Context, run Run, shard int) error
}

// Opener gives pools to the servers that hold them now: at the first opening, after a fail-over, after a
// restart, and after total loss. The steps, in an order that lets no coin slip through:
//
//  1. seal: no script writes to the pool any more, whatever host it names; the new epoch is claimed, and
//     whoever seals later claims a higher one;
//  2. drain: what the pool still has in its outbox goes into the log;
//  3. fence: a mark in the log; entries of earlier epochs behind it are void for every reader, so a relay that
//     slept through all this can't add to the past. The fence of an opener that was overtaken is the lower one
//     and changes nothing;
//  4. scan: what the log has up to the fence and the pool lacks is set in the pool;
//  5. open: the claimed epoch begins on the new host.
//
// A worker that dies in between leaves the pool sealed, which answers busy; the next one starts over.
type Opener struct {
	store Store
	drain Drainer
	log   event.Log
	send  event.Producer
	topic string
}

// NewOpener makes an Opener for the entries in topic.
func NewOpener(store Store, drain Drainer, log event.Log, send event.Producer, topic string) *Opener {
	return &Opener{store: store, drain: drain, log: log, send: send, topic: topic}
}

// Since is where the log of a run begins, by partition: scanning from there finds all of it.
type Since map[int32]int64

// Opened tells what Open did.
type Opened struct {
	Pools   []int // that were opened
	Applied int   // entries that the log had and the pools lacked
}

// Open opens those of the run's pools that are not open on their server.
func (o *Opener) Open(ctx context.Context, run Run, since Since) (Opened, error) {
	all, err := Audit(ctx, o.store, run)
	if err != nil {
		return Opened{}, err
	}
	shut := closed(all)
	if len(shut) == 0 {
		return Opened{}, nil
	}
	j := &opening{Opener: o, run: run, since: since, token: uuid.NewString(), pools: map[event.Source]*reopened{}}
	for _, step := range []func(context.Context, []Slice) error{j.locate, j.sealAll, j.scanAll} {
		if err := step(ctx, shut); err != nil {
			return Opened{}, err
		}
	}
	return j.openAll(ctx)
}

func closed(all []Slice) []Slice {
	var closed []Slice
	for _, s := range all {
		if !s.Open {
			closed = append(closed, s)
		}
	}
	return closed
}

// opening is one go at the pools of a run.
type opening struct {
	*Opener
	run        Run
	since      Since
	token      string
	pools      map[event.Source]*reopened
	partitions map[int32][]event.Source
}

// reopened is a pool on its way to a new host.
type reopened struct {
	shard   int
	epoch   int64        // the claimed one
	from    event.Cursor // where the pool was when it was sealed
	cursor  event.Cursor // where the log's reader is
	applied int
	lost    bool
	change  Restoration
}

// locate finds the partitions of the pools.
func (j *opening) locate(ctx context.Context, shut []Slice) error {
	j.partitions = map[int32][]event.Source{}
	for _, s := range shut {
		n, err := j.log.Partition(ctx, j.topic, s.Source.String())
		if err != nil {
			return err
		}
		j.partitions[n] = append(j.partitions[n], s.Source)
	}
	return nil
}

// sealHold is how long an opener may be silent before another may start over. The log of a run is scanned well
// within it; if not, the first one finds that it has lost the pool.
const sealHold = 10 * time.Second

// sealAll does the steps 1 and 2.
func (j *opening) sealAll(ctx context.Context, shut []Slice) error {
	known, err := j.epochs(ctx)
	if err != nil {
		return err
	}
	for _, s := range shut {
		epoch, err := j.store.Seal(ctx, j.run, s.Shard, Seal{Token: j.token, Least: known[s.Source] + 1, Hold: sealHold})
		if errors.Is(err, ErrLocked) || err == nil && epoch == 0 {
			continue // somebody else is at it, or has opened it since
		}
		if err != nil {
			return fmt.Errorf("seal %s: %w", s.Source, err)
		}
		if err := j.drain.Drain(ctx, j.run, s.Shard); err != nil {
			return fmt.Errorf("drain %s: %w", s.Source, err)
		}
		now, err := j.store.Audit(ctx, j.run, s.Shard) // the audit from before the seal may be old by now
		if err != nil {
			return err
		}
		j.pools[s.Source] = &reopened{shard: s.Shard, epoch: epoch, from: event.Cursor{Position: now.Position}}
	}
	return nil
}

// epochs asks the log for the last epoch of each pool: one that came back with old data, or with none, does not
// know it. Only headers are read.
func (j *opening) epochs(ctx context.Context) (map[event.Source]int64, error) {
	epochs := map[event.Source]int64{}
	for n, sources := range j.partitions {
		for _, s := range sources {
			epochs[s] = 0
		}
		end, err := j.log.End(ctx, j.topic, n)
		if err != nil {
			return nil, err
		}
		err = j.log.Scan(ctx, j.topic, n, j.since[n], end, func(m event.Message) error {
			source, err := event.ParseSource(m.Key)
			if last, ours := epochs[source]; err == nil && ours {
				at, err := event.ParsePosition(m.Headers[event.HeaderPosition])
				epochs[source] = max(last, at.Epoch)
				return err
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("scan %s/%d: %w", j.topic, n, err)
		}
	}
	return epochs, nil
}

// scanAll does the steps 3 and 4, once for all pools of a partition.
func (j *opening) scanAll(ctx context.Context, _ []Slice) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4) // a scan is a connection and a decoder at work
	for n, sources := range j.partitions {
		g.Go(func() error {
			if err := j.scan(ctx, n, sources); err != nil {
				return fmt.Errorf("scan %s/%d: %w", j.topic, n, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (j *opening) scan(ctx context.Context, partition int32, sources []event.Source) error {
	pools := map[event.Source]*reopened{}
	for _, source := range sources {
		if p := j.pools[source]; p != nil {
			pools[source] = p
			if err := j.fence(ctx, source, p.epoch); err != nil {
				return err
			}
		}
	}
	end, err := j.log.End(ctx, j.topic, partition)
	if err != nil {
		return err
	}
	read := func(m event.Message) error { return j.read(ctx, pools, m) }
	if err := j.log.Scan(ctx, j.topic, partition, j.since[partition], end, read); err != nil {
		return err
	}
	for _, p := range pools {
		if err := j.flush(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (j *opening) fence(ctx context.Context, source event.Source, epoch int64) error {
	e := event.Entry{Kind: event.KindFence, Source: source, Position: event.Position{Epoch: epoch}}
	m, err := e.Message(j.topic)
	if err != nil {
		return err
	}
	return j.send.Produce(ctx, m)
}

// restoreBatch bounds the players set in one script call: Redis serves nobody else meanwhile.
const restoreBatch = 100

// read takes one message of the log; what a pool lacks gathers until it is worth a script call.
func (j *opening) read(ctx context.Context, pools map[event.Source]*reopened, m event.Message) error {
	source, err := event.ParseSource(m.Key)
	p := pools[source]
	if err != nil || p == nil || p.lost {
		return nil // somebody else's
	}
	e, err := event.Decode(m.Value)
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
	if e.Kind == event.KindFence || !p.from.Position.Before(e.Position) {
		return nil
	}
	p.change.Add(e)
	p.applied++
	if len(p.change.Players) >= restoreBatch {
		return j.flush(ctx, p)
	}
	return nil
}

// flush sets what has gathered.
func (j *opening) flush(ctx context.Context, p *reopened) error {
	if p.change.Position.Seq == 0 {
		return nil
	}
	err := j.store.Restore(ctx, j.run, p.shard, j.token, p.change)
	p.change = Restoration{}
	if errors.Is(err, ErrLost) {
		p.lost = true // another worker is at it; the other pools go on
		return nil
	}
	return err
}

// openAll does the last step.
func (j *opening) openAll(ctx context.Context) (Opened, error) {
	var done Opened
	for source, p := range j.pools {
		if p.lost {
			continue
		}
		err := j.store.Open(ctx, j.run, p.shard, j.token, p.epoch)
		if errors.Is(err, ErrLost) {
			continue // another worker is at it
		}
		if err != nil {
			return done, fmt.Errorf("open %s: %w", source, err)
		}
		done.Pools = append(done.Pools, p.shard)
		done.Applied += p.applied
	}
	return done, nil
}
