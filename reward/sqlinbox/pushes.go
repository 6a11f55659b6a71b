package sqlinbox

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/shake-live/shake/reward"
)

// schedule notes that notices are being pushed now, and when each is to be pushed again.
func (s *Store) schedule(ctx context.Context, tx *sql.Tx, notices []reward.Notice) error {
	after, _ := reward.PushAgain(0)
	now := s.clock.Now()
	flat := make([]any, 0, len(notices)*len(s.pushes.Columns))
	for _, n := range notices {
		flat = append(flat, n.ID, n.User, now.UnixMilli(), 0, now.Add(after).UnixMilli())
	}
	return s.pushes.Exec(ctx, tx, flat)
}

// push is a notice that waits for a receipt.
type push struct {
	id       string
	pushedAt time.Time
	again    int
}

// Due implements reward.Outstanding. Two who ask at once may get the same notices: pages know them by their ids.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]reward.Notice, error) {
	due, err := s.due(ctx, now, limit)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	notices, err := s.byID(ctx, due)
	if err != nil {
		return nil, err
	}
	return notices, s.db.Tx(ctx, func(tx *sql.Tx) error { return putOff(ctx, tx, due) })
}

func (s *Store) due(ctx context.Context, now time.Time, limit int) ([]push, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id, pushed_at, again FROM pushes WHERE due_at <= ? ORDER BY due_at LIMIT ?", now.UnixMilli(), limit)
	if err != nil {
		return nil, fmt.Errorf("due pushes: %w", err)
	}
	defer rows.Close()
	var due []push
	for rows.Next() {
		var p push
		var at int64
		if err := rows.Scan(&p.id, &at, &p.again); err != nil {
			return nil, err
		}
		p.pushedAt = time.UnixMilli(at)
		due = append(due, p)
	}
	return due, rows.Err()
}

// putOff sets when each is to be pushed next, all of the same turn in one statement, and forgets those that were pushed
// for the last time.
func putOff(ctx context.Context, tx *sql.Tx, due []push) error {
	turns := map[int][]any{}
	for _, p := range due {
		turns[p.again] = append(turns[p.again], p.id)
	}
	for again, ids := range turns {
		statement, args := "DELETE FROM pushes", []any(nil)
		if after, more := reward.PushAgain(again + 1); more {
			statement, args = "UPDATE pushes SET again = again + 1, due_at = pushed_at + ?", []any{after.Milliseconds()}
		}
		statement += " WHERE again = ? AND id IN (" + marks(len(ids)) + ")"
		if _, err := tx.ExecContext(ctx, statement, append(append(args, again), ids...)...); err != nil {
			return fmt.Errorf("put pushes off: %w", err)
		}
	}
	return nil
}

func (s *Store) byID(ctx context.Context, due []push) ([]reward.Notice, error) {
	ids := make([]any, len(due))
	for i, p := range due {
		ids[i] = p.id
	}
	return s.list(ctx, "WHERE id IN ("+marks(len(ids))+")", ids...)
}

// Unseen implements reward.Outstanding.
func (s *Store) Unseen(ctx context.Context, users []string, limit int) ([]reward.Notice, error) {
	if len(users) == 0 {
		return nil, nil
	}
	args := make([]any, 0, len(users)+1)
	for _, u := range users {
		args = append(args, u)
	}
	return s.list(ctx, "WHERE id IN (SELECT id FROM pushes WHERE user IN ("+marks(len(users))+")) ORDER BY created_at, id LIMIT ?", append(args, limit)...)
}

// list gives the notices that the rest of a query picks.
func (s *Store) list(ctx context.Context, rest string, args ...any) ([]reward.Notice, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT "+columns+" FROM notices "+rest, args...)
	if err != nil {
		return nil, fmt.Errorf("notices: %w", err)
	}
	defer rows.Close()
	var list []reward.Notice
	for rows.Next() {
		n, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("notices: %w", err)
		}
		list = append(list, n)
	}
	return list, rows.Err()
}

func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }
