package inventory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shake-live/shake/internal/failpoint"
)

// Route is the way of one pool to another server.
type Route struct {
	Slot    int
	From    string
	To      string
	Keys    int64 // that go there
	Bytes   int64 // of memory, about
	Arrived bool  // the new server has it
	Half    bool  // somebody has begun to move it key by key
}

// Slots plans moves of pools between the servers of a cluster.
type Slots interface {
	// Plan looks at everything that could keep the pool from moving, and changes nothing.
	Plan(ctx context.Context, run Run, shard int, to string) (Trip, error)
}

// Trip are the steps of one move. All may come twice. Up to Switch the old server has the pool, whole and unchanged;
// from Switch on the new one has.
type Trip interface {
	Route() Route
	Prepare(ctx context.Context) error
	// Copy copies all but what the opener writes to. The pool is fenced.
	Copy(ctx context.Context, progress func(done, all int)) error
	// CopyLast copies the rest, and waits for replicas of the new server.
	CopyLast(ctx context.Context) error
	Switch(ctx context.Context) error
	// Spread has the old server and the others know.
	Spread(ctx context.Context) error
	// Undo takes copies away from the new server, while the old one has the pool.
	Undo(ctx context.Context) error
	// MoveOn moves key by key what somebody has begun to move like that.
	MoveOn(ctx context.Context, progress func(done, all int)) error
	Close() error
}

// ErrNotOpened says that a pool is where it should be and not open yet: workers go on trying.
var ErrNotOpened = errors.New("the pool is closed; workers open it when they can, and so does `shake pool reopen`")

// ErrUnclear says that nobody knows whether a pool has changed servers. It stays closed until its hold has run out.
var ErrUnclear = errors.New("it is not known which server has the pool: the same command finds out, and goes on")

// ErrHalf says that there is nothing to undo.
var ErrHalf = errors.New("the new server has keys that the old one has not: move it on, and back if need be")

const (
	// switchHold is how long a mover keeps everybody else from opening the pool while the slot changes hands: far longer
	// than that takes, for a pool that is opened where it was just before it is taken away loses what was played meanwhile.
	switchHold = 60 * time.Second
	// switchWithin is how long the slot may take to change hands, from the last time that the fence was seen to hold.
	switchWithin = 2 * time.Second
	// cleanWithin bounds what is done after something went wrong.
	cleanWithin = 30 * time.Second
)

// Mover moves pools to other servers while people play.
type Mover struct {
	opener *Opener
	store  Store
	slots  Slots
	// Tell hears what is being done; how many of how many is 0 where it is no counting.
	Tell func(what string, done, all int)
}

// NewMover makes a Mover.
func NewMover(opener *Opener, slots Slots) *Mover {
	return &Mover{opener: opener, store: opener.store, slots: slots, Tell: func(string, int, int) {}}
}

// Moved tells what a move came to.
type Moved struct {
	Route
	Pause   time.Duration // from when the pool was closed until it was open again; 0: it was open there already
	Copying time.Duration // of it
	Opening time.Duration // of it
}

// Move brings a pool to another server: it closes the pool, carries its outbox into the log, copies its keys, gives the
// slot away and opens the pool there. Whatever goes wrong before the slot is given away, the pool is opened again where it
// was. Called again after a death in between, it goes on.
func (m *Mover) Move(ctx context.Context, run Run, since Since, shard int, to string) (moved Moved, err error) {
	trip, err := m.slots.Plan(ctx, run, shard, to)
	if err != nil {
		return moved, err
	}
	defer func() { err = errors.Join(err, trip.Close()) }()
	moved.Route = trip.Route()
	switch {
	case moved.Arrived:
		return moved, m.arrive(ctx, run, since, shard, trip, &moved)
	case moved.Half:
		return moved, m.moveOn(ctx, run, since, shard, trip, &moved)
	}
	if err := trip.Prepare(ctx); err != nil {
		return moved, err
	}
	failpoint.Hit("mover.prepared")
	fence, err := m.fence(ctx, run, shard)
	if err != nil {
		return moved, errors.Join(err, m.undo(ctx, trip))
	}
	began := time.Now()
	defer fence.End()
	failpoint.Hit("mover.fenced")
	switched, err := m.carry(ctx, fence, trip)
	moved.Copying = time.Since(began)
	if err != nil && !switched {
		return moved, errors.Join(err, m.back(ctx, fence, since, trip))
	}
	if err != nil { // it may have switched, or not
		return moved, err
	}
	failpoint.Hit("mover.switched")
	// Others would hear of it by themselves, and the players are waiting: what goes wrong here is told below.
	spreadErr := trip.Spread(ctx)
	opening := time.Now()
	if err = m.open(ctx, fence, run, since, shard); err != nil {
		return moved, errors.Join(fmt.Errorf("it is moved: %w: %w", ErrNotOpened, err), spreadErr)
	}
	moved.Opening, moved.Pause = time.Since(opening), time.Since(began)
	failpoint.Hit("mover.opened")
	moved.Keys = trip.Route().Keys
	return moved, spreadErr
}

