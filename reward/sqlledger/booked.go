package sqlledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/reward"
)

// Booked looks for a round that was settled at a position of its shard. It is one statement: what it does not find then
// is not among the entries up to where it says that the ledger has read.
func (s *Store) Booked(ctx context.Context, source event.Source, at event.Position, id reward.RoundID) (reward.Booked, error) {
	var b reward.Booked
	var state sql.NullString
	var paid sql.NullInt64
	err := s.db.QueryRowContext(ctx, `SELECT c.epoch, c.seq,
			(SELECT COUNT(*) FROM dead_letters d WHERE d.reader = c.reader AND d.campaign = c.campaign AND d.run = c.run
				AND d.shard = c.shard AND d.back_at = 0 AND (d.epoch > ? OR (d.epoch = ? AND d.seq >= ?))),
			r.state, r.paid
		FROM cursors c LEFT JOIN rounds r ON r.campaign = c.campaign AND r.run = c.run AND r.user = ? AND r.number = ?
			AND r.start_epoch = ?
		WHERE c.reader = ? AND c.campaign = ? AND c.run = ? AND c.shard = ?`,
		at.Epoch, at.Epoch, at.Seq, id.User, id.Number, id.Epoch, Reader, source.Campaign, source.Run, source.Shard).
		Scan(&b.Read.Epoch, &b.Read.Seq, &b.Dead, &state, &paid)
	if errors.Is(err, sql.ErrNoRows) {
		return reward.Booked{}, nil
	}
	if err != nil {
		return reward.Booked{}, fmt.Errorf("booked %s: %w", id, err)
	}
	b.Found, b.State, b.Paid = state.Valid, reward.State(state.String), paid.Int64
	return b, nil
}
