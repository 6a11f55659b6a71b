package sqlledger

import (
	"context"
	"fmt"

	"github.com/shake-live/shake/reward"
)

// Progress tells how far the ledger is in each shard of a run, and what it has counted there, all as of one
// moment. A run is settled when this agrees with the pool.
func (s *Store) Progress(ctx context.Context, campaign string, run int64) (map[int]reward.Shard, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT c.shard, c.epoch, c.seq, c.fence,
			(SELECT COUNT(*) FROM dead_letters d WHERE d.reader = c.reader AND d.campaign = c.campaign
				AND d.run = c.run AND d.shard = c.shard AND d.back_at = 0),
			COALESCE(s.pool_left, 0), COALESCE(s.pool_issued, 0), COALESCE(s.funded, 0), COALESCE(s.sent, 0),
			COALESCE(s.received, 0), COALESCE(s.granted, 0), COALESCE(s.held, 0), COALESCE(s.refused, 0),
			COALESCE(s.rounds, 0)
		FROM cursors c LEFT JOIN shards s ON s.campaign = c.campaign AND s.run = c.run AND s.shard = c.shard
		WHERE c.reader = ? AND c.campaign = ? AND c.run = ?`, Reader, campaign, run)
	if err != nil {
		return nil, fmt.Errorf("progress of %s.%d: %w", campaign, run, err)
	}
	defer rows.Close()
	progress := make(map[int]reward.Shard)
	for rows.Next() {
		var shard int
		var p reward.Shard
		fields := append([]any{&shard, &p.Epoch, &p.Seq, &p.Fence, &p.Dead}, countFields(&p.Count)...)
		if err := rows.Scan(fields...); err != nil {
			return nil, err
		}
		progress[shard] = p
	}
	return progress, rows.Err()
}
