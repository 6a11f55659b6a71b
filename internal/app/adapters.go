package app

import (
	"context"
	"errors"

	"golang.org/x/sync/singleflight"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/ops"
	"github.com/shake-live/shake/reward"
	"github.com/shake-live/shake/reward/sqlledger"
)

// draws lets one draw a shard and node be under way: a hundred rounds that find their shard short need one. Whoever
// needs more than it brought finds the shard short again, and draws again.
type draws struct {
	pool  *inventory.Pool
	group singleflight.Group
}

func newDraws(store inventory.Store) *draws { return &draws{pool: inventory.New(store)} }

// Draw implements game.Coins.
func (d *draws) Draw(ctx context.Context, run inventory.Run, shard int, need int64) (int64, error) {
	n, err, _ := d.group.Do(run.Source(shard).String(), func() (any, error) { return d.pool.Draw(ctx, run, shard, need) })
	if err != nil {
		return 0, err
	}
	return n.(int64), nil
}

// Last implements game.Archive.
func (a archive) Last(ctx context.Context, run inventory.Run, user string) (last game.Settled, extra int64, err error) {
	r, err := a.ledger.LastRound(ctx, run.Campaign, run.Number, user)
	if errors.Is(err, reward.ErrNotFound) {
		return game.Settled{}, 0, game.ErrNotFound
	}
	if err != nil {
		return game.Settled{}, 0, err
	}
	total, err := a.ledger.Total(ctx, run.Campaign, run.Number, user)
	return game.Settled{Round: r.Round, At: r.Position, Safe: true}, max(0, total-r.Total), err
}

// book asks the ledger about claims.
type book struct{ ledger *sqlledger.Store }

// Booked implements game.Book.
func (b book) Booked(ctx context.Context, c game.Claim) (game.Booked, error) {
	source := event.Source{Campaign: c.Campaign, Run: c.Run, Shard: int(c.Shard)}
	got, err := b.ledger.Booked(ctx, source, c.At, reward.RoundID{
		Campaign: c.Campaign, Run: c.Run, Epoch: c.Round.StartEpoch, User: c.Round.User, Number: c.Round.Number,
	})
	return game.Booked{
		Found: got.Found, Held: got.State == reward.Held, Coins: got.Paid, Read: got.Read, Dead: got.Dead > 0,
	}, err
}

// missing tells whether a round is on its way to the ledger or will never come there.
func (a archive) missing(ctx context.Context, run inventory.Run, user string, number int64) error {
	passed, err := a.ledger.Passed(ctx, run.Campaign, run.Number, user, number)
	if err != nil {
		return err
	}
	if passed {
		return game.ErrNotFound
	}
	return game.ErrPending
}

// rounds counts what is odd about rounds.
type rounds struct{ metrics *ops.Metrics }

// Short implements game.Observer.
func (r rounds) Short(campaign string) { r.metrics.ShortRound(campaign) }

// Inflated implements game.Observer.
func (r rounds) Inflated(campaign string) { r.metrics.InflatedRound(campaign) }

// Claimed implements game.Observer.
func (r rounds) Claimed(outcome string) { r.metrics.Claimed(outcome) }

// archive gives old results out of the ledger.
type archive struct{ ledger *sqlledger.Store }

// Settled implements game.Archive.
func (a archive) Settled(ctx context.Context, run inventory.Run, user string, number int64) (game.Settled, error) {
	r, err := a.ledger.Round(ctx, run.Campaign, run.Number, user, number)
	if errors.Is(err, reward.ErrNotFound) {
		if err := a.missing(ctx, run, user, number); !errors.Is(err, game.ErrNotFound) {
			return game.Settled{}, err
		}
		// A later round is there by now, so this one is too if it ever comes: it may have come since we looked.
		r, err = a.ledger.Round(ctx, run.Campaign, run.Number, user, number)
	}
	if errors.Is(err, reward.ErrNotFound) {
		return game.Settled{}, game.ErrNotFound
	}
	if err != nil {
		return game.Settled{}, err
	}
	return game.Settled{Round: r.Round, At: r.Position, Safe: true}, nil
}
