// Package sqlcatalog keeps campaigns, their runs and their fundings in SQL.
package sqlcatalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/inventory"
)

// Store implements game.Origin, and what the operators' door needs.
type Store struct{ db *sqldb.DB }

// New makes a Store.
func New(db *sqldb.DB) *Store { return &Store{db: db} }

// Campaign implements game.Origin.
func (s *Store) Campaign(ctx context.Context, id string) (*game.Campaign, error) {
	return one(s.db.QueryRowContext(ctx, "SELECT doc FROM campaigns WHERE id = ?", id))
}

// Run gives the last version of one run of a campaign, or game.ErrNotFound.
func (s *Store) Run(ctx context.Context, id string, run int64) (*game.Campaign, error) {
	return one(s.db.QueryRowContext(ctx, "SELECT doc FROM campaign_runs WHERE campaign = ? AND run = ?", id, run))
}

// Published implements game.Origin.
func (s *Store) Published(ctx context.Context, market string) ([]string, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id FROM campaigns WHERE market = ? OR ? = '' ORDER BY id", market, market)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// All gives every campaign, by id.
func (s *Store) All(ctx context.Context) ([]*game.Campaign, error) {
	return s.list(ctx, "SELECT doc FROM campaigns ORDER BY id")
}

// Unsettled gives the campaigns whose run is not settled, by id.
func (s *Store) Unsettled(ctx context.Context) ([]*game.Campaign, error) {
	return s.list(ctx, "SELECT doc FROM campaigns WHERE NOT settled ORDER BY id")
}

func (s *Store) list(ctx context.Context, query string) ([]*game.Campaign, error) {
	rows, err := s.db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []*game.Campaign
	for rows.Next() {
		c, err := one(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, rows.Err()
}

// one reads the campaign of a row.
func one(row interface{ Scan(...any) error }) (*game.Campaign, error) {
	var doc []byte
	if err := row.Scan(&doc); errors.Is(err, sql.ErrNoRows) {
		return nil, game.ErrNotFound
	} else if err != nil {
		return nil, err
	}
	var c game.Campaign
	if err := json.Unmarshal(doc, &c); err != nil {
		return nil, fmt.Errorf("stored campaign: %w", err)
	}
	return &c, nil
}

// Save stores a campaign whose stored version is still before (0: there is none), together with the orders of
// coins that the change asks for: either all of it happens, or none. game.ErrStaleVersion.
func (s *Store) Save(ctx context.Context, c *game.Campaign, before int64, orders ...inventory.Order) error {
	doc, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		if err := s.put(ctx, tx, c, before, doc); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO campaign_runs (campaign, run, doc) VALUES (?, ?, ?)"+
			s.db.Set([]string{"campaign", "run"}, []string{"doc"}), c.ID, c.Run, doc)
		if err != nil {
			return err
		}
		for _, o := range orders {
			if err := plan(ctx, tx, c.Life(), o); err != nil {
				return err
			}
		}
		return nil
	})
}

// put writes the row if its version is still the one before.
func (s *Store) put(ctx context.Context, tx *sql.Tx, c *game.Campaign, before int64, doc []byte) error {
	var result sql.Result
	var err error
	if before == 0 {
		result, err = tx.ExecContext(ctx, "INSERT INTO campaigns (id, market, version, run, settled, doc) VALUES (?, ?, ?, ?, ?, ?)"+
			s.db.Keep("id"), c.ID, c.Market, c.Version, c.Run, c.SettledAt != nil, doc)
	} else {
		result, err = tx.ExecContext(ctx, "UPDATE campaigns SET market = ?, version = ?, run = ?, settled = ?, doc = ? WHERE id = ? AND version = ?",
			c.Market, c.Version, c.Run, c.SettledAt != nil, doc, c.ID, before)
	}
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(game.ErrStaleVersion, err)
	}
	return nil
}

// plan gives an order the next number of its run. The campaign's row is locked by now, so nobody else numbers.
func plan(ctx context.Context, tx *sql.Tx, run inventory.Run, o inventory.Order) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO fundings (campaign, run, number, id, amount, state)
SELECT ?, ?, COALESCE(MAX(number), 0) + 1, ?, ?, 'pending' FROM fundings WHERE campaign = ? AND run = ?`,
		run.Campaign, run.Number, o.ID, o.Amount, run.Campaign, run.Number)
	return err
}

// PendingFundings are those that are not carried out yet, in order.
func (s *Store) PendingFundings(ctx context.Context, run inventory.Run) ([]event.Funding, error) {
	rows, err := s.db.QueryContext(ctx,
		"SELECT number, amount FROM fundings WHERE campaign = ? AND run = ? AND state = 'pending' ORDER BY number",
		run.Campaign, run.Number)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var pending []event.Funding
	for rows.Next() {
		var f event.Funding
		if err := rows.Scan(&f.Number, &f.Amount); err != nil {
			return nil, err
		}
		pending = append(pending, f)
	}
	return pending, rows.Err()
}

// FundingDone notes that a funding was carried out.
func (s *Store) FundingDone(ctx context.Context, run inventory.Run, number int64) error {
	return s.setState(ctx, run, number, "done")
}

// Order stores an order unless one of that id is there.
func (s *Store) Order(ctx context.Context, run inventory.Run, o inventory.Order) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		var n int
		// The campaign's row is the lock on its numbers.
		err := tx.QueryRowContext(ctx, "SELECT version FROM campaigns WHERE id = ?"+s.db.ForUpdate(), run.Campaign).Scan(&n)
		if err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM fundings WHERE id = ?", o.ID).Scan(&n); err != nil || n > 0 {
			return err
		}
		return plan(ctx, tx, run, o)
	})
}

// FundingRefused notes that a funding was given up; it keeps its number.
func (s *Store) FundingRefused(ctx context.Context, run inventory.Run, number int64) error {
	return s.setState(ctx, run, number, "refused")
}

func (s *Store) setState(ctx context.Context, run inventory.Run, number int64, state string) error {
	_, err := s.db.ExecContext(ctx, "UPDATE fundings SET state = ? WHERE campaign = ? AND run = ? AND number = ? AND state = 'pending'",
		state, run.Campaign, run.Number, number)
	return err
}

// Funded is the sum of a run's fundings, done or pending: what its bank was ever given, less what went back.
func (s *Store) Funded(ctx context.Context, run inventory.Run) (sum int64, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT COALESCE(SUM(amount), 0) FROM fundings WHERE campaign = ? AND run = ? AND state <> 'refused'",
		run.Campaign, run.Number).Scan(&sum)
	return sum, err
}
