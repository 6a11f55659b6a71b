package sqlledger

import (
	"context"
	"fmt"

	"github.com/shake-live/shake/reward"
)

// Sums adds up a run from its rows, not from the counters: an audit of the counters. It is one statement,
// so all its parts see the same moment.
func (s *Store) Sums(ctx context.Context, campaign string, run int64) (reward.Sums, error) {
	winners := `(SELECT DISTINCT user FROM rounds
		WHERE campaign = ? AND run = ? AND state = 'granted' AND paid > 0)`
	query := `SELECT
		(SELECT COUNT(*) FROM rounds WHERE campaign = ? AND run = ?),
		(SELECT COALESCE(SUM(paid), 0) FROM rounds WHERE campaign = ? AND run = ? AND state = 'granted'),
		(SELECT COALESCE(SUM(paid), 0) FROM rounds WHERE campaign = ? AND run = ? AND state = 'held'),
		(SELECT COUNT(*) FROM rounds WHERE campaign = ? AND run = ? AND state = 'held'),
		(SELECT COUNT(*) FROM dead_letters WHERE campaign = ? AND run = ? AND reader = 'ledger' AND back_at = 0),
		(SELECT COALESCE(SUM(amount), 0) FROM booked_fundings WHERE campaign = ? AND run = ?),
		(SELECT COALESCE(SUM(coins), 0) FROM entries WHERE account = ? AND ref >= ? AND ref < ?),
		(SELECT COALESCE(SUM(w.balance), 0) FROM ` + winners + ` u LEFT JOIN wallets w ON w.user = u.user) -
		(SELECT COALESCE(SUM(e.coins), 0) FROM ` + winners + ` u
			JOIN entries e ON e.account = ` + s.db.Concat("'user:'", "u.user") + `),
		(SELECT COALESCE(SUM(coins), 0) FROM entries WHERE ref >= ? AND ref < ?)`
	// Refs of the run begin with campaign.run and a dot; "/" is the letter after the dot.
	first, last := fmt.Sprintf("%s.%d.", campaign, run), fmt.Sprintf("%s.%d/", campaign, run)
	var args []any
	for range 6 {
		args = append(args, campaign, run)
	}
	args = append(args, reward.RunAccount(campaign, run), first, last)
	args = append(args, campaign, run, campaign, run, first, last)
	var sums reward.Sums
	err := s.db.QueryRowContext(ctx, query, args...).Scan(&sums.Rounds, &sums.Granted, &sums.Held, &sums.HeldRounds,
		&sums.Dead, &sums.Funded, &sums.RunBalance, &sums.UserDelta, &sums.ZeroSum)
	if err != nil {
		return reward.Sums{}, fmt.Errorf("sums of %s.%d: %w", campaign, run, err)
	}
	return sums, nil
}
