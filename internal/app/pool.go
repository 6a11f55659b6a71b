package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/inventory/redispool"
)

// PoolsOf names pools of a run.
type PoolsOf struct {
	Campaign string
	Run      int64 // 0: the campaign's present one
	Shards   []int // event.Bank is the bank; nil: all
}

// ShownPool is one pool as operators see it.
type ShownPool struct {
	Pool    string `json:"pool"` // "bank", or the shard's number
	Slot    int    `json:"slot"`
	Server  string `json:"server"` // the address of the primary that has it
	Keys    *int64 `json:"keys,omitempty"`
	Exists  bool   `json:"exists"`
	Open    bool   `json:"open"`
	Host    string `json:"host"` // run id of the server that it belongs to; empty while it is sealed
	Epoch   int64  `json:"epoch"`
	Seq     int64  `json:"seq"`
	Left    int64  `json:"left"`
	Issued  int64  `json:"issued"`
	Pending int64  `json:"pending"` // entries in the outbox
	Dry     bool   `json:"dry"`

	ReopenedAt *time.Time `json:"reopened_at,omitempty"`
	HeldUntil  *time.Time `json:"held_until,omitempty"` // while somebody is reopening or moving it
}

// ShownPools are the pools of a run.
type ShownPools struct {
	Campaign string      `json:"campaign"`
	Run      int64       `json:"run"`
	Pools    []ShownPool `json:"pools"`
}

// PoolName is how operators call a pool.
func PoolName(shard int) string {
	if shard == event.Bank {
		return "bank"
	}
	return strconv.Itoa(shard)
}

// life finds the run that is meant, and checks that its pools are there to be looked after.
func (s *stack) life(ctx context.Context, of PoolsOf) (c *game.Campaign, shards []int, err error) {
	c, err = s.campaigns.Campaign(ctx, of.Campaign)
	if err == nil && of.Run > 0 {
		c, err = s.campaigns.Run(ctx, of.Campaign, of.Run)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("campaign %q: %w", of.Campaign, err)
	}
	gone, err := s.campaigns.WasRetired(ctx, c.ID, c.Run)
	if gone {
		err = fmt.Errorf("campaign %q, run %d: %w", c.ID, c.Run, ErrRetired)
	}
	if err != nil {
		return nil, nil, err
	}
	pools := c.Life().Pools()
	if of.Shards == nil {
		return c, pools, nil
	}
	for _, shard := range of.Shards {
		if !slices.Contains(pools, shard) {
			return nil, nil, fmt.Errorf("%w: shard %d: run %d of %s has shards 0 to %d, and the bank", ErrNoShard, shard, c.Run, c.ID, c.Shards-1)
		}
		if !slices.Contains(shards, shard) {
			shards = append(shards, shard)
		}
	}
	return c, shards, nil
}

// Pools shows the pools of a run.
func (t Target) Pools(ctx context.Context, log *slog.Logger, of PoolsOf) (shown *ShownPools, err error) {
	err = t.with(ctx, log, false, func(s *stack) error {
		c, shards, err := s.life(ctx, of)
		if err == nil {
			shown, err = s.showPools(ctx, c, shards)
		}
		return err
	})
	return shown, err
}

func (s *stack) showPools(ctx context.Context, c *game.Campaign, shards []int) (*ShownPools, error) {
	all, err := inventory.Audit(ctx, s.pools, c.Life())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	places, err := redispool.Places(ctx, s.redis, s.keys, c.Life())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	shown := &ShownPools{Campaign: c.ID, Run: c.Run}
	for i, p := range all {
		if !slices.Contains(shards, p.Shard) {
			continue
		}
		one := ShownPool{
			Pool: PoolName(p.Shard), Slot: places[i].Slot, Server: places[i].Server, Exists: p.Exists, Open: p.Open, Host: p.Host,
			Epoch: p.Epoch, Seq: p.Seq, Left: p.Left, Issued: p.Issued, Pending: p.Pending, Dry: p.Dry,
		}
		if places[i].Keys >= 0 {
			one.Keys = &places[i].Keys
		}
		if !p.ReopenedAt.IsZero() {
			one.ReopenedAt = &p.ReopenedAt
		}
		if p.Held() {
			one.HeldUntil = &p.HeldUntil
		}
		shown.Pools = append(shown.Pools, one)
	}
	return shown, nil
}

// Reopened tells what came of reopening pools by hand.
type Reopened struct {
	Campaign string       `json:"campaign"`
	Run      int64        `json:"run"`
	Opened   []string     `json:"opened"`
	Applied  int          `json:"applied"` // entries that the log had and the pools lacked
	Closed   []ClosedPool `json:"closed"`  // still
}

// ClosedPool is a pool that could not be opened, and why.
type ClosedPool struct {
	Pool string `json:"pool"`
	Why  string `json:"why"`
}

// Reopen does once what a worker does all the time: it gives pools that are closed to the servers that have them. With
// fence those that are open are closed first.
func (t Target) Reopen(ctx context.Context, log *slog.Logger, of PoolsOf, fence bool) (r *Reopened, err error) {
	err = t.with(ctx, log, true, func(s *stack) error {
		c, shards, err := s.life(ctx, of)
		if err == nil {
			r, err = s.reopen(ctx, c, shards, fence)
		}
		return err
	})
	return r, err
}

func (s *stack) reopen(ctx context.Context, c *game.Campaign, shards []int, fence bool) (*Reopened, error) {
	opened, openErr := s.opener.OpenThese(ctx, c.Life(), c.Since, shards, fence)
	if openErr != nil && !errors.Is(openErr, inventory.ErrGone) {
		openErr = fmt.Errorf("%w: %w", ErrUnreachable, openErr)
	}
	r := &Reopened{Campaign: c.ID, Run: c.Run, Opened: []string{}, Applied: opened.Applied, Closed: []ClosedPool{}}
	slices.Sort(opened.Pools)
	for _, shard := range opened.Pools {
		r.Opened = append(r.Opened, PoolName(shard))
	}
	all, err := inventory.Audit(ctx, s.pools, c.Life())
	if err != nil {
		return r, errors.Join(openErr, fmt.Errorf("%w: %w", ErrUnreachable, err))
	}
	for _, p := range all {
		if slices.Contains(shards, p.Shard) && (!p.Open || fence && !slices.Contains(opened.Pools, p.Shard)) {
			r.Closed = append(r.Closed, ClosedPool{Pool: PoolName(p.Shard), Why: whyClosed(p, openErr)})
		}
	}
	if errors.Is(openErr, inventory.ErrGone) {
		openErr = nil // it stands beside the pools
	}
	return r, openErr
}

// whyClosed tells what keeps a pool closed: what it says itself, or what opening it came to.
func whyClosed(p inventory.Slice, err error) string {
	switch {
	case p.Open:
		return "it was opened by somebody else meanwhile"
	case p.Held():
		return fmt.Sprintf("somebody else is at it (%s), until %s at most", p.Seal, p.HeldUntil.Format(time.RFC3339Nano))
	case err != nil:
		return err.Error()
	}
	return "somebody else was at it just now: try again"
}
