package inventory

import (
	"context"
	"errors"
	"fmt"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/failpoint"
)

// Pool moves coins between the bank and the shards of runs.
type Pool struct{ store Store }

// New makes a Pool over a store.
func New(store Store) *Pool { return &Pool{store: store} }

// part is the share of the bank that one shard of n draws at once: half of an even share. Draws shrink with the
// pool, so the last coins stay in the bank, where every shard can get at them.
func part(run Run) int64 { return int64(2 * run.Shards) }

// Draw brings at least need coins from the bank to the shard, as far as the bank has them, and tells how many.
// ErrEmpty if it has none. Concurrent draws for a shard agree on one transfer, because it has a number.
func (p *Pool) Draw(ctx context.Context, run Run, shard int, need int64) (int64, error) {
	amount, err := p.move(ctx, run, event.Bank, shard, need, part(run))
	if err != nil {
		return 0, fmt.Errorf("draw for %s: %w", run.Source(shard), err)
	}
	return amount, nil
}

// Recall brings up to want coins, at most what is left, from the shard back to the bank. ErrEmpty if none is left.
func (p *Pool) Recall(ctx context.Context, run Run, shard int, want int64) (int64, error) {
	amount, err := p.move(ctx, run, shard, event.Bank, want, 0)
	if err != nil {
		return 0, fmt.Errorf("recall from %s: %w", run.Source(shard), err)
	}
	return amount, nil
}

// move makes one transfer: the number after the last that arrived, debit, credit. If it breaks off in between,
// the number is taken but has not arrived, and whoever moves next between the two finishes it.
func (p *Pool) move(ctx context.Context, run Run, from, to int, want, part int64) (int64, error) {
	receiver, err := p.store.Audit(ctx, run, to)
	if err != nil {
		return 0, err
	}
	if !receiver.Open {
		return 0, ErrBusy
	}
	t := event.Transfer{Number: receiver.From[from] + 1}
	if t.Amount, err = p.store.Debit(ctx, run, from, to, t.Number, want, part); err != nil {
		return 0, err
	}
	failpoint.Hit("transfer.debited")
	t.Peer = from
	if err := p.store.Credit(ctx, run, to, t); err != nil {
		return 0, err
	}
	failpoint.Hit("transfer.credited")
	return t.Amount, nil
}

// Sweep finishes transfers that broke off after their debit and tells how many. Two who sweep, or one who
// sweeps a transfer that is just being made, do no harm: the credit of a number counts once.
func (p *Pool) Sweep(ctx context.Context, run Run, slices []Slice) (int, error) {
	bank, swept := slices[0], 0
	for _, s := range slices[1:] {
		for _, way := range [2][2]Slice{{bank, s}, {s, bank}} {
			n, err := p.sweepOne(ctx, run, way[0], way[1])
			if err != nil {
				return swept, err
			}
			swept += n
		}
	}
	return swept, nil
}

func (p *Pool) sweepOne(ctx context.Context, run Run, from, to Slice) (int, error) {
	t, broken := inFlight(from, to)
	if !broken || !to.Open || !from.Open {
		return 0, nil
	}
	// The debit again: it must be safe on the replicas before the credit, and its maker may have died before.
	amount, err := p.store.Debit(ctx, run, from.Shard, to.Shard, t.Number, 0, 0)
	if errors.Is(err, ErrStale) || errors.Is(err, ErrEmpty) {
		return 0, nil // it has moved on since the audit
	}
	if err != nil {
		return 0, err
	}
	err = p.store.Credit(ctx, run, to.Shard, event.Transfer{Peer: from.Shard, Number: t.Number, Amount: amount})
	if errors.Is(err, ErrStale) {
		return 0, nil
	}
	return 1, err
}
