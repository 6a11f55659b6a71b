package rig

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/event/kafkabus"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/inventory/redispool"
	"github.com/shake-live/shake/leaderboard/redisboard"
	"github.com/shake-live/shake/reward/sqlinbox"
	"github.com/shake-live/shake/reward/sqlledger"
)

// Stores is a test's own view of all servers.
type Stores struct {
	Redis  *redisdb.DB
	Pools  *redispool.Store
	Board  *redisboard.Store
	Bus    *kafkabus.Bus
	Topic  string // of the entries
	SQL    *sqldb.DB
	Ledger *sqlledger.Store
	Inbox  *sqlinbox.Store
}

// Connect connects to the servers until the test ends.
func Connect(t *testing.T, s Servers) *Stores {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	st := &Stores{Topic: event.TopicsOf(s.Namespace).Entries}
	var err error
	st.Redis, err = redisdb.Open(ctx, redisdb.Options{Addrs: s.Redis, Cluster: s.Cluster})
	must(err)
	t.Cleanup(func() { _ = st.Redis.Close() })
	batcher := redisdb.NewBatcher(st.Redis, redisdb.BatchOptions{})
	t.Cleanup(func() { _ = batcher.Close() })
	st.Pools = redispool.New(batcher, redisdb.NewKeyCache(s.Namespace))
	st.Board = redisboard.New(st.Redis.Client(), s.Namespace)
	st.Bus, err = kafkabus.New(kafkabus.Options{Brokers: s.Kafka})
	must(err)
	t.Cleanup(func() { _ = st.Bus.Close() })
	st.SQL, err = sqldb.Open(ctx, sqldb.Options{Driver: "mysql", DSN: s.DSN})
	must(err)
	t.Cleanup(func() { _ = st.SQL.Close() })
	st.Ledger = sqlledger.New(st.SQL, clock.System{})
	st.Inbox = sqlinbox.New(st.SQL, clock.System{}, sqlinbox.Options{})
	return st
}

// Settled is nil when every pool of a run is open and everything that it ever told has reached ledger and inboxes.
func (s *Stores) Settled(ctx context.Context, run inventory.Run) error {
	all, err := inventory.Audit(ctx, s.Pools, run)
	ledger, err2 := s.Ledger.Progress(ctx, run.Campaign, run.Number)
	notices, err3 := s.Inbox.Progress(ctx, run.Campaign, run.Number)
	if err := errors.Join(err, err2, err3); err != nil {
		return err
	}
	for _, p := range all {
		if !p.Open || p.Pending > 0 || ledger[p.Shard].Position != p.Position || notices[p.Shard].Position.Before(p.Position) {
			return fmt.Errorf("%s: open %v, %d pending, at %s, ledger at %s, notices at %s", p.Source, p.Open, p.Pending,
				p.Position, ledger[p.Shard].Position, notices[p.Shard].Position)
		}
	}
	return nil
}

// Logged is what Kafka has of all runs, each entry once.
type Logged struct {
	Coins, Rounds int64
	Repeats       int64 // messages that came again
	Unreadable    int64
	Gaps          []string // what should not be
}

// Log reads all of Kafka's entries.
func (s *Stores) Log(ctx context.Context) (l Logged, err error) {
	partitions, err := s.Bus.Partitions(ctx, s.Topic)
	if err != nil {
		return l, err
	}
	cursors := map[event.Source]event.Cursor{}
	for p := range partitions {
		end, err := s.Bus.End(ctx, s.Topic, p)
		if err != nil {
			return l, err
		}
		err = s.Bus.Scan(ctx, s.Topic, p, 0, end, func(m event.Message) error {
			e, err := event.Decode(m.Value)
			if err != nil {
				l.Unreadable++
				return nil
			}
			switch at := cursors[e.Source]; at.Judge(e) {
			case event.Apply:
				cursors[e.Source] = at.Advance(e)
				l.Coins, l.Rounds = l.Coins+e.Paid(), l.Rounds+int64(len(e.Rounds))
			case event.Repeat:
				l.Repeats++
			case event.Gap:
				l.Gaps = append(l.Gaps, fmt.Sprintf("%s at %s got %s", e.Source, at.Position, e.Position))
			}
			return nil
		})
		if err != nil {
			return l, err
		}
	}
	return l, nil
}
