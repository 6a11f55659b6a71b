package inventory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/shake-live/shake/event"
)

// defaultLockTTL outlasts a step on a busy night many times over.
const defaultLockTTL = 2 * time.Second

// Keeper looks after one run's pool: it finishes broken transfers, keeps the slices filled, brings coins from
// idle shards to hungry ones, and when no coin is left anywhere else lets the last shard pay less.
// One keeper a run is enough; two do no harm.
type Keeper struct {
	// LockTTL is how long the keeper may be silent before others may fund the bank it was declaring dry. It is
	// renewed at each step, so it needs to outlast one step, not all of them.
	LockTTL time.Duration

	pool  *Pool
	store Store
	run   Run
	owner string        // of the bank's lock
	spent map[int]int64 // issued by each shard at the last look
}

// NewKeeper makes the keeper of a run. The owner is a name nobody else uses.
func NewKeeper(store Store, run Run, owner string) *Keeper {
	return &Keeper{pool: New(store), store: store, run: run, owner: owner, LockTTL: defaultLockTTL, spent: map[int]int64{}}
}

// Report is what one look found and did.
type Report struct {
	Level   Level
	Slices  []Slice // as found
	Swept   int
	Draws   int
	Recalls int
	Dried   int
	Closed  int // pools that are not open on their server
}

// Keep looks at all pools once and mends what it can. An error leaves the rest for the next look.
func (k *Keeper) Keep(ctx context.Context, now time.Time) (Report, error) {
	all, err := Audit(ctx, k.store, k.run)
	if err != nil {
		return Report{}, err
	}
	r := Report{Level: LevelOf(k.run, all, now), Slices: all}
	for _, s := range all {
		if !s.Open {
			r.Closed++
		}
	}
	if r.Closed == len(all) {
		return r, nil
	}
	if r.Swept, err = k.pool.Sweep(ctx, k.run, all); err != nil {
		return r, err
	}
	if err := k.refill(ctx, all, &r); err != nil {
		return r, err
	}
	return r, k.feed(ctx, all, &r)
}

// refill draws for shards that will run short before the next looks: those with less than half of a draw left,
// or less than they spent since the last look times four.
func (k *Keeper) refill(ctx context.Context, all []Slice, r *Report) error {
	bank := all[0]
	if !bank.Open || bank.Left == 0 {
		return nil
	}
	for _, s := range all[1:] {
		spent := s.Issued - k.spent[s.Shard]
		if _, seen := k.spent[s.Shard]; !seen {
			spent = 0
		}
		k.spent[s.Shard] = s.Issued
		low := max(bank.Left/part(k.run)/2, 4*spent)
		if !s.Open || s.Left > low || s.Left == low && low > 0 {
			continue
		}
		if _, err := k.pool.Draw(ctx, k.run, s.Shard, max(1, s.Need, 4*spent-s.Left)); err != nil && !errors.Is(err, ErrEmpty) {
			return err
		}
		r.Draws++
	}
	return nil
}

// feed brings coins to shards in which a round waits for more than the bank could give.
func (k *Keeper) feed(ctx context.Context, all []Slice, r *Report) error {
	hungry := func(s Slice) bool { return s.Open && s.Need > s.Left && !s.Dry }
	if !slices.ContainsFunc(all[1:], hungry) {
		return nil
	}
	if _, err := k.store.Lock(ctx, k.run, k.owner, k.LockTTL); errors.Is(err, ErrLocked) {
		return nil // somebody is funding the bank: the next look finds those coins
	} else if err != nil {
		return err
	}
	for _, s := range all[1:] {
		if hungry(s) {
			if err := k.feedOne(ctx, s.Shard, r); err != nil {
				return fmt.Errorf("feed %s: %w", k.run.Source(s.Shard), err)
			}
		}
	}
	_, err := k.store.Lock(ctx, k.run, k.owner, 0)
	return err
}

// feedOne looks again, because feeding one shard changes the others, and brings the shard what its round needs:
// from the bank, then from the others, the fullest first. If there is nothing anywhere else, the shard is dry.
func (k *Keeper) feedOne(ctx context.Context, shard int, r *Report) error {
	until, err := k.store.Lock(ctx, k.run, k.owner, k.LockTTL)
	if err != nil {
		return err
	}
	all, err := Audit(ctx, k.store, k.run)
	if err != nil {
		return err
	}
	bank, self := all[0], all[shard+1]
	missing := self.Need - self.Left
	if missing <= 0 || self.Dry || !self.Open || !bank.Open {
		return nil
	}
	got, err := k.gather(ctx, all, shard, missing-bank.Left, r)
	if err != nil {
		return err
	}
	if got+bank.Left > 0 {
		_, err := k.pool.Draw(ctx, k.run, shard, missing)
		if errors.Is(err, ErrEmpty) {
			return nil // another shard was quicker; the next look goes on
		}
		r.Draws++
		return err
	}
	return k.declareDry(ctx, all, shard, until, r)
}

