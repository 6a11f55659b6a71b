package inventory

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/shake-live/shake/internal/clock"
)

// A level that the keeper pushed is good for maxLevelAge; then a node sums for itself, and waits for that as
// long as levelWait at most before it goes by what it last knew.
const (
	maxLevelAge = time.Second
	levelWait   = 250 * time.Millisecond
)

// View is a node's view of the levels: what the keeper pushes, or its own sum when nothing was pushed lately.
type View struct {
	Summed func(run Run) // hears of each sum for want of a push, for metrics; nil: nobody. Set it before use

	pushed Levels
	store  Store
	clock  clock.Clock
	group  singleflight.Group
}

// NewView makes an empty view.
func NewView(store Store, c clock.Clock) *View { return &View{store: store, clock: c} }

// Push takes a level from the keeper. It counts as of its arrival: nodes' clocks need not agree.
func (v *View) Push(level Level) {
	level.At = v.clock.Now()
	v.pushed.Set(level)
}

// Level is how full the run's pool is.
func (v *View) Level(ctx context.Context, run Run) (Level, error) {
	level, known := v.pushed.Get(run)
	if known && v.clock.Now().Sub(level.At) < maxLevelAge {
		return level, nil
	}
	summed := v.group.DoChan(run.Source(0).String(), func() (any, error) { return v.sum(run) })
	select {
	case r := <-summed:
		if r.Err == nil {
			return r.Val.(Level), nil
		}
		if !known {
			return Level{}, fmt.Errorf("%w: %w", ErrBusy, r.Err)
		}
	case <-time.After(levelWait):
		if !known {
			return Level{}, fmt.Errorf("%w: level of %s unknown", ErrBusy, run.Campaign)
		}
	case <-ctx.Done():
		return Level{}, ctx.Err()
	}
	return level, nil
}

// Refresh sums the run's pools now, whatever was pushed: what a keeper saw before they were opened and funded can
// arrive after that.
func (v *View) Refresh(ctx context.Context, run Run) error {
	all, err := Audit(ctx, v.store, run)
	if err == nil {
		v.pushed.Set(LevelOf(run, all, v.clock.Now()))
	}
	return err
}

func (v *View) sum(run Run) (Level, error) {
	if v.Summed != nil {
		v.Summed(run)
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxLevelAge)
	defer cancel()
	if err := v.Refresh(ctx, run); err != nil {
		return Level{}, err
	}
	level, _ := v.pushed.Get(run)
	return level, nil
}
