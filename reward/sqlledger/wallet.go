package sqlledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/shake-live/shake/reward"
)

// Balance is what the player owns; somebody who never won owns nothing.
func (s *Store) Balance(ctx context.Context, user string) (int64, error) {
	var balance int64
	err := s.db.QueryRowContext(ctx, "SELECT balance FROM wallets WHERE user = ?", user).Scan(&balance)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("balance: %w", err)
	}
	return balance, nil
}

// History gives a page of the player's entries, newest first, from below the cursor; "" is the first page.
// next is the cursor of the following page, "" when there is none.
func (s *Store) History(ctx context.Context, user, before string, limit int) (page []reward.Entry, next string, err error) {
	limit = reward.PageSize(limit)
	from, kind, ref, err := parsePlace(before)
	if err != nil {
		return nil, "", err
	}
	// One row more than the page tells whether there is a next one.
	rows, err := s.db.QueryContext(ctx, `SELECT kind, ref, coins, booked_at FROM entries
		WHERE account = ? AND booked_at <= ? AND (booked_at < ? OR ref < ? OR (ref = ? AND kind < ?))
		ORDER BY booked_at DESC, ref DESC, kind DESC LIMIT ?`,
		reward.UserAccount(user), from.AtMS, from.AtMS, ref, ref, kind, limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("history: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var e reward.Entry
		var at int64
		if err := rows.Scan(&e.Kind, &e.Round, &e.Coins, &at); err != nil {
			return nil, "", err
		}
		if e.Campaign, e.Run, err = reward.RunOf(e.Round); err != nil {
			return nil, "", fmt.Errorf("history: %w", err)
		}
		e.ID, e.At = reward.ID(e.Kind, e.Round), time.UnixMilli(at).UTC()
		page = append(page, e)
	}
	if len(page) > limit {
		page = page[:limit]
		last := page[limit-1]
		next = reward.Place{AtMS: last.At.UnixMilli(), ID: last.ID}.String()
	}
	return page, next, rows.Err()
}

// parsePlace reads a history's cursor and takes the id in it apart.
func parsePlace(before string) (p reward.Place, kind, ref string, err error) {
	p, err = reward.ParsePlace(before)
	if err != nil || p.ID == "" {
		return p, "", "", err
	}
	if kind, ref, err = reward.ParseID(p.ID); err != nil {
		return p, "", "", fmt.Errorf("%w: %w", reward.ErrBadPage, err)
	}
	return p, kind, ref, nil
}
