package inventory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/failpoint"
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
//  4. scan: what the log has up to the fence and the pool lacks is set in the pool. Reading begins at the pool's
//     mark (see event.Mark), or where the run began;
//  5. open: the claimed epoch begins on the new host, and the fence is its mark.
//
// The seal is renewed meanwhile. A worker that dies in between leaves the pool sealed, which answers busy; the next
// one starts over when the seal has run out.
type Opener struct {
	// Hold is how long an opener may be silent before another may start over: it outlasts a few answers of Redis
	// that come late.
	Hold time.Duration
	// Instead is asked for what the log has and nobody can read; nil: nobody is.
	Instead event.Instead

	store Store
	drain Drainer
	log   event.Log
	send  event.Producer
	topic string
}

// NewOpener makes an Opener for the entries in topic.
func NewOpener(store Store, drain Drainer, log event.Log, send event.Producer, topic string) *Opener {
	return &Opener{store: store, drain: drain, log: log, send: send, topic: topic, Hold: 10 * time.Second}
}

// Since is where the log of a run begins, by partition: scanning from there finds all of it.
type Since map[int32]int64

// Opened tells what Open did.
type Opened struct {
	Pools   []int // that were opened
	Applied int   // entries that the log had and the pools lacked
}

// Open opens those of the run's pools that are not open on their server. A pool that can't be opened, because the
// log lacks what it needs (ErrGone), keeps no other one closed.
func (o *Opener) Open(ctx context.Context, run Run, since Since) (Opened, error) {
	return o.OpenThese(ctx, run, since, run.Pools(), false)
}

// OpenThese is Open for some pools alone. With fence those that are open are closed first, and answer busy until they
// are open again: what the log has and they lack is set then, and what they are sure of stays.
func (o *Opener) OpenThese(ctx context.Context, run Run, since Since, shards []int, fence bool) (Opened, error) {
	all, err := Audit(ctx, o.store, run)
	if err != nil {
		return Opened{}, err
	}
	all = slices.DeleteFunc(all, func(s Slice) bool {
		return s.Open && !fence || s.Held() || !slices.Contains(shards, s.Shard)
	})
	return o.open(ctx, run, since, all, opening{token: uuid.NewString(), force: fence})
}

func (o *Opener) open(ctx context.Context, run Run, since Since, shut []Slice, j opening) (Opened, error) {
	if len(shut) == 0 {
		return Opened{}, nil
	}
	j.Opener, j.run, j.since, j.pools = o, run, since, map[event.Source]*reopened{}
	if err := j.locate(ctx, shut); err != nil {
		return Opened{}, err
	}
	return j.open(ctx)
}

// opening is one go at the pools of a run.
type opening struct {
	*Opener
	run        Run
	since      Since
	token      string
	force      bool // pools that are open are closed first
	pools      map[event.Source]*reopened
	partitions map[int32][]*reopened
}

// reopened is a pool on its way to a new host.
type reopened struct {
	source event.Source
	begin  begin
	known  int64          // the last epoch that the log shows
	gone   error          // the log lacks what the pool needs
	claim  atomic.Int64   // the claimed epoch while the pool is sealed by us, else 0
	from   event.Position // where the pool was when it was sealed

	cursor  event.Cursor // where the log's reader is
	fenced  bool         // our fence was read
	mark    event.Mark   // where it stands
	applied int
	change  Restoration
}

// locate finds the partitions of the pools.
func (j *opening) locate(ctx context.Context, shut []Slice) error {
	j.partitions = map[int32][]*reopened{}
	for _, s := range shut {
		n, err := j.log.Partition(ctx, j.topic, s.Source.String())
		if err != nil {
			return err
		}
		p := &reopened{source: s.Source, begin: begin{mark: s.Mark}}
		j.pools[s.Source] = p
		j.partitions[n] = append(j.partitions[n], p)
	}
	return nil
}

// open does all steps, and renews the seals until they are done.
func (j *opening) open(ctx context.Context) (done Opened, err error) {
	g, ctx := errgroup.WithContext(ctx)
	working, end := context.WithCancel(ctx)
	g.Go(func() error {
		j.renew(working)
		return nil
	})
	g.Go(func() error {
		defer end()
		for _, step := range []func(context.Context) error{j.survey, j.sealAll, j.scanAll} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		done, err = j.openAll(ctx)
		return err
	})
	err = g.Wait()
	for _, p := range j.pools {
		err = errors.Join(err, p.gone)
	}
	return done, err
}

// renew prolongs the seals, so that nobody starts over while we read. A pool whose seal is gone is lost.
func (j *opening) renew(ctx context.Context) {
	t := time.NewTicker(max(j.Hold/3, time.Millisecond))
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		var all errgroup.Group
		for _, p := range j.pools {
			claim := p.claim.Load()
			if claim == 0 {
				continue
			}
			all.Go(func() error {
				_, err := j.store.Seal(ctx, j.run, p.source.Shard, Seal{Token: j.token, Hold: j.Hold, Renew: claim})
				if errors.Is(err, ErrLost) {
					p.claim.Store(0)
				}
				return nil // what else went wrong may go right the next time, before the seal has run out
			})
		}
		_ = all.Wait()
	}
}

// sealAll does the steps 1 and 2.
func (j *opening) sealAll(ctx context.Context) error {
	for _, p := range j.pools {
		if p.gone != nil {
			continue
		}
		epoch, err := j.store.Seal(ctx, j.run, p.source.Shard, Seal{Token: j.token, Least: p.known + 1, Hold: j.Hold, Force: j.force})
		if errors.Is(err, ErrLocked) || err == nil && epoch == 0 {
			continue // somebody else is at it, or has opened it since
		}
		if err != nil {
			return fmt.Errorf("seal %s: %w", p.source, err)
		}
		p.claim.Store(epoch)
		failpoint.Hit("opener.sealed")
		if err := j.drain.Drain(ctx, j.run, p.source.Shard); err != nil {
			return fmt.Errorf("drain %s: %w", p.source, err)
		}
		failpoint.Hit("opener.drained")
		now, err := j.store.Audit(ctx, j.run, p.source.Shard) // the audit from before the seal may be old by now
		if err != nil {
			return err
		}
		if p.from = now.Position; p.from.Before(p.begin.mark.Position) {
			p.claim.Store(0) // it was rolled back since: the mark is no longer its own, and what lies before is missing
		}
	}
	return nil
}

// openAll does the last step.
func (j *opening) openAll(ctx context.Context) (Opened, error) {
	var done Opened
	for _, p := range j.pools {
		epoch := p.claim.Load()
		if epoch == 0 || p.gone != nil {
			continue
		}
		failpoint.Hit("opener.scanned")
		err := j.store.Open(ctx, j.run, p.source.Shard, j.token, epoch, p.mark)
		failpoint.Hit("opener.opened")
		p.claim.Store(0)
		if errors.Is(err, ErrLost) {
			continue // another worker is at it
		}
		if err != nil {
			return done, fmt.Errorf("open %s: %w", p.source, err)
		}
		done.Pools = append(done.Pools, p.source.Shard)
		done.Applied += p.applied
	}
	return done, nil
}