// gather recalls coins from the other shards into the bank until it has missing of them or they have none.
// Half of what a shard has left at least, so that a hungry pool is not recalled coin by coin.
func (k *Keeper) gather(ctx context.Context, all []Slice, shard int, missing int64, r *Report) (int64, error) {
	others := slices.Clone(all[1:])
	slices.SortFunc(others, func(a, b Slice) int { return int(b.Left - a.Left) })
	var got int64
	for _, s := range others {
		if got >= missing || s.Left == 0 {
			break
		}
		if s.Shard == shard || !s.Open {
			continue
		}
		if s.Dry { // its coins are about to be elsewhere, so it may no longer pay less
			if err := k.store.Dry(ctx, k.run, s.Shard, false, time.Time{}); err != nil {
				return got, err
			}
		}
		n, err := k.pool.Recall(ctx, k.run, s.Shard, max(missing-got, s.Left/2))
		if err != nil && !errors.Is(err, ErrEmpty) {
			return got, err
		}
		got += n
		r.Recalls++
	}
	return got, nil
}

// declareDry lets the shard pay less than computed, once no coin is anywhere else: the bank and the other
// shards are empty, and nothing is on its way. Nothing can come meanwhile: draws need coins in the bank, and
// funding needs the lock that we hold until then. When no coin is left at all, all shards are dry.
func (k *Keeper) declareDry(ctx context.Context, all []Slice, shard int, until time.Time, r *Report) error {
	if elsewhere(all, shard) {
		return nil
	}
	last := all[shard+1].Left == 0
	for _, s := range all[1:] {
		if s.Shard != shard && !last {
			continue
		}
		if err := k.store.Dry(ctx, k.run, s.Shard, true, until); errors.Is(err, ErrLocked) {
			return nil
		} else if err != nil {
			return err
		}
		r.Dried++
	}
	return nil
}

// elsewhere tells whether any coin is, or may be, outside the shard. A pool that is not open may hold coins.
func elsewhere(all []Slice, shard int) bool {
	bank := all[0]
	for _, s := range all {
		_, sent := inFlight(bank, s)
		_, recalled := inFlight(s, bank)
		if sent || recalled || !s.Open || s.Shard != shard && s.Left > 0 {
			return true
		}
	}
	return false
}

// Fund brings coins into the run from outside, or takes them out (ErrShort where the pool has less): raised or
// lowered caps, and the rest that goes back at the end. Its number makes it happen once, with the amount of whoever was
// first: amount is that. ErrStale where a later number is done already. Shards that were declared dry are told first that
// coins are coming, under the lock that keeps them from being declared again.
func (k *Keeper) Fund(ctx context.Context, f event.Funding) (amount int64, err error) {
	if _, err := k.store.Lock(ctx, k.run, k.owner, k.LockTTL); err != nil {
		return 0, err
	}
	if err = k.prepare(ctx, f); err == nil {
		amount, err = k.store.Fund(ctx, k.run, k.owner, f)
	}
	_, unlockErr := k.store.Lock(ctx, k.run, k.owner, 0)
	return amount, errors.Join(err, unlockErr)
}

// prepare ends droughts before coins come, and gathers coins in the bank before they go.
func (k *Keeper) prepare(ctx context.Context, f event.Funding) error {
	all, err := Audit(ctx, k.store, k.run)
	if err != nil {
		return err
	}
	switch {
	case all[0].Funding.Number >= f.Number: // once more: the repeat waits for the replicas
	case f.Amount < 0:
		_, err = k.gather(ctx, all, event.Bank, -f.Amount-all[0].Left, &Report{})
	case f.Amount > 0:
		err = k.endDroughts(ctx, all[1:])
	}
	return err
}

func (k *Keeper) endDroughts(ctx context.Context, shards []Slice) error {
	for _, s := range shards {
		if !s.Dry {
			continue
		}
		if err := k.store.Dry(ctx, k.run, s.Shard, false, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}
