package faults

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/internal/testenv"
)

// Somebody moves slots to other primaries while people play, key by key, as redis-cli does. Until a worker has reopened it
// on its new server, a shard that was moved answers busy.
func init() {
	add(4, "slots-moving-under-load", plan{}, func(s *scene) {
		s.play()
		s.breaks("slots are moved to other primaries")
		for shard := range 3 {
			s.moveSlot(s.slotOf(shard))
			s.everyShard()
		}
	})
}

// moveSlot moves a slot to another primary with all its keys.
func (s *scene) moveSlot(slot int) {
	s.t.Helper()
	from := s.at(s.ctx, slot).primary
	var to *testenv.Server
	slots, err := s.topology(s.ctx)
	s.must(err)
	for _, one := range slots {
		if n := s.node(one.Nodes[0].Addr); n != from {
			to = n
		}
	}
	a, b := s.direct(from), s.direct(to)
	defer a.Close()
	defer b.Close()
	id := func(c *redis.Client) string {
		text, err := c.ClusterMyID(s.ctx).Result()
		s.must(err)
		return text
	}
	aID, bID := id(a), id(b)
	do := func(c *redis.Client, args ...any) {
		s.t.Helper()
		s.must(c.Do(s.ctx, args...).Err())
	}
	do(b, "cluster", "setslot", slot, "importing", aID)
	do(a, "cluster", "setslot", slot, "migrating", bID)
	host, port, _ := strings.Cut(to.Addr(), ":")
	moved := 0
	for {
		keys, err := a.ClusterGetKeysInSlot(s.ctx, slot, 5).Result() // few at a time, so that it takes a while
		s.must(err)
		if len(keys) == 0 {
			break
		}
		args := []any{"migrate", host, port, "", 0, 5000, "keys"}
		for _, k := range keys {
			args = append(args, k)
		}
		do(a, args...)
		moved += len(keys)
		s.pause(30 * time.Millisecond)
	}
	do(b, "cluster", "setslot", slot, "node", bID)
	do(a, "cluster", "setslot", slot, "node", bID)
	s.note("slot %d with %d keys is moved from %s to %s", slot, moved, from.Addr(), to.Addr())
}

// primaries does something on every primary, past links.
func (s *scene) primaries(do func(ctx context.Context, c *redis.Client) error) error {
	slots, err := s.topology(s.ctx)
	if err != nil {
		return err
	}
	for _, one := range slots {
		c := s.direct(s.node(one.Nodes[0].Addr))
		err := do(s.ctx, c)
		_ = c.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", one.Nodes[0].Addr, err)
		}
	}
	return nil
}
