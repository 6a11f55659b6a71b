// Package sqlcursor keeps how far each reader of entries has come, beside what the reader writes: the cursor
// moves in the transaction that does the work, so no entry counts twice and none is left out.
package sqlcursor

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/internal/sqldb"
)

// Store is the cursors of one reader.
type Store struct {
	db     *sqldb.DB
	reader string
	clock  clock.Clock
}

// New names the reader: one that shares its name with another shares its cursors.
func New(db *sqldb.DB, reader string, clock clock.Clock) *Store {
	return &Store{db: db, reader: reader, clock: clock}
}

// run is what cursors are read by: the sources of a batch mostly belong to one.
type run struct {
	campaign string
	number   int64
}

// Lock gives the cursors of the entries' sources and keeps them locked until tx ends, so that a second
// process with the same batch waits and then finds it counted.
func (s *Store) Lock(ctx context.Context, tx *sql.Tx, entries []event.Entry) (map[event.Source]event.Cursor, error) {
	cursors := make(map[event.Source]event.Cursor)
	for _, e := range entries {
		cursors[e.Source] = event.Cursor{}
	}
	sources := sorted(cursors)
	found, err := s.read(ctx, tx, sources, cursors)
	if err != nil || found == len(sources) {
		return cursors, err
	}
	// A row that is not there cannot be locked: put it there first.
	if err := s.write(ctx, tx, cursors, s.db.Keep("reader", "campaign", "run", "shard")); err != nil {
		return nil, err
	}
	_, err = s.read(ctx, tx, sources, cursors)
	return cursors, err
}

// Save writes the cursors that Lock gave, moved on.
func (s *Store) Save(ctx context.Context, tx *sql.Tx, cursors map[event.Source]event.Cursor) error {
	return s.write(ctx, tx, cursors, s.db.Set(
		[]string{"reader", "campaign", "run", "shard"}, []string{"epoch", "seq", "fence"}))
}

// read fills in the cursors that are stored, run by run, in the order of sources: everybody locks in the
// same order. It tells how many were there.
func (s *Store) read(ctx context.Context, tx *sql.Tx, sources []event.Source, into map[event.Source]event.Cursor) (int, error) {
	found := 0
	for len(sources) > 0 {
		r := run{sources[0].Campaign, sources[0].Run}
		args := []any{s.reader, r.campaign, r.number}
		for len(sources) > 0 && (run{sources[0].Campaign, sources[0].Run}) == r {
			args = append(args, sources[0].Shard)
			sources = sources[1:]
		}
		n, err := s.readRun(ctx, tx, args, into)
		if err != nil {
			return 0, fmt.Errorf("cursors of %s.%d: %w", r.campaign, r.number, err)
		}
		found += n
	}
	return found, nil
}

func (s *Store) readRun(ctx context.Context, tx *sql.Tx, args []any, into map[event.Source]event.Cursor) (int, error) {
	rows, err := tx.QueryContext(ctx, `SELECT campaign, run, shard, epoch, seq, fence FROM cursors
		WHERE reader = ? AND campaign = ? AND run = ? AND shard IN (`+sqldb.Marks(len(args)-3)+`)
		ORDER BY shard`+s.db.ForUpdate(), args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	found := 0
	for ; rows.Next(); found++ {
		source, c, err := scan(rows)
		if err != nil {
			return 0, err
		}
		into[source] = c
	}
	return found, rows.Err()
}

func (s *Store) write(ctx context.Context, tx *sql.Tx, cursors map[event.Source]event.Cursor, end string) error {
	in := sqldb.Insert{
		Into:    "cursors",
		Columns: []string{"reader", "campaign", "run", "shard", "epoch", "seq", "fence"},
		End:     end,
	}
	var flat []any
	for _, source := range sorted(cursors) {
		c := cursors[source]
		flat = append(flat, s.reader, source.Campaign, source.Run, source.Shard, c.Epoch, c.Seq, c.Fence)
	}
	return in.Exec(ctx, tx, flat)
}

// All gives the cursors of a run by shard.
func (s *Store) All(ctx context.Context, campaign string, number int64) (map[int]event.Cursor, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT campaign, run, shard, epoch, seq, fence FROM cursors
		WHERE reader = ? AND campaign = ? AND run = ?`, s.reader, campaign, number)
	if err != nil {
		return nil, fmt.Errorf("cursors of %s.%d: %w", campaign, number, err)
	}
	defer rows.Close()
	all := make(map[int]event.Cursor)
	for rows.Next() {
		source, c, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all[source.Shard] = c
	}
	return all, rows.Err()
}

func scan(rows *sql.Rows) (s event.Source, c event.Cursor, err error) {
	err = rows.Scan(&s.Campaign, &s.Run, &s.Shard, &c.Epoch, &c.Seq, &c.Fence)
	return s, c, err
}

func sorted[V any](m map[event.Source]V) []event.Source {
	return slices.SortedFunc(maps.Keys(m), func(a, b event.Source) int {
		return cmp.Or(cmp.Compare(a.Campaign, b.Campaign), cmp.Compare(a.Run, b.Run), cmp.Compare(a.Shard, b.Shard))
	})
}
