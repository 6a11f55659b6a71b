package redispool

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/inventory"
)

// Slots implements inventory.Slots: a pool's keys share a hash slot, which one server of a cluster has.
type Slots struct {
	db       *redisdb.DB
	keys     *redisdb.KeyCache
	replicas int
}

// NewSlots makes Slots; so many replicas of a new server must have a pool before it is served there.
func NewSlots(db *redisdb.DB, keys *redisdb.KeyCache, replicas int) *Slots {
	return &Slots{db: db, keys: keys, replicas: replicas}
}

// Plan implements inventory.Slots.
func (s *Slots) Plan(ctx context.Context, run inventory.Run, shard int, to string) (inventory.Trip, error) {
	k := s.keys.Of(run)
	volatile := []string{k.Touch(shard), k.Lease(shard)}
	if shard == event.Bank {
		volatile = append(volatile, k.Keeper())
	}
	pool := k.Pool(shard)
	prefix := strings.TrimSuffix(k.Player(shard, ""), "p:")
	m, err := s.db.PlanMove(ctx, redisdb.Slot(pool), redisdb.SlotOrder{
		To: to, Prefix: prefix, Last: []string{k.Out(shard), pool}, Volatile: volatile, Replicas: s.replicas,
	})
	if err != nil {
		return nil, err
	}
	return trip{m}, nil
}

// trip is a move of a slot as the inventory knows it.
type trip struct{ *redisdb.SlotMove }

// Route implements inventory.Trip.
func (t trip) Route() inventory.Route {
	return inventory.Route{
		Slot: t.Slot, From: t.From(), To: t.Target(), Keys: t.Keys, Bytes: t.Bytes, Arrived: t.Done, Half: t.Half,
	}
}

// Switch implements inventory.Trip.
func (t trip) Switch(ctx context.Context) error {
	err := t.SlotMove.Switch(ctx)
	if errors.Is(err, redisdb.ErrUnclear) {
		return fmt.Errorf("%w: %w", inventory.ErrUnclear, err)
	}
	return err
}
