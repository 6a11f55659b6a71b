// Package sqlinbox keeps each player's notices in SQL: one for a round and kind, however often its entry
// comes.
package sqlinbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/reward"
	"github.com/shake-live/shake/reward/sqlcursor"
)

// Reader is the inbox's name among the readers of entries.
const Reader = "notices"

// Store is the inbox in one database.
type Store struct {
	db      *sqldb.DB
	clock   clock.Clock
	cursors *sqlcursor.Store
	notices *sqldb.Bulk
	pushes  *sqldb.Bulk

	handovers *sqldb.Bulk
	opts      Options
}

// Options say what else becomes of notices.
type Options struct {
	// HandOver also keeps each notice for a company's push service, which is to have it after HandOverAfter unless it
	// was shown by then.
	HandOver      bool
	HandOverAfter time.Duration
}

// New works on a database whose schema is there by the first call.
func New(db *sqldb.DB, clock clock.Clock, o Options) *Store {
	notices := db.Bulk(sqldb.Insert{
		Into: "notices",
		Columns: []string{"id", "user", "kind", "campaign", "run", "round", "coins", "title", "body", "params",
			"created_at", "receipted_at"},
		End: db.Keep("id"),
	})
	pushes := db.Bulk(sqldb.Insert{Into: "pushes", Columns: []string{"id", "user", "pushed_at", "again", "due_at"}, End: db.Keep("id")})
	handovers := db.Bulk(sqldb.Insert{Into: "handovers", Columns: []string{"notice", "tries", "due_at"}, End: db.Keep("notice")})
	return &Store{
		db: db, clock: clock, cursors: sqlcursor.New(db, Reader, clock), notices: notices, pushes: pushes, handovers: handovers, opts: o,
	}
}

// Apply writes the notices of a batch in one transaction; see reward.Mailbox.
func (s *Store) Apply(ctx context.Context, entries []event.Entry) (reward.Delivered, error) {
	if len(entries) == 0 {
		return reward.Delivered{}, nil
	}
	if err := s.ready(ctx); err != nil {
		return reward.Delivered{}, err
	}
	var d reward.Delivered
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		cursors, err := s.cursors.Lock(ctx, tx, entries)
		if err != nil {
			return err
		}
		reading := event.NewReading(cursors)
		var notices []reward.Notice
		for _, e := range entries {
			if reading.Take(e) {
				notices = append(notices, reward.Notices(e)...)
			}
		}
		written, err := s.post(ctx, tx, notices)
		if err != nil {
			return err
		}
		d = reward.Delivered{Tally: reading.Tally, Notices: written, Fresh: notices}
		return s.cursors.Save(ctx, tx, reading.Cursors)
	})
	if err != nil {
		return reward.Delivered{}, fmt.Errorf("notices of %d entries: %w", len(entries), err)
	}
	return d, d.Err()
}

// post writes notices and has them pushed and handed over.
func (s *Store) post(ctx context.Context, tx *sql.Tx, notices []reward.Notice) (written int, err error) {
	if written, err = s.write(ctx, tx, notices); err != nil {
		return 0, err
	}
	return written, errors.Join(s.schedule(ctx, tx, notices), s.handOver(ctx, tx, notices))
}

// PutBack writes the notices of an entry that was passed over; see reward.Mailbox.
func (s *Store) PutBack(ctx context.Context, e event.Entry, note string) (reward.Delivered, event.Return, error) {
	if err := s.ready(ctx); err != nil {
		return reward.Delivered{}, "", err
	}
	var d reward.Delivered
	r, passed, err := s.cursors.PutBack(ctx, e, note, func(tx *sql.Tx, _ event.Cursor) error {
		notices := reward.Notices(e)
		written, err := s.post(ctx, tx, notices)
		d = reward.Delivered{Notices: written, Fresh: notices}
		return err
	})
	if err != nil {
		return reward.Delivered{}, "", fmt.Errorf("put back %s %s: %w", e.Source, e.Position, err)
	}
	if !passed {
		d, err = s.Apply(ctx, []event.Entry{e})
		r = d.Tally.Return()
	}
	return d, r, err
}

// ready prepares the statements, which a transaction must not wait for.
func (s *Store) ready(ctx context.Context) error {
	return errors.Join(s.notices.Ready(ctx), s.pushes.Ready(ctx), s.handovers.Ready(ctx))
}

// Restore writes notices that are missing, outside of any reader's batch, and has them pushed as those of a batch are.
// What is there stays. It tells how many were new.
func (s *Store) Restore(ctx context.Context, notices []reward.Notice) (written int, err error) {
	err = s.db.Tx(ctx, func(tx *sql.Tx) (err error) {
		if written, err = s.write(ctx, tx, notices); err != nil || written == 0 {
			return err
		}
		return errors.Join(s.schedule(ctx, tx, notices), s.handOver(ctx, tx, notices))
	})
	if err != nil {
		return 0, fmt.Errorf("restore %d notices: %w", len(notices), err)
	}
	return written, nil
}

// write inserts notices and tells how many were new; one that is there stays, with its receipt.
func (s *Store) write(ctx context.Context, tx *sql.Tx, notices []reward.Notice) (int, error) {
	flat := make([]any, 0, len(notices)*len(s.notices.Columns))
	for _, n := range notices {
		params, err := json.Marshal(n.Params)
		if err != nil {
			return 0, err
		}
		flat = append(flat, n.ID, n.User, n.Kind, n.Campaign, n.Run, n.Round, n.Coins, n.Title, n.Body,
			string(params), n.At.UnixMilli(), 0)
	}
	return s.notices.Count(ctx, tx, flat)
}

// SkipDead passes over an entry that nobody could read.
func (s *Store) SkipDead(ctx context.Context, source event.Source, p event.Position, reason string) error {
	if err := s.cursors.SkipDead(ctx, source, p, reason); err != nil {
		return fmt.Errorf("skip %s %s: %w", source, p, err)
	}
	return nil
}

// Progress tells how far the notices are in each shard of a run.
func (s *Store) Progress(ctx context.Context, campaign string, run int64) (map[int]event.Cursor, error) {
	return s.cursors.All(ctx, campaign, run)
}
