package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/redisgame"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/ops/reconcile"
	"github.com/shake-live/shake/ops/reconcile/sqlaudit"
	"github.com/shake-live/shake/reward"
)

// redisSight is what a check reads of pools and players.
type redisSight struct {
	*stack
	census *redisgame.Census
}

// Audit implements reconcile.Pools.
func (r redisSight) Audit(ctx context.Context, run event.Run) ([]inventory.Slice, error) {
	return inventory.Audit(ctx, r.pools, run)
}

// Players implements reconcile.Pools.
func (r redisSight) Players(ctx context.Context, run event.Run, fn func(reconcile.PlayerPage) error) error {
	return r.census.Players(ctx, run, pages(fn))
}

// PlayersOf implements reconcile.Pools.
func (r redisSight) PlayersOf(ctx context.Context, run event.Run, users []string, fn func(reconcile.PlayerPage) error) error {
	return r.census.PlayersOf(ctx, run, users, pages(fn))
}

func pages(fn func(reconcile.PlayerPage) error) func(redisgame.Page) error {
	return func(p redisgame.Page) error {
		page := reconcile.PlayerPage{Shard: p.Shard, At: p.At, Players: make([]reconcile.Player, len(p.Players))}
		for i, c := range p.Players {
			page.Players[i] = reconcile.Player(c)
		}
		return fn(page)
	}
}

// Waiting implements reconcile.Pools.
func (r redisSight) Waiting(ctx context.Context, run event.Run, shard int, from event.Position, max int) ([]event.Entry, error) {
	return r.outbox.Waiting(ctx, run, shard, from, max)
}

// checker compares the stores of this stack.
func (s *stack) checker(o reconcile.Options) *reconcile.Checker {
	return reconcile.New(reconcile.Deps{
		Pools: redisSight{s, redisgame.NewCensus(s.redis, s.keys)}, Board: s.board, Books: s.auditor(), Log: s.bus, Topic: s.topics.Entries, Clock: s.clock,
	}, o)
}

// auditor reads and mends what is in SQL; what is elsewhere it mends by the ways of those who write it.
func (s *stack) auditor() *sqlaudit.Store {
	return sqlaudit.New(s.sql, s.clock, sqlaudit.Deps{
		Feed: s.feed,
		Notify: func(ctx context.Context, notices []reward.Notice) error {
			_, err := s.inbox.Restore(ctx, notices)
			return err
		},
		Score: s.board.Mend,
	})
}

func subjectOf(c *game.Campaign) reconcile.Subject {
	return reconcile.Subject{Run: c.Life(), Since: c.Since, Chances: c.Chances}
}

// feed hands the ledger all that the log has of a source. It skips what it has.
func (s *stack) feed(ctx context.Context, source event.Source) error {
	c, err := s.campaigns.Run(ctx, source.Campaign, source.Run)
	if err != nil {
		return err
	}
	key := source.String()
	n, err := s.bus.Partition(ctx, s.topics.Entries, key)
	if err != nil {
		return err
	}
	end, err := s.bus.End(ctx, s.topics.Entries, n)
	if err != nil {
		return err
	}
	var batch []event.Entry
	flush := func() error {
		applied, err := s.ledger.Apply(ctx, batch)
		s.booked(applied)
		batch = batch[:0]
		return err
	}
	err = s.bus.Scan(ctx, s.topics.Entries, n, c.Since[n], end, func(m event.Message) error {
		if m.Key != key {
			return nil
		}
		e, err := event.Instead(s.instead).Read(ctx, m)
		if err != nil {
			return err // a history with what nobody can read is not mended
		}
		if batch = append(batch, e); len(batch) < s.cfg.Worker.MaxBatch {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return fmt.Errorf("feed the ledger with %s: %w", source, err)
	}
	return nil
}

// Reconciling says what `shake reconcile` is to do.
type Reconciling struct {
	Campaign string
	Run      int64 // 0: the campaign's present one
	Quick    bool
	Repair   bool
	Apply    string // id of the plan to carry out
	By       reconcile.Who
	Progress func(what string, n int64)
}

// Reconcile compares all stores with the run's history, and carries out the plan that was asked for if it is still the
// one that follows from what is found.
func (t Target) Reconcile(ctx context.Context, log *slog.Logger, r Reconciling) (report *reconcile.Report, err error) {
	err = t.with(ctx, log, false, func(s *stack) error {
		c, err := s.campaigns.Campaign(ctx, r.Campaign)
		if err == nil && r.Run > 0 {
			c, err = s.campaigns.Run(ctx, r.Campaign, r.Run)
		}
		if err != nil {
			return fmt.Errorf("campaign %q: %w", r.Campaign, err)
		}
		gone, err := s.campaigns.WasRetired(ctx, c.ID, c.Run)
		if gone {
			err = fmt.Errorf("campaign %q, run %d: %w", c.ID, c.Run, ErrRetired)
		}
		if err != nil {
			return err
		}
		report, err = s.reconcile(ctx, c, r)
		return err
	})
	return report, err
}

func (s *stack) reconcile(ctx context.Context, c *game.Campaign, r Reconciling) (*reconcile.Report, error) {
	checker := s.checker(reconcile.Options{MaxPlayers: s.cfg.Reconcile.MaxPlayers, Progress: r.Progress})
	check := checker.Check
	if r.Quick {
		check = checker.Quick
	}
	report, err := check(ctx, subjectOf(c))
	if err == nil && r.Repair {
		report, err = reconcile.Mend(ctx, s.auditor(), report, r.Apply, r.By, func() (*reconcile.Report, error) { return check(ctx, subjectOf(c)) })
	}
	if err != nil && !errors.Is(err, reconcile.ErrOtherPlan) { // all else is a system that does not do its part now
		err = fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return report, err
}
