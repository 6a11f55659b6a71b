package sqlinbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/shake-live/shake/reward"
)

// Inbox gives a page of the player's notices, newest first, from below the cursor; "" is the first page.
// next is the cursor of the following page, "" when there is none.
func (s *Store) Inbox(ctx context.Context, user, before string, limit int) (page []reward.Notice, next string, err error) {
	limit = reward.PageSize(limit)
	from, err := reward.ParsePlace(before)
	if err != nil {
		return nil, "", err
	}
	// One row more than the page tells whether there is a next one.
	page, err = s.list(ctx, `WHERE user = ? AND created_at <= ? AND (created_at < ? OR id < ?)
		ORDER BY created_at DESC, id DESC LIMIT ?`, user, from.AtMS, from.AtMS, from.ID, limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("inbox: %w", err)
	}
	if len(page) > limit {
		page = page[:limit]
		last := page[limit-1]
		next = reward.Place{AtMS: last.At.UnixMilli(), ID: last.ID}.String()
	}
	return page, next, nil
}

// columns are a notice's, as scan reads them.
const columns = "id, kind, user, campaign, run, round, coins, title, body, params, created_at, receipted_at"

// scan reads a row of columns, and what stands behind them into more.
func scan(rows *sql.Rows, more ...any) (reward.Notice, error) {
	var n reward.Notice
	var params string
	var at, receipted int64
	err := rows.Scan(append([]any{&n.ID, &n.Kind, &n.User, &n.Campaign, &n.Run, &n.Round, &n.Coins, &n.Title, &n.Body, &params,
		&at, &receipted}, more...)...)
	if err != nil {
		return n, err
	}
	n.At = time.UnixMilli(at).UTC()
	if receipted != 0 {
		n.ReceiptedAt = time.UnixMilli(receipted).UTC()
	}
	return n, json.Unmarshal([]byte(params), &n.Params)
}

// shown ends what was to make the player see a notice. A handover that is left where this process knows of no push
// service is passed over by the courier, which sees the receipt.
func (s *Store) shown(ctx context.Context, tx *sql.Tx, id string) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM pushes WHERE id = ?", id); err != nil {
		return err
	}
	if !s.opts.HandOver {
		return nil
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM handovers WHERE notice = ?", id)
	return err
}

// Receipt records when the player's client showed the notice, which is pushed no more then. The first time counts, and
// is told; somebody else's notice is not found.
func (s *Store) Receipt(ctx context.Context, user, id string, at time.Time) (first bool, err error) {
	err = s.db.Tx(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE notices SET receipted_at = ?
			WHERE id = ? AND user = ? AND receipted_at = 0`, at.UnixMilli(), id, user)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if first = n > 0; first {
			return s.shown(ctx, tx, id)
		}
		var one int
		return tx.QueryRowContext(ctx, "SELECT 1 FROM notices WHERE id = ? AND user = ?", id, user).Scan(&one)
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = reward.ErrNotFound
	}
	if err != nil {
		return false, fmt.Errorf("receipt: %w", err)
	}
	return first, nil
}
