package sqlledger

import (
	"context"
	"fmt"

	"github.com/shake-live/shake/reward"
)

const selectAll = `SELECT campaign, run, user, number, start_epoch, shard, epoch, seq, started_at, shakes,
	elapsed_ms, computed, paid, total, chances_left, settled_at, state, reason FROM rounds
	WHERE campaign = ? AND run = ?`

const selectRounds = selectAll + " AND user = ?"

const selectRound = selectRounds + " AND number = ?"

// Round finds a player's round by its number. Should a number have been settled under two epochs, which a
// lost start can lead to, the later one is it.
func (s *Store) Round(ctx context.Context, campaign string, run int64, user string, number int64) (reward.Record, error) {
	r, err := s.round(ctx, selectRound+" ORDER BY start_epoch DESC LIMIT 1", campaign, run, user, number)
	if err != nil {
		return reward.Record{}, fmt.Errorf("round %d of %s.%d: %w", number, campaign, run, err)
	}
	return r, nil
}

// LastRound finds a player's last settled round of a run.
func (s *Store) LastRound(ctx context.Context, campaign string, run int64, user string) (reward.Record, error) {
	r, err := s.round(ctx, selectRounds+" ORDER BY number DESC, start_epoch DESC LIMIT 1", campaign, run, user)
	if err != nil {
		return reward.Record{}, fmt.Errorf("last round of %s.%d: %w", campaign, run, err)
	}
	return r, nil
}

// Total is the highest running total of a player in a run: what the rounds have brought, claims included, which are not
// always in the last round's total.
func (s *Store) Total(ctx context.Context, campaign string, run int64, user string) (int64, error) {
	var total int64
	err := s.db.QueryRowContext(ctx, `SELECT COALESCE(MAX(total), 0) FROM rounds WHERE campaign = ? AND run = ? AND user = ?`,
		campaign, run, user).Scan(&total)
	if err != nil {
		return 0, fmt.Errorf("total of %s.%d: %w", campaign, run, err)
	}
	return total, nil
}

// Passed tells whether the ledger has a later round of the player: entries of a shard come in order, so one with
// this number will not come any more.
func (s *Store) Passed(ctx context.Context, campaign string, run int64, user string, number int64) (bool, error) {
	var later int
	err := s.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM (SELECT 1 FROM rounds
		WHERE campaign = ? AND run = ? AND user = ? AND number > ? LIMIT 1) later`, campaign, run, user, number).Scan(&later)
	if err != nil {
		return false, fmt.Errorf("rounds after %d of %s.%d: %w", number, campaign, run, err)
	}
	return later > 0, nil
}

// RoundByID finds a round by its id.
func (s *Store) RoundByID(ctx context.Context, id string) (reward.Record, error) {
	p, err := reward.ParseRoundID(id)
	if err != nil {
		return reward.Record{}, fmt.Errorf("%w: %w", reward.ErrNotFound, err)
	}
	r, err := s.round(ctx, selectRound+" AND start_epoch = ?", p.Campaign, p.Run, p.User, p.Number, p.Epoch)
	if err != nil {
		return reward.Record{}, fmt.Errorf("round %s: %w", id, err)
	}
	return r, nil
}

func (s *Store) round(ctx context.Context, query string, args ...any) (reward.Record, error) {
	r, err := scanRound(s.db.QueryRowContext(ctx, query, args...))
	return r, notFound(err)
}

// scanRound reads a row of selectAll.
func scanRound(row interface{ Scan(...any) error }) (r reward.Record, err error) {
	err = row.Scan(&r.Source.Campaign, &r.Source.Run, &r.User, &r.Number,
		&r.StartEpoch, &r.Source.Shard, &r.Position.Epoch, &r.Position.Seq, &r.StartedAt, &r.Shakes, &r.ElapsedMS,
		&r.Computed, &r.Paid, &r.Total, &r.ChancesLeft, &r.SettledAt, &r.State, &r.Reason)
	r.ID = r.Round.ID(r.Source)
	return r, err
}
