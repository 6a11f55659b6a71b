package sqlcatalog

import (
	"context"
	"time"

	"github.com/shake-live/shake/game"
)

// Retirable gives the runs that were settled before a time and are not retired, as they were last.
func (s *Store) Retirable(ctx context.Context, before time.Time) ([]*game.Campaign, error) {
	all, err := s.list(ctx, `SELECT r.doc FROM campaign_runs r LEFT JOIN retired_runs d ON d.campaign = r.campaign AND d.run = r.run
		WHERE d.run IS NULL ORDER BY r.campaign, r.run`)
	var settled []*game.Campaign
	for _, c := range all {
		if c.SettledAt != nil && c.SettledAt.Before(before) {
			settled = append(settled, c)
		}
	}
	return settled, err
}

// Retired notes that a run's keys are gone from Redis. It may be called again.
func (s *Store) Retired(ctx context.Context, id string, run int64, at time.Time) error {
	_, err := s.db.ExecContext(ctx, "INSERT INTO retired_runs (campaign, run, retired_at) VALUES (?, ?, ?)"+s.db.Keep("campaign", "run"),
		id, run, at.UnixMilli())
	return err
}

// WasRetired tells whether a run's keys are gone from Redis.
func (s *Store) WasRetired(ctx context.Context, id string, run int64) (bool, error) {
	var n int
	err := s.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM retired_runs WHERE campaign = ? AND run = ?", id, run).Scan(&n)
	return n > 0, err
}
