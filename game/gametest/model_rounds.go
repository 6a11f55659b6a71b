package gametest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/inventory"
)

// Now implements game.Rounds.
func (m *Model) Now(context.Context, *game.Live, string) time.Time { return m.now() }

// shardOf gives the open pool of a player.
func (m *Model) shardOf(c *game.Live, user string) (*pool, error) {
	p, err := m.open(c.Life, c.Life.ShardOf(user))
	if errors.Is(err, inventory.ErrBusy) {
		return nil, game.ErrBusy
	}
	return p, err
}

// deadline is until when a round that was started then may be ended.
func (p *pool) deadline(c *game.Live, started int64) int64 {
	return max(started+c.RoundMS, p.ReopenedAt.UnixMilli()) + c.LateMS
}

// Start implements game.Rounds.
func (m *Model) Start(_ context.Context, c *game.Live, r game.StartRequest) (game.Started, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.shardOf(c, r.User)
	if err != nil {
		return game.Started{}, err
	}
	now, one := m.now(), p.players[r.User]
	open := one.open && now.UnixMilli() <= p.deadline(c, one.started)
	switch {
	case open && r.Number == one.number:
		return game.Started{Number: r.Number, At: one.started, Epoch: one.epoch}, nil
	case r.Number != one.number+1:
		return game.Started{}, &game.WrongNumberError{Next: one.number + 1}
	case open:
		return game.Started{}, game.ErrRoundOpen
	case now.Before(c.StartsAt) || !now.Before(c.EndsAt):
		return game.Started{}, game.ErrNotLive
	case r.Number > r.Granted:
		return game.Started{}, game.ErrNoChances
	case r.Closed:
		return game.Started{}, game.ErrPoolEmpty
	}
	one.number, one.open, one.started, one.epoch = r.Number, true, now.UnixMilli(), p.Epoch
	p.players[r.User] = one
	p.wrote()
	return game.Started{Number: r.Number, At: one.started, Epoch: one.epoch}, nil
}

// Settle implements game.Rounds.
func (m *Model) Settle(_ context.Context, c *game.Live, r game.SettleRequest) (game.Settled, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.shardOf(c, r.Token.User)
	if err != nil {
		return game.Settled{}, err
	}
	one := p.players[r.Token.User]
	if done, err := one.repeat(r); done != nil || err != nil {
		return *orZero(done), err
	}
	if err := m.window(c, p, r, one.waiting == r.Token.Number); err != nil {
		return game.Settled{}, err
	}
	total := int64(0)
	if one.last != nil {
		total = one.last.Round.Total
	}
	total += one.extra
	paid := r.Computed
	if c.PlayerCap > 0 {
		paid = max(0, min(paid, c.PlayerCap-total))
	}
	if paid > p.Left && p.Dry {
		paid = p.Left
	}
	if paid > p.Left {
		p.Need = max(p.Need, paid)
		one.waiting = r.Token.Number
		p.players[r.Token.User] = one
		return game.Settled{}, &game.ShortError{Need: paid}
	}
	p.Left, p.Issued = p.Left-paid, p.Issued+paid
	one.number, one.open, one.extra = r.Token.Number, false, 0
	one.last = &game.Settled{Safe: true, At: event.Position{Epoch: p.Epoch, Seq: p.Seq + 1}, Round: event.Round{
		User: r.Token.User, Number: r.Token.Number, StartEpoch: r.Token.Epoch, StartedAt: r.Token.StartedAt, Shakes: r.Shakes,
		ElapsedMS: r.ElapsedMS, Computed: r.Computed, Paid: paid, Total: total + paid,
		ChancesLeft: max(0, r.Granted-r.Token.Number), SettledAt: m.now().UnixMilli(),
	}}
	p.players[r.Token.User] = one
	p.wrote()
	return *one.last, nil
}

func orZero(s *game.Settled) *game.Settled {
	if s == nil {
		return &game.Settled{}
	}
	return s
}

// repeat answers for a round that is settled already.
func (one player) repeat(r game.SettleRequest) (*game.Settled, error) {
	switch {
	case one.last != nil && one.last.Round.Number == r.Token.Number && one.last.Round.Shakes == r.Shakes:
		return one.last, nil
	case one.last != nil && one.last.Round.Number == r.Token.Number:
		return nil, game.ErrConflict
	case one.last != nil && r.Token.Number < one.last.Round.Number, one.claimed(r.Token.Epoch, r.Token.Number):
		return nil, game.ErrOld
	case r.Token.Number < one.number:
		return nil, game.ErrTooLate
	}
	return nil, nil
}

