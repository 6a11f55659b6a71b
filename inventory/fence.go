package inventory

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// Fence holds one pool closed, from the moment that it was closed until it is opened again: no script writes to it,
// whatever host it names, and no worker opens it. Whoever dies with a fence in hand stops renewing it, and when the hold
// has run out a worker opens the pool where it lies.
type Fence struct {
	opener *Opener
	run    Run
	shard  int
	token  string
	epoch  int64
	hold   atomic.Int64
	lost   atomic.Bool

	stop context.CancelFunc
	wg   sync.WaitGroup
}

// fenceTries bounds how often a pool is asked to close that does not answer, or whose replicas do not.
const fenceTries = 5

// Fence closes a pool, open or not, and keeps it closed. ErrLocked where somebody else has it closed, for as long as he
// is at it.
func (o *Opener) Fence(ctx context.Context, run Run, shard int) (*Fence, error) {
	f := &Fence{opener: o, run: run, shard: shard, token: uuid.NewString()}
	f.hold.Store(int64(o.Hold))
	for try := 1; ; try++ {
		var err error
		if f.epoch, err = o.store.Seal(ctx, run, shard, Seal{Token: f.token, Hold: o.Hold, Force: true}); err == nil {
			break
		}
		// It may be sealed: the same token gets the same answer.
		if again := errors.Is(err, ErrUnsafe) || errors.Is(err, ErrBusy); !again || try == fenceTries {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	f.stop = stop
	f.wg.Go(func() { f.renew(renewing) })
	return f, nil
}

func (f *Fence) renew(ctx context.Context) {
	t := time.NewTicker(max(f.opener.Hold/3, time.Millisecond))
	defer t.Stop()
	for {
		select {
		case <-t.C:
			_ = f.Renew(ctx, time.Duration(f.hold.Load())) // what is lost is noted, all else may go right the next time
		case <-ctx.Done():
			return
		}
	}
}

// Renew prolongs the hold now, and renews with this hold from here on. ErrLost: somebody else has the pool.
func (f *Fence) Renew(ctx context.Context, hold time.Duration) error {
	if f.lost.Load() {
		return ErrLost
	}
	f.hold.Store(int64(hold))
	_, err := f.opener.store.Seal(ctx, f.run, f.shard, Seal{Token: f.token, Hold: hold, Renew: f.epoch})
	if errors.Is(err, ErrLost) {
		f.lost.Store(true)
	}
	return err
}

// Drain carries what the pool still has in its outbox into the log.
func (f *Fence) Drain(ctx context.Context) error { return f.opener.drain.Drain(ctx, f.run, f.shard) }

// Open opens the pool on the server that has it now, and ends the fence once that is done. ErrLost: somebody else has it.
func (f *Fence) Open(ctx context.Context, since Since) (Opened, error) {
	f.hold.Store(int64(f.opener.Hold))
	s, err := f.opener.store.Audit(ctx, f.run, f.shard)
	if err != nil {
		return Opened{}, err
	}
	done, err := f.opener.open(ctx, f.run, since, []Slice{s}, opening{token: f.token})
	if err == nil && len(done.Pools) == 0 {
		err = ErrLost
	}
	if err == nil {
		f.End()
	}
	return done, err
}

// End ends the fence: the pool stays closed until a worker opens it, when the hold has run out.
func (f *Fence) End() {
	f.stop()
	f.wg.Wait()
}
