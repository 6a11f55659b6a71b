package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/shake-live/shake/game"
)

// ErrNotSettled says that a run still needs its keys.
var ErrNotSettled = errors.New("the run is not settled: its keys are needed")

// ErrRetired says that a run's keys are gone, so that there is nothing left to compare with the books.
var ErrRetired = errors.New("the run is retired: its keys are gone from Redis")

// retireEvery is how often a worker looks for runs to retire, and retireLease how long it may be silent before another
// worker does.
const (
	retireEvery = time.Minute
	retireLease = 30 * time.Second
)

// retireOn removes the keys of runs that were settled long enough ago.
func (w *worker) retireOn(ctx context.Context) {
	after := time.Duration(w.cfg.Worker.RetireAfter)
	tick := time.NewTicker(retireEvery)
	defer tick.Stop()
	for {
		if mine, err := w.redis.Lease(ctx, w.cfg.Namespace+":retirer", w.owner, retireLease); err == nil && mine {
			runs, err := w.campaigns.Retirable(ctx, w.clock.Now().Add(-after))
			for i := 0; err == nil && i < len(runs); i++ {
				_, err = w.retire(ctx, runs[i])
			}
			if err != nil && ctx.Err() == nil {
				w.log.Warn("runs could not be retired; they will be", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// retire removes what Redis has of a settled run, in steps, and notes it. From settling on players are answered from the
// ledger, so nobody misses it; ledger, wallets, final board and inbox stay.
func (s *stack) retire(ctx context.Context, c *game.Campaign) (keys int64, err error) {
	if c.SettledAt == nil {
		return 0, fmt.Errorf("%s, run %d: %w", c.ID, c.Run, ErrNotSettled)
	}
	if keys, err = s.redis.Unlink(ctx, s.keys.Of(c.Life()).Run()); err != nil {
		return keys, fmt.Errorf("retire %s, run %d: %w", c.ID, c.Run, err)
	}
	if err := s.campaigns.Retired(ctx, c.ID, c.Run, s.clock.Now()); err != nil {
		return keys, err
	}
	s.log.Info("retired a run: its keys are gone from Redis", "campaign", c.ID, "run", c.Run, "keys", keys)
	return keys, nil
}

// Retire removes the keys of a campaign's settled runs at once; run 0 is all of them.
func (t Target) Retire(ctx context.Context, log *slog.Logger, id string, run int64) (runs, keys int64, err error) {
	err = t.with(ctx, log, true, func(s *stack) error {
		list, err := s.settledRuns(ctx, id, run)
		for i := 0; err == nil && i < len(list); i++ {
			var n int64
			n, err = s.retire(ctx, list[i])
			keys += n
			runs++
		}
		return err
	})
	return runs, keys, err
}

func (s *stack) settledRuns(ctx context.Context, id string, run int64) ([]*game.Campaign, error) {
	if run != 0 {
		c, err := s.campaigns.Run(ctx, id, run)
		return []*game.Campaign{c}, err
	}
	if _, err := s.campaigns.Campaign(ctx, id); err != nil {
		return nil, err
	}
	all, err := s.campaigns.Retirable(ctx, s.clock.Now())
	var list []*game.Campaign
	for _, c := range all {
		if c.ID == id {
			list = append(list, c)
		}
	}
	return list, err
}
