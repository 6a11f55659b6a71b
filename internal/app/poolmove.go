package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/inventory/redispool"
)

// Moving says which pools are to be moved where.
type Moving struct {
	PoolsOf
	To     string        // address or id of a primary
	Pause  time.Duration // between two pools
	DryRun bool          // check, and change nothing
	Undo   bool          // take away what an interrupted move left at To

	Tell func(what string, done, all int)
}

// MovedPool is what moving one pool came to.
type MovedPool struct {
	Pool    string  `json:"pool"`
	Slot    int     `json:"slot"`
	From    string  `json:"from"`
	To      string  `json:"to"`
	Outcome string  `json:"outcome"` // moved, there, movable, undone, failed
	Keys    int64   `json:"keys"`
	Bytes   int64   `json:"bytes"`    // of memory, about
	PauseMS float64 `json:"pause_ms"` // from when it was closed until it was open again
	CopyMS  float64 `json:"copy_ms"`  // of it, until the slot changed hands
	OpenMS  float64 `json:"open_ms"`  // of it, for opening it there
	Why     string  `json:"why,omitempty"`
}

// Movings are the pools that were moved, in order, up to the first that could not be.
type Movings struct {
	Campaign string      `json:"campaign"`
	Run      int64       `json:"run"`
	Pools    []MovedPool `json:"pools"`
}

// Move moves pools to another server of the cluster, one after the other.
func (t Target) Move(ctx context.Context, log *slog.Logger, m Moving) (done *Movings, err error) {
	err = t.with(ctx, log, true, func(s *stack) error {
		c, shards, err := s.life(ctx, m.PoolsOf)
		if err != nil {
			return err
		}
		done = &Movings{Campaign: c.ID, Run: c.Run, Pools: []MovedPool{}}
		mover := inventory.NewMover(s.opener, redispool.NewSlots(s.redis, s.keys, s.cfg.Durability.Needed()))
		for i, shard := range shards {
			if i > 0 {
				pause(ctx, m.Pause)
			}
			mover.Tell = func(what string, done, all int) { m.Tell(PoolName(shard)+": "+what, done, all) }
			one, err := m.one(ctx, mover, c, shard)
			done.Pools = append(done.Pools, one)
			if err != nil {
				return fmt.Errorf("%s: %w", PoolName(shard), moveError(err))
			}
		}
		return nil
	})
	return done, err
}

// moveError tells a system that did not do its part from one that can't do what was asked for.
func moveError(err error) error {
	for _, finding := range []error{redisdb.ErrNotMovable, redisdb.ErrNoCluster, inventory.ErrGone, inventory.ErrLocked, inventory.ErrHalf} {
		if errors.Is(err, finding) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

func (m *Moving) one(ctx context.Context, mover *inventory.Mover, c *game.Campaign, shard int) (MovedPool, error) {
	var moved inventory.Moved
	var err error
	outcome := "moved"
	switch {
	case m.DryRun:
		moved.Route, err = mover.Plan(ctx, c.Life(), shard, m.To)
		outcome = "movable"
	case m.Undo:
		moved.Route, err = mover.Undo(ctx, c.Life(), shard, m.To)
		outcome = "undone"
	default:
		moved, err = mover.Move(ctx, c.Life(), c.Since, shard, m.To)
	}
	if moved.Arrived && err == nil {
		outcome = "there"
	}
	one := MovedPool{
		Pool: PoolName(shard), Slot: moved.Slot, From: moved.From, To: moved.To, Outcome: outcome, Keys: moved.Keys, Bytes: moved.Bytes,
		PauseMS: ms(moved.Pause), CopyMS: ms(moved.Copying), OpenMS: ms(moved.Opening),
	}
	if err != nil {
		one.Outcome, one.Why = "failed", err.Error()
	}
	return one, err
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
