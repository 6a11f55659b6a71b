package sqlcursor

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/sqldb"
)

// SkipDead passes over an entry that nobody could read and records that.
func (s *Store) SkipDead(ctx context.Context, source event.Source, p event.Position, reason string) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		cursors, err := s.Lock(ctx, tx, []event.Entry{{Source: source}})
		if err != nil {
			return err
		}
		c, moved, err := cursors[source].SkipDead(source, p)
		if err != nil || !moved {
			return err
		}
		cursors[source] = c
		if err := s.bury(ctx, tx, source, p, reason); err != nil {
			return err
		}
		return s.Save(ctx, tx, cursors)
	})
}

// maxReason is the width of the column; what stands at the start of a reason says most.
const maxReason = 1000

func (s *Store) bury(ctx context.Context, tx *sql.Tx, source event.Source, p event.Position, reason string) error {
	in := sqldb.Insert{
		Into:    "dead_letters",
		Columns: []string{"reader", "campaign", "run", "shard", "epoch", "seq", "reason", "skipped_at"},
	}
	text := strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")
	return in.Exec(ctx, tx, []any{s.reader, source.Campaign, source.Run, source.Shard, p.Epoch, p.Seq,
		text, s.clock.Now().UnixMilli()})
}

// Dead tells whether the reader passed over an entry, and what was put back in its place since: nil if nothing was. Who
// asks holds the lock on the source's cursor.
func (s *Store) Dead(ctx context.Context, tx *sql.Tx, source event.Source, p event.Position) (passed bool, back []byte, err error) {
	var at int64
	err = tx.QueryRowContext(ctx, `SELECT back_at, entry FROM dead_letters
		WHERE reader = ? AND campaign = ? AND run = ? AND shard = ? AND epoch = ? AND seq = ?`,
		s.reader, source.Campaign, source.Run, source.Shard, p.Epoch, p.Seq).Scan(&at, &back)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil, nil
	}
	if at == 0 {
		back = nil
	}
	return err == nil, back, err
}

// PutBack lets count do what an entry asks for, if the reader has passed over it, and records that it did: both happen,
// or none. passed is false where the reader has not, and then nothing happens.
func (s *Store) PutBack(ctx context.Context, e event.Entry, note string, count func(tx *sql.Tx, at event.Cursor) error) (r event.Return, passed bool, err error) {
	value, err := e.Encode()
	if err != nil {
		return "", false, err
	}
	err = s.db.Tx(ctx, func(tx *sql.Tx) error {
		r, passed = event.Counted, false
		cursors, err := s.Lock(ctx, tx, []event.Entry{e})
		if err != nil {
			return err
		}
		var back []byte
		passed, back, err = s.Dead(ctx, tx, e.Source, e.Position)
		switch {
		case err != nil || !passed:
			return err
		case back != nil && !bytes.Equal(back, value):
			return event.ErrOther
		case back != nil:
			return nil
		}
		if err := count(tx, cursors[e.Source]); err != nil {
			return err
		}
		r = event.Counts
		return s.record(ctx, tx, e, value, note)
	})
	return r, passed, err
}

// Record notes that an entry was put back with a reader that keeps no record of its own.
func (s *Store) Record(ctx context.Context, e event.Entry, note string) error {
	value, err := e.Encode()
	if err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		in := sqldb.Insert{
			Into: "dead_letters", Columns: []string{"reader", "campaign", "run", "shard", "epoch", "seq", "reason", "skipped_at"},
			End: s.db.Keep("reader", "campaign", "run", "shard", "epoch", "seq"),
		}
		err := in.Exec(ctx, tx, []any{s.reader, e.Campaign, e.Run, e.Shard, e.Epoch, e.Seq, "", s.clock.Now().UnixMilli()})
		if err != nil {
			return err
		}
		return s.record(ctx, tx, e, value, note)
	})
}

// Recorded tells what was put back with such a reader; nil if nothing was.
func (s *Store) Recorded(ctx context.Context, source event.Source, p event.Position) (back []byte, err error) {
	err = s.db.Tx(ctx, func(tx *sql.Tx) error {
		_, back, err = s.Dead(ctx, tx, source, p)
		return err
	})
	return back, err
}

// maxNote is the width of the column.
const maxNote = 600

func (s *Store) record(ctx context.Context, tx *sql.Tx, e event.Entry, value []byte, note string) error {
	_, err := tx.ExecContext(ctx, `UPDATE dead_letters SET back_at = ?, entry = ?, note = ?
		WHERE reader = ? AND campaign = ? AND run = ? AND shard = ? AND epoch = ? AND seq = ?`,
		s.clock.Now().UnixMilli(), value, strings.ToValidUTF8(note[:min(len(note), maxNote)], ""),
		s.reader, e.Campaign, e.Run, e.Shard, e.Epoch, e.Seq)
	return err
}

// Instead gives the entry that was put back in a place, whichever of the readers has it; first is asked first. It
// gives reason where there is none.
func Instead(ctx context.Context, db *sqldb.DB, first string, source event.Source, p event.Position, reason error) (event.Entry, error) {
	rows, err := db.QueryContext(ctx, `SELECT reader, entry FROM dead_letters WHERE campaign = ? AND run = ? AND shard = ? AND epoch = ? AND seq = ?
		AND back_at > 0 ORDER BY reader`, source.Campaign, source.Run, source.Shard, p.Epoch, p.Seq)
	if err != nil {
		return event.Entry{}, fmt.Errorf("look for what was put back at %s %s: %w", source, p, err)
	}
	defer rows.Close()
	var value []byte
	for rows.Next() {
		var reader string
		var entry []byte
		if err := rows.Scan(&reader, &entry); err != nil {
			return event.Entry{}, fmt.Errorf("look for what was put back at %s %s: %w", source, p, err)
		}
		if value == nil || reader == first {
			value = entry
		}
	}
	if err := rows.Err(); err != nil {
		return event.Entry{}, fmt.Errorf("look for what was put back at %s %s: %w", source, p, err)
	}
	if value == nil {
		return event.Entry{}, reason
	}
	return event.Decode(value)
}
