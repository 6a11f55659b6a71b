// Package sqlledger keeps the book of all coins in SQL: rounds, double entries, wallets and the count of
// each shard, with the cursor that says up to where.
//
// A batch is one transaction. Three walls stand one behind the other: the cursor (an entry counts once), the
// key of rounds (a round counts once, whatever entry it comes in), and the cap (a shard cannot give away
// more than it received, whatever its entries say).
package sqlledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/reward"
	"github.com/shake-live/shake/reward/sqlcursor"
)

// Reader is the ledger's name among the readers of entries.
const Reader = "ledger"

// Store is the ledger in one database.
type Store struct {
	db      *sqldb.DB
	cursors *sqlcursor.Store
	rounds  *sqldb.Bulk
	entries *sqldb.Bulk
	wallets *sqldb.Bulk
}

// New works on a database whose schema is there by the first call.
func New(db *sqldb.DB, clock clock.Clock) *Store {
	return &Store{
		db: db, cursors: sqlcursor.New(db, Reader, clock),
		rounds: db.Bulk(insertRounds), entries: db.Bulk(insertEntries), wallets: db.Bulk(insertWallets(db)),
	}
}

// carefulTries bounds how often a batch starts over because another process wrote one of its rounds between
// our look and our insert; that takes two shards that claim the same round, in the same millisecond.
const carefulTries = 3

// Apply books a batch in one transaction; see reward.Book.
//
// It first assumes that no round is in the book already, which the cursor makes all but certain, and lets
// the key object. Only then it starts over and looks.
func (s *Store) Apply(ctx context.Context, entries []event.Entry) (reward.Applied, error) {
	if len(entries) == 0 {
		return reward.Applied{}, nil
	}
	if err := s.ready(ctx); err != nil {
		return reward.Applied{}, err
	}
	applied, err := s.apply(ctx, entries, false)
	for try := 0; sqldb.Duplicate(err) && try < carefulTries; try++ {
		applied, err = s.apply(ctx, entries, true)
	}
	if err != nil {
		return reward.Applied{}, fmt.Errorf("apply %d entries: %w", len(entries), err)
	}
	return applied, applied.Err()
}

// ready prepares the statements, which a transaction must not wait for.
func (s *Store) ready(ctx context.Context) error {
	return errors.Join(s.rounds.Ready(ctx), s.entries.Ready(ctx), s.wallets.Ready(ctx))
}

func (s *Store) apply(ctx context.Context, entries []event.Entry, careful bool) (reward.Applied, error) {
	var p reward.Posting
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		cursors, err := s.cursors.Lock(ctx, tx, entries)
		if err != nil {
			return err
		}
		counts, err := counts(ctx, tx, cursors)
		if err != nil {
			return err
		}
		p = reward.Post(cursors, counts, entries, nil)
		if careful {
			known, err := s.known(ctx, tx, p)
			if err != nil {
				return err
			}
			p = reward.Post(cursors, counts, entries, known)
		}
		return s.write(ctx, tx, p)
	})
	return p.Applied, err
}

// SkipDead passes over an entry that nobody could read.
func (s *Store) SkipDead(ctx context.Context, source event.Source, p event.Position, reason string) error {
	if err := s.cursors.SkipDead(ctx, source, p, reason); err != nil {
		return fmt.Errorf("skip %s %s: %w", source, p, err)
	}
	return nil
}

// notFound gives the domain's word for a row that is not there.
func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return reward.ErrNotFound
	}
	return err
}
