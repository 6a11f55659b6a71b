// Package sqlletters keeps on record what was done about dead letters.
package sqlletters

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/shake-live/shake/event/letters"
	"github.com/shake-live/shake/internal/sqldb"
)

// Store implements letters.Store.
type Store struct{ db *sqldb.DB }

// New works on a database whose schema is there by the first call.
func New(db *sqldb.DB) *Store { return &Store{db: db} }

var _ letters.Store = (*Store)(nil)

const one = "(topic = ? AND log_partition = ? AND log_offset = ?)"

// some is how many letters stand in one statement.
const some = 100

// Notes implements letters.Store.
func (s *Store) Notes(ctx context.Context, ids []letters.ID) (map[letters.ID]letters.Note, error) {
	notes := map[letters.ID]letters.Note{}
	for len(ids) > 0 {
		n := min(len(ids), some)
		var args []any
		for _, id := range ids[:n] {
			args = append(args, id.Topic, id.Partition, id.Offset)
		}
		where := " WHERE " + strings.TrimSuffix(strings.Repeat(one+" OR ", n), " OR ") + " ORDER BY log_partition, log_offset, number"
		if err := errors.Join(s.edits(ctx, where, args, notes), s.resends(ctx, where, args, notes)); err != nil {
			return nil, fmt.Errorf("notes of dead letters: %w", err)
		}
		ids = ids[n:]
	}
	return notes, nil
}

func (s *Store) edits(ctx context.Context, where string, args []any, notes map[letters.ID]letters.Note) error {
	rows, err := s.db.QueryContext(ctx, "SELECT topic, log_partition, log_offset, number, edited_at, who, host, why, was, becomes FROM letter_edits"+where, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var e letters.Edit
		var at int64
		err := rows.Scan(&e.Letter.Topic, &e.Letter.Partition, &e.Letter.Offset, &e.Number, &at, &e.By.Name, &e.By.Host, &e.Why, &e.Before, &e.After)
		if err != nil {
			return err
		}
		e.At = time.UnixMilli(at).UTC()
		note := notes[e.Letter]
		note.Edits = append(note.Edits, e)
		notes[e.Letter] = note
	}
	return rows.Err()
}

func (s *Store) resends(ctx context.Context, where string, args []any, notes map[letters.ID]letters.Note) error {
	rows, err := s.db.QueryContext(ctx, "SELECT topic, log_partition, log_offset, number, sent_at, who, host, edit, outcome, successor FROM letter_resends"+where, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r letters.Resend
		var at int64
		err := rows.Scan(&r.Letter.Topic, &r.Letter.Partition, &r.Letter.Offset, &r.Number, &at, &r.By.Name, &r.By.Host, &r.Edit, &r.Outcome, &r.Successor)
		if err != nil {
			return err
		}
		r.At = time.UnixMilli(at).UTC()
		note := notes[r.Letter]
		note.Resends = append(note.Resends, r)
		notes[r.Letter] = note
	}
	return rows.Err()
}

// Edit implements letters.Store.
func (s *Store) Edit(ctx context.Context, e letters.Edit, after int64) error {
	in := sqldb.Insert{Into: "letter_edits", Columns: []string{
		"topic", "log_partition", "log_offset", "number", "edited_at", "who", "host", "why", "was", "becomes"}}
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		return in.Exec(ctx, tx, []any{e.Letter.Topic, e.Letter.Partition, e.Letter.Offset, after + 1, e.At.UnixMilli(), cut(e.By.Name, 255), cut(e.By.Host, 255),
			cut(e.Why, 1000), bytesOf(e.Before), bytesOf(e.After)})
	})
	if sqldb.Duplicate(err) {
		return letters.ErrStale
	}
	return err
}

// bytesOf is never nil, which would be NULL.
func bytesOf(b []byte) []byte { return append([]byte{}, b...) }

// resentTries bounds how often a number is taken anew because somebody else sent the same letter in the same moment.
const resentTries = 5

// Resent implements letters.Store.
func (s *Store) Resent(ctx context.Context, r letters.Resend) (err error) {
	for range resentTries {
		err = s.db.Tx(ctx, func(tx *sql.Tx) error {
			var n int64
			err := tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(number), 0) FROM letter_resends WHERE "+one, r.Letter.Topic, r.Letter.Partition, r.Letter.Offset).Scan(&n)
			if err != nil {
				return err
			}
			in := sqldb.Insert{Into: "letter_resends", Columns: []string{
				"topic", "log_partition", "log_offset", "number", "sent_at", "who", "host", "edit", "outcome", "successor"}}
			return in.Exec(ctx, tx, []any{r.Letter.Topic, r.Letter.Partition, r.Letter.Offset, n + 1, r.At.UnixMilli(), cut(r.By.Name, 255), cut(r.By.Host, 255),
				r.Edit, string(r.Outcome), cut(r.Successor, 300)})
		})
		if !sqldb.Duplicate(err) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("record that %s was sent again: %w", r.Letter, err)
	}
	return nil
}

func cut(text string, width int) string {
	return strings.ToValidUTF8(text[:min(len(text), width)], "")
}