// open opens a pool that has just arrived. What meets the old server may go right the next time.
func (m *Mover) open(ctx context.Context, fence *Fence, run Run, since Since, shard int) error {
	for deadline := time.Now().Add(cleanWithin); ; {
		_, err := fence.Open(ctx, since)
		if err == nil || errors.Is(err, ErrGone) || time.Now().After(deadline) {
			return err
		}
		if s, auditErr := m.store.Audit(ctx, run, shard); auditErr == nil && s.Open {
			return nil // a worker was quicker
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// fence closes the pool; where somebody else is at it, such as a mover that died or a worker that opens it, it waits.
func (m *Mover) fence(ctx context.Context, run Run, shard int) (*Fence, error) {
	deadline := time.Now().Add(switchHold + m.opener.Hold)
	for told := false; ; {
		f, err := m.opener.Fence(ctx, run, shard)
		if err == nil || !errors.Is(err, ErrLocked) || time.Now().After(deadline) {
			return f, err
		}
		if !told {
			m.Tell("somebody else is at "+run.Source(shard).String()+", waiting: "+err.Error(), 0, 0)
			told = true
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// carry does all from the fence to the switch. switched is true from the moment that nobody can be sure that the pool is
// still where it was.
func (m *Mover) carry(ctx context.Context, fence *Fence, trip Trip) (switched bool, err error) {
	if err := fence.Drain(ctx); err != nil {
		return false, fmt.Errorf("drain: %w", err)
	}
	if err := trip.Copy(ctx, func(done, all int) { m.Tell("copied", done, all) }); err != nil {
		return false, err
	}
	failpoint.Hit("mover.copied")
	if err := fence.Renew(ctx, m.opener.Hold); err != nil {
		return false, err
	}
	if err := trip.CopyLast(ctx); err != nil {
		return false, err
	}
	failpoint.Hit("mover.ready")
	// The old server is there and the fence holds, or its replica has taken over and knows of neither. From here on nobody
	// may open the pool there, even if we are slow; its copy is held no longer than before.
	if err := fence.Renew(ctx, switchHold); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), switchWithin)
	defer cancel()
	err = trip.Switch(ctx)
	return err == nil || errors.Is(err, ErrUnclear), err
}

// back opens the pool where it was, and takes away the copies.
func (m *Mover) back(ctx context.Context, fence *Fence, since Since, trip Trip) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanWithin)
	defer cancel()
	_, err := fence.Open(ctx, since)
	if errors.Is(err, ErrLost) {
		err = nil // somebody else has opened it
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrNotOpened, err)
	}
	return errors.Join(err, m.undo(ctx, trip))
}

func (m *Mover) undo(ctx context.Context, trip Trip) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanWithin)
	defer cancel()
	if err := trip.Undo(ctx); err != nil {
		return fmt.Errorf("the copies stay, and do no harm: %w", err)
	}
	return nil
}

// Undo takes away what a mover left at the server that it was moving the pool to.
func (m *Mover) Undo(ctx context.Context, run Run, shard int, to string) (Route, error) {
	trip, err := m.slots.Plan(ctx, run, shard, to)
	if err != nil {
		return Route{}, err
	}
	defer trip.Close()
	r := trip.Route()
	if r.Arrived || r.Half {
		return r, ErrHalf
	}
	return r, trip.Undo(ctx)
}

// Plan tells what Move would do.
func (m *Mover) Plan(ctx context.Context, run Run, shard int, to string) (Route, error) {
	trip, err := m.slots.Plan(ctx, run, shard, to)
	if err != nil {
		return Route{}, err
	}
	return trip.Route(), trip.Close()
}

// arrive sees to it that a pool is open where it is.
func (m *Mover) arrive(ctx context.Context, run Run, since Since, shard int, trip Trip, moved *Moved) error {
	spreadErr := trip.Spread(ctx)
	began := time.Now()
	for told := false; ; {
		s, err := m.store.Audit(ctx, run, shard)
		if err != nil && !errors.Is(err, ErrBusy) {
			return errors.Join(err, spreadErr)
		}
		if err == nil && s.Open {
			if told {
				moved.Pause = time.Since(began)
			}
			return spreadErr
		}
		if !told {
			m.Tell("it is there and closed: opening it", 0, 0)
			told = true
		}
		if err == nil {
			_, err = m.opener.OpenThese(ctx, run, since, []int{shard}, false)
		}
		if errors.Is(err, ErrGone) || time.Since(began) > switchHold+m.opener.Hold {
			return errors.Join(fmt.Errorf("%w: %w", ErrNotOpened, err), spreadErr)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// moveOn finishes what was begun key by key, by others than us.
func (m *Mover) moveOn(ctx context.Context, run Run, since Since, shard int, trip Trip, moved *Moved) error {
	m.Tell("somebody has begun to move it key by key: going on like that", 0, 0)
	began := time.Now()
	if err := trip.MoveOn(ctx, func(done, all int) { m.Tell("moved", done, all) }); err != nil {
		return err
	}
	if err := trip.Switch(ctx); err != nil {
		return err
	}
	moved.Copying = time.Since(began)
	err := m.arrive(ctx, run, since, shard, trip, moved)
	moved.Pause = time.Since(began)
	return err
}
