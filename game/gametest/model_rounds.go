package gametest

import (
	"context"
	"errors"
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
	one.number, one.open = r.Token.Number, false
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
	case one.last != nil && r.Token.Number < one.last.Round.Number:
		return nil, game.ErrOld
	case r.Token.Number < one.number:
		return nil, game.ErrTooLate
	}
	return nil, nil
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
	st := game.Standing{Number: one.number, Last: one.last}
	if one.open && m.now().UnixMilli() <= p.deadline(c, one.started) {
		st.Open = &game.Started{Number: one.number, At: one.started, Epoch: one.epoch}
	}
	return st, nil
}

var (
	_ game.Rounds     = (*Model)(nil)
	_ inventory.Store = (*Model)(nil)
)
