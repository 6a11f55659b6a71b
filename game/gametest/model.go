// Package gametest says what a store of rounds is: an exam that every store sits, and a model that is plain
// enough to be believed, which keeps pools and rounds in memory.
package gametest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/inventory"
)

// Model keeps pools and rounds in memory. It implements game.Rounds and inventory.Store one call at a time,
// and remembers what each pool was like after each entry, so that a store that lost its tail can be compared
// with what should be left.
type Model struct {
	mu    sync.Mutex
	now   func() time.Time
	host  string
	pools map[event.Source]*pool
}

// pool is one pool with its players.
type pool struct {
	inventory.Slice
	host      string
	seal      string
	sealUntil time.Time
	claim     int64
	lock      string
	lockUntil time.Time
	players   map[string]player
	history   []pool // history[seq-1] is the pool after entry seq
}

type player struct {
	number  int64
	open    bool
	started int64
	epoch   int64
	last    *game.Settled
	waiting int64 // number of the round whose end came in time and found too few coins

	extra  int64               // coins of claims paid beside the last round
	read   int64               // how far the ledger was where claims were forgotten
	claims []inventory.Claimed // paid beside; never written to, since copies share it
}

// NewModel makes a model without pools that goes by this clock.
func NewModel(now func() time.Time) *Model {
	return &Model{now: now, host: "model", pools: map[event.Source]*pool{}}
}

// Restart makes the model another host, as a restarted server is: every pool is fenced until it is reopened.
func (m *Model) Restart(host string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.host = host
}

// Fence makes one pool belong to a host that is gone.
func (m *Model) Fence(run inventory.Run, shard int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at(run, shard).host = "gone"
}

// Rewind puts a pool back to where it was after entry seq, as a server that lost its tail does; after entry 0
// there was no pool.
func (m *Model) Rewind(run inventory.Run, shard int, seq int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if seq == 0 {
		delete(m.pools, run.Source(shard))
		return
	}
	p := m.at(run, shard)
	history := p.history[:seq]
	old := history[seq-1]
	old.players = maps.Clone(old.players)
	old.To, old.From = maps.Clone(old.To), maps.Clone(old.From)
	old.seal, old.claim, old.host = p.seal, p.claim, p.host
	old.sealUntil = time.Time{}
	old.history = history
	*p = old
}

func (m *Model) at(run inventory.Run, shard int) *pool {
	source := run.Source(shard)
	p := m.pools[source]
	if p == nil {
		p = &pool{players: map[string]player{}}
		p.Source, p.To, p.From = source, map[int]event.Transfer{}, map[int]int64{}
		m.pools[source] = p
	}
	return p
}

// open gives the pool if it is open here.
func (m *Model) open(run inventory.Run, shard int) (*pool, error) {
	p := m.at(run, shard)
	if p.host != m.host || !p.Exists {
		return nil, inventory.ErrBusy
	}
	return p, nil
}

// wrote counts an entry.
func (p *pool) wrote() {
	p.Seq++
	p.Pending++
	kept := *p
	kept.players = maps.Clone(p.players)
	kept.To, kept.From = maps.Clone(p.To), maps.Clone(p.From)
	kept.history = nil
	p.history = append(p.history, kept)
}

// Audit implements inventory.Store.
func (m *Model) Audit(_ context.Context, run inventory.Run, shard int) (inventory.Slice, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.at(run, shard)
	s := p.Slice
	s.Open, s.Host, s.At = p.Exists && p.host == m.host, p.host, m.now()
	s.Seal, s.HeldUntil = p.seal, p.sealUntil
	s.To, s.From = maps.Clone(p.To), maps.Clone(p.From)
	return s, nil
}

// Fund implements inventory.Store.
func (m *Model) Fund(_ context.Context, run inventory.Run, owner string, f event.Funding) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.open(run, event.Bank)
	switch {
	case err != nil:
		return 0, err
	case f.Number == p.Funding.Number:
		return p.Funding.Amount, nil
	case f.Number != p.Funding.Number+1:
		return 0, inventory.ErrStale
	case p.lock != owner || !m.now().Before(p.lockUntil):
		return 0, inventory.ErrLocked
	case p.Left+f.Amount < 0:
		return 0, inventory.ErrShort
	}
	p.Left, p.Funded, p.Funding = p.Left+f.Amount, p.Funded+f.Amount, f
	p.wrote()
	return f.Amount, nil
}

