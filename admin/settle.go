package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/reward"
)

// Books are what must agree before a run is settled.
type Books struct {
	// Ledger tells how far the ledger is with each pool, and what it counted.
	Ledger func(ctx context.Context, campaign string, run int64) (map[int]reward.Shard, error)
	// Readers tell how far other readers are, by name.
	Readers map[string]Progress
	// Freeze builds the final leaderboard from the ledger.
	Freeze func(ctx context.Context, c *game.Campaign) error
}

// Progress tells how far a reader is with each pool of a run.
type Progress func(ctx context.Context, campaign string, run int64) (map[int]event.Cursor, error)

// settleMargin is for ends that came in time and wait for coins, and for clocks of Redis primaries that differ.
const settleMargin = game.Grace + 2*time.Second

// ErrNotYet says why a run can't be settled now. It is no fault: ask again.
var ErrNotYet = errors.New("not yet")

// Settle closes the books of a run whose rounds are all over: the rest of the pool goes back, and once outboxes
// are empty, readers are done and the books agree, the board is frozen and the campaign is settled.
// ErrNotYet until then.
func (o *Office) Settle(ctx context.Context, c *game.Campaign, books Books) error {
	run := c.Life()
	all, err := inventory.Audit(ctx, o.pools, run)
	if err != nil {
		return err
	}
	if err := quiet(c, all); err != nil {
		return err
	}
	if left := inventory.LevelOf(run, all, o.clock.Now()).Left; left > 0 {
		order := inventory.Order{ID: fmt.Sprintf("%s.%d.rest.%d", c.ID, c.Run, all[0].Funding.Number), Amount: -left}
		if err := o.campaigns.Order(ctx, run, order); err != nil {
			return err
		}
		if err := o.Fund(ctx, run); err != nil {
			return err
		}
		return fmt.Errorf("%w: the rest went back just now", ErrNotYet)
	}
	if err := agree(ctx, run, all, books); err != nil {
		return err
	}
	if err := books.Freeze(ctx, c); err != nil {
		return fmt.Errorf("freeze board of %s: %w", c.ID, err)
	}
	return o.markSettled(ctx, c)
}

// quiet tells whether nothing can happen in the run any more, by the clocks that decide on rounds: those of the pools'
// servers. A worker whose clock is ahead must not take the coins from under the players.
func quiet(c *game.Campaign, all []inventory.Slice) error {
	over, now := c.OverAt(), all[0].At
	for _, s := range all {
		if s.At.Before(now) {
			now = s.At
		}
		if !s.Open {
			return fmt.Errorf("%w: %s is not open", ErrNotYet, s.Source)
		}
		// Our outage makes nobody late: see end.lua.
		late := s.ReopenedAt.Add(time.Duration(c.LateMS) * time.Millisecond)
		if s.Epoch > 1 { // who was told of a result that was lost with the server has as long again to claim it, as pages do
			late = late.Add(time.Duration(c.LateMS) * time.Millisecond)
		}
		if late.After(over) && s.ReopenedAt.After(c.StartsAt) {
			over = late
		}
	}
	if now.Before(over.Add(settleMargin)) {
		return fmt.Errorf("%w: rounds may end until %s", ErrNotYet, over.Format(time.RFC3339))
	}
	return nil
}

// agree compares the pools with everybody who reads their entries.
func agree(ctx context.Context, run inventory.Run, all []inventory.Slice, books Books) error {
	ledger, err := books.Ledger(ctx, run.Campaign, run.Number)
	if err != nil {
		return err
	}
	for _, s := range all {
		l := ledger[s.Shard]
		switch {
		case s.Pending > 0:
			return fmt.Errorf("%w: %s has %d entries in its outbox", ErrNotYet, s.Source, s.Pending)
		case l.Position != s.Position:
			return fmt.Errorf("%w: ledger is at %s of %s, want %s", ErrNotYet, l.Position, s.Source, s.Position)
		case l.Granted+l.Held+l.Refused != s.Issued: // what was held or refused has been reported, and waits for a review
			return fmt.Errorf("%w: ledger granted %d, holds %d and refused %d of %s, pool issued %d",
				ErrNotYet, l.Granted, l.Held, l.Refused, s.Source, s.Issued)
		}
	}
	for name, progress := range books.Readers {
		cursors, err := progress(ctx, run.Campaign, run.Number)
		if err != nil {
			return err
		}
		behind := slices.IndexFunc(all, func(s inventory.Slice) bool { return cursors[s.Shard].Position.Before(s.Position) })
		if behind >= 0 {
			return fmt.Errorf("%w: %s is behind in %s", ErrNotYet, name, all[behind].Source)
		}
	}
	return nil
}

func (o *Office) markSettled(ctx context.Context, c *game.Campaign) error {
	settled := *c
	now := ms(o.clock.Now())
	settled.SettledAt, settled.Version = &now, c.Version+1
	if err := o.campaigns.Save(ctx, &settled, c.Version); err != nil {
		return err
	}
	o.log.Info("settled", "campaign", c.ID, "run", c.Run)
	return o.publisher.Publish(ctx, &settled)
}
