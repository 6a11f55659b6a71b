package sqlinbox

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/reward"
)

// handOver notes that notices are for the push service, in the transaction that writes them, so that none is forgotten.
func (s *Store) handOver(ctx context.Context, tx *sql.Tx, notices []reward.Notice) error {
	if !s.opts.HandOver {
		return nil
	}
	due := s.clock.Now().Add(s.opts.HandOverAfter).UnixMilli()
	flat := make([]any, 0, len(notices)*len(s.handovers.Columns))
	for _, n := range notices {
		flat = append(flat, n.ID, 0, due)
	}
	return s.handovers.Exec(ctx, tx, flat)
}

// Claim implements reward.Handovers. Two who ask at once may get the same notices: the service knows them by their ids.
func (s *Store) Claim(ctx context.Context, now, until time.Time, limit int) ([]reward.Handover, error) {
	list, err := s.claimable(ctx, now, limit)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	args := []any{until.UnixMilli()}
	for _, h := range list {
		args = append(args, h.ID)
	}
	return list, s.exec(ctx, "claim handovers", "UPDATE handovers SET due_at = ? WHERE notice IN ("+sqldb.Marks(len(list))+")", args...)
}

func (s *Store) claimable(ctx context.Context, now time.Time, limit int) ([]reward.Handover, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT "+columns+`, tries FROM handovers JOIN notices ON notices.id = handovers.notice
		WHERE due_at <= ? ORDER BY due_at LIMIT ?`, now.UnixMilli(), limit)
	if err != nil {
		return nil, fmt.Errorf("due handovers: %w", err)
	}
	defer rows.Close()
	var list []reward.Handover
	for rows.Next() {
		var h reward.Handover
		if h.Notice, err = scan(rows, &h.Tries); err != nil {
			return nil, fmt.Errorf("due handovers: %w", err)
		}
		list = append(list, h)
	}
	return list, rows.Err()
}

// Done implements reward.Handovers.
func (s *Store) Done(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	return s.exec(ctx, "forget handovers", "DELETE FROM handovers WHERE notice IN ("+sqldb.Marks(len(ids))+")", args...)
}

// exec runs a statement as a transaction, which takes its turn and is tried again where others were in its way.
func (s *Store) exec(ctx context.Context, what, statement string, args ...any) error {
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, statement, args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Later implements reward.Handovers. Each has a time of its own, and there are as many as a courier has under way at
// most, so a statement for each will do.
func (s *Store) Later(ctx context.Context, due map[string]time.Time) error {
	if len(due) == 0 {
		return nil
	}
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		for id, at := range due {
			if _, err := tx.ExecContext(ctx, "UPDATE handovers SET tries = tries + 1, due_at = ? WHERE notice = ?", at.UnixMilli(), id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("put handovers off: %w", err)
	}
	return nil
}

// Waiting implements reward.Handovers.
func (s *Store) Waiting(ctx context.Context, atMost int) (n int, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM handovers LIMIT ?) AS some", atMost).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count handovers: %w", err)
	}
	return n, nil
}
