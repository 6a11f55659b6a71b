package sqlledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/reward"
)

var (
	countKey     = []string{"campaign", "run", "shard"}
	countColumns = []string{"pool_left", "pool_issued", "funded", "sent", "received",
		"granted", "held", "refused", "rounds"}
)

func countFields(c *reward.Count) []any {
	return []any{&c.Left, &c.Issued, &c.Funded, &c.Sent, &c.Received, &c.Granted, &c.Held, &c.Refused, &c.Rounds}
}

// counts reads what the ledger has counted in these sources. Their cursors are locked, and nobody writes
// counts without that lock.
func counts(ctx context.Context, tx *sql.Tx, of map[event.Source]event.Cursor) (map[event.Source]reward.Count, error) {
	all := make(map[event.Source]reward.Count, len(of))
	for s := range of {
		var c reward.Count
		err := tx.QueryRowContext(ctx, `SELECT pool_left, pool_issued, funded, sent, received, granted, held, refused,
			rounds FROM shards WHERE campaign = ? AND run = ? AND shard = ?`, s.Campaign, s.Run, s.Shard).
			Scan(countFields(&c)...)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("counts of %s: %w", s, err)
		}
		all[s] = c
	}
	return all, nil
}

func (s *Store) writeCounts(ctx context.Context, tx *sql.Tx, p reward.Posting) error {
	in := sqldb.Insert{Into: "shards", Columns: append(countKey[:3:3], countColumns...),
		End: s.db.Set(countKey, countColumns)}
	var flat []any
	for source, c := range p.Counts {
		flat = append(flat, source.Campaign, source.Run, source.Shard, c.Left, c.Issued, c.Funded, c.Sent,
			c.Received, c.Granted, c.Held, c.Refused, c.Rounds)
	}
	return in.Exec(ctx, tx, flat)
}