// claimed tells whether a claim paid the round beside the last one.
func (one player) claimed(epoch, number int64) bool {
	return slices.ContainsFunc(one.claims, func(c inventory.Claimed) bool { return c.Epoch == epoch && c.Number == number })
}

// maxClaims is how many claims paid beside one player may have that the ledger has not read.
const maxClaims = 32

// Claim implements game.Rounds.
func (m *Model) Claim(_ context.Context, c *game.Live, r game.ClaimRequest) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	round := r.Claim.Round
	p, err := m.shardOf(c, round.User)
	if err != nil {
		return 0, err
	}
	one := p.players[round.User]
	var last game.Settled
	if one.last != nil {
		last = *one.last
	}
	settled := last.Round.Number
	// What the ledger has, and nobody can settle with the round's token any more, is forgotten.
	kept := slices.DeleteFunc(slices.Clone(one.claims), func(k inventory.Claimed) bool { return k.Seq <= r.Read && k.Number <= settled })
	switch {
	case r.Claim.At.Epoch >= p.Epoch:
		return 0, game.ErrPending
	case settled == round.Number && last.Round.StartEpoch == round.StartEpoch:
		return last.Round.Paid, nil
	case one.claimed(round.StartEpoch, round.Number):
		return round.Paid, nil
	case settled > round.Number && last.At.Seq > r.Read, r.Read < one.read, len(kept) >= maxClaims:
		return 0, game.ErrPending
	case round.Paid > p.Left && p.Dry:
		return 0, game.ErrNoCoins
	case round.Paid > p.Left:
		p.Need = max(p.Need, round.Paid)
		return 0, &game.ShortError{Need: round.Paid}
	}
	if len(kept) < len(one.claims) {
		one.read = max(one.read, r.Read)
	}
	p.Left, p.Issued = p.Left-round.Paid, p.Issued+round.Paid
	mine := one.open && one.number == round.Number && one.epoch == round.StartEpoch
	if round.Number > settled && (!one.open || mine) {
		paid := round
		paid.Total, paid.SettledAt = last.Round.Total+one.extra+round.Paid, m.now().UnixMilli()
		paid.ChancesLeft = max(0, r.Granted-round.Number)
		one.last = &game.Settled{Round: paid, At: event.Position{Epoch: p.Epoch, Seq: p.Seq + 1}, Safe: true}
		one.number, one.open, one.extra = max(one.number, round.Number), false, 0
	} else {
		one.extra += round.Paid
		kept = append(kept, inventory.Claimed{Epoch: round.StartEpoch, Number: round.Number, Seq: p.Seq + 1})
	}
	one.claims = kept
	p.players[round.User] = one
	p.wrote()
	return round.Paid, nil
}

// window checks the times of an end.
func (m *Model) window(c *game.Live, p *pool, r game.SettleRequest, waiting bool) error {
	now, deadline := m.now().UnixMilli(), p.deadline(c, r.Token.StartedAt)
	if waiting {
		deadline += game.Grace.Milliseconds()
	}
	real := min(now-r.Token.StartedAt, c.RoundMS)
	switch {
	case now < r.Token.StartedAt+c.EarlyMS:
		return game.ErrTooEarly
	case now > deadline:
		return game.ErrTooLate
	case r.ElapsedMS > real+100 || r.ElapsedMS < real-2000:
		return &game.SkewError{ElapsedMS: real}
	}
	return nil
}

// Standing implements game.Rounds.
func (m *Model) Standing(_ context.Context, c *game.Live, user string) (game.Standing, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.shardOf(c, user)
	if err != nil {
		return game.Standing{}, err
	}
	one := p.players[user]
	st := game.Standing{Number: one.number, Last: one.last, Extra: one.extra}
	if one.open && m.now().UnixMilli() <= p.deadline(c, one.started) {
		st.Open = &game.Started{Number: one.number, At: one.started, Epoch: one.epoch}
	}
	return st, nil
}

var (
	_ game.Rounds     = (*Model)(nil)
	_ inventory.Store = (*Model)(nil)
)
