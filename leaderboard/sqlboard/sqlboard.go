// Package sqlboard keeps final boards in SQL: built once from the rounds that the ledger granted, and never
// changed again.
package sqlboard

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/leaderboard"
)

// Store is the final boards of one database.
type Store struct {
	db    *sqldb.DB
	clock clock.Clock
}

// New works on a database whose schema is there by the first call.
func New(db *sqldb.DB, clock clock.Clock) *Store { return &Store{db: db, clock: clock} }

// Frozen tells whether the run has its final board.
func (s *Store) Frozen(ctx context.Context, run event.Run) (bool, error) {
	var n int
	err := s.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM final_boards WHERE campaign = ? AND run = ?",
		run.Campaign, run.Number).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("final board: %w", err)
	}
	return n > 0, nil
}

// Size implements leaderboard.Board.
func (s *Store) Size(ctx context.Context, run event.Run) (int64, error) {
	var players int64
	err := s.db.QueryRowContext(ctx, "SELECT players FROM final_boards WHERE campaign = ? AND run = ?",
		run.Campaign, run.Number).Scan(&players)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("final board: %w", err)
	}
	return players, nil
}

// Range implements leaderboard.Board.
func (s *Store) Range(ctx context.Context, run event.Run, from int64, limit int) ([]leaderboard.Entry, error) {
	return s.between(ctx, run, from+1, from+int64(leaderboard.PageSize(limit)))
}

// Rank implements leaderboard.Board.
func (s *Store) Rank(ctx context.Context, run event.Run, user string) (leaderboard.Entry, error) {
	e := leaderboard.Entry{User: user}
	err := s.db.QueryRowContext(ctx, `SELECT place, coins FROM final_places
		WHERE campaign = ? AND run = ? AND user = ?`, run.Campaign, run.Number, user).Scan(&e.Rank, &e.Coins)
	if errors.Is(err, sql.ErrNoRows) {
		err = leaderboard.ErrNotRanked
	}
	if err != nil {
		return leaderboard.Entry{}, fmt.Errorf("final board: %w", err)
	}
	return e, nil
}

// Around implements leaderboard.Board. A final board stands still, so two questions see the same one.
func (s *Store) Around(ctx context.Context, run event.Run, user string, n int) ([]leaderboard.Entry, error) {
	own, err := s.Rank(ctx, run, user)
	if err != nil {
		return nil, err
	}
	side := int64(leaderboard.PageSize(2*n) / 2)
	return s.between(ctx, run, own.Rank-side, own.Rank+side)
}

func (s *Store) between(ctx context.Context, run event.Run, first, last int64) ([]leaderboard.Entry, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT place, user, coins FROM final_places
		WHERE campaign = ? AND run = ? AND place BETWEEN ? AND ? ORDER BY place`, run.Campaign, run.Number, first, last)
	if err != nil {
		return nil, fmt.Errorf("final board: %w", err)
	}
	defer rows.Close()
	var entries []leaderboard.Entry
	for rows.Next() {
		var e leaderboard.Entry
		if err := rows.Scan(&e.Rank, &e.User, &e.Coins); err != nil {
			return nil, fmt.Errorf("final board: %w", err)
		}
		entries = append(entries, e)
	}
	return entries, rows.Err()
}

// Coins implements leaderboard.Board.
func (s *Store) Coins(ctx context.Context, run event.Run, users []string) (map[string]int64, error) {
	coins := make(map[string]int64, len(users))
	if len(users) == 0 {
		return coins, nil
	}
	args := []any{run.Campaign, run.Number}
	for _, u := range users {
		args = append(args, u)
	}
	rows, err := s.db.QueryContext(ctx, `SELECT user, coins FROM final_places
		WHERE campaign = ? AND run = ? AND user IN (`+sqldb.Marks(len(users))+`)`, args...)
	if err != nil {
		return nil, fmt.Errorf("final board: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var user string
		var n int64
		if err := rows.Scan(&user, &n); err != nil {
			return nil, fmt.Errorf("final board: %w", err)
		}
		coins[user] = n
	}
	return coins, rows.Err()
}