// Debit implements inventory.Store.
func (m *Model) Debit(_ context.Context, run inventory.Run, shard, peer int, number, want, part int64) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.open(run, shard)
	if err != nil {
		return 0, err
	}
	last := p.To[peer]
	if number == last.Number && number > 0 {
		return last.Amount, nil
	}
	if number != last.Number+1 {
		return 0, inventory.ErrStale
	}
	if part > 0 {
		want = max(want, p.Left/part)
	}
	amount := min(p.Left, want)
	if amount <= 0 {
		return 0, inventory.ErrEmpty
	}
	p.Left, p.Sent = p.Left-amount, p.Sent+amount
	p.To[peer] = event.Transfer{Peer: peer, Number: number, Amount: amount}
	p.wrote()
	return amount, nil
}

// Credit implements inventory.Store.
func (m *Model) Credit(_ context.Context, run inventory.Run, shard int, from event.Transfer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.open(run, shard)
	switch last := p.fromPeer(from.Peer); {
	case err != nil:
		return err
	case from.Number == last && last > 0:
		return nil
	case from.Number != last+1:
		return inventory.ErrStale
	}
	p.Left, p.Received = p.Left+from.Amount, p.Received+from.Amount
	p.Dry, p.Need = false, 0
	p.From[from.Peer] = from.Number
	p.wrote()
	return nil
}

func (p *pool) fromPeer(peer int) int64 {
	if p == nil {
		return 0
	}
	return p.From[peer]
}

// Dry implements inventory.Store.
func (m *Model) Dry(_ context.Context, run inventory.Run, shard int, dry bool, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.open(run, shard)
	switch {
	case err != nil:
		return err
	case p.Dry == dry:
		return nil
	case !until.IsZero() && m.now().After(until):
		return inventory.ErrLocked
	}
	p.Dry, p.Need = dry, 0
	p.wrote()
	return nil
}

// Lock implements inventory.Store.
func (m *Model) Lock(_ context.Context, run inventory.Run, owner string, ttl time.Duration) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.open(run, event.Bank)
	switch {
	case err != nil:
		return time.Time{}, err
	case p.lock != owner && m.now().Before(p.lockUntil):
		return time.Time{}, inventory.ErrLocked
	}
	p.lock, p.lockUntil = owner, time.Time{}
	if ttl > 0 {
		p.lockUntil = m.now().Add(ttl)
	}
	return p.lockUntil, nil
}

// Seal implements inventory.Reopening.
func (m *Model) Seal(_ context.Context, run inventory.Run, shard int, s inventory.Seal) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.at(run, shard)
	switch {
	case s.Renew > 0 && (p.host != "" || p.seal != s.Token || p.claim != s.Renew):
		return 0, inventory.ErrLost
	case s.Renew > 0:
		p.sealUntil = m.now().Add(s.Hold)
		return p.claim, nil
	case p.Exists && p.host == m.host && !s.Force:
		return 0, nil
	case p.host == "" && p.seal != s.Token && m.now().Before(p.sealUntil):
		return 0, inventory.ErrLocked
	case p.seal != s.Token || p.claim <= p.Epoch:
		p.claim = max(p.Epoch+1, p.claim+1, s.Least)
	}
	p.host, p.seal, p.sealUntil = "", s.Token, m.now().Add(s.Hold)
	return p.claim, nil
}

// Restore implements inventory.Reopening.
func (m *Model) Restore(_ context.Context, run inventory.Run, shard int, token string, r inventory.Restoration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.at(run, shard)
	if p.host != "" || p.seal != token {
		return inventory.ErrLost
	}
	p.Exists, p.Position, p.State = true, r.Position, r.State
	if r.Funding.Number > 0 {
		p.Funding = r.Funding
	}
	maps.Copy(p.To, r.To)
	maps.Copy(p.From, r.From)
	for user, change := range r.Players {
		one := p.players[user]
		if change.Number > 0 {
			one.number, one.open = change.Number, change.Open
		}
		if change.Open {
			one.started, one.epoch = change.StartedAt, change.Epoch
		}
		if change.Last != nil {
			one.last = &game.Settled{Round: *change.Last, At: change.LastAt, Safe: true}
		}
		if change.Last != nil || len(change.Claims) > 0 {
			one.extra = change.Extra
		}
		for _, c := range change.Claims {
			if !slices.Contains(one.claims, c) {
				one.claims = append(slices.Clone(one.claims), c)
			}
		}
		p.players[user] = one
	}
	return nil
}

// Open implements inventory.Reopening.
func (m *Model) Open(_ context.Context, run inventory.Run, shard int, token string, epoch int64, mark event.Mark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.at(run, shard)
	if p.seal == token && p.host == m.host && p.Epoch == epoch {
		return nil
	}
	if p.host != "" || p.seal != token || p.claim != epoch {
		return inventory.ErrLost
	}
	p.Exists, p.host, p.Epoch, p.ReopenedAt = true, m.host, epoch, m.now().Truncate(time.Millisecond)
	p.Need, p.lock, p.lockUntil, p.Mark = 0, "", time.Time{}, mark
	p.wrote()
	return nil
}
