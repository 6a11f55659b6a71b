// Package sqlaudit reads what SQL has of a run as of one moment, and mends it on record.
//
// It reads the tables of ledger, inbox, boards and campaigns itself: an audit that asked their stores would believe what
// they believe.
package sqlaudit

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/ops/reconcile"
	"github.com/shake-live/shake/reward"
)

// Store reads and mends one database.
type Store struct {
	db    *sqldb.DB
	clock clock.Clock
	deps  Deps
}

// Deps are the stores whose own ways a repair takes.
type Deps struct {
	// Feed hands the ledger what the log has of a source.
	Feed func(ctx context.Context, source event.Source) error
	// Notify writes the notice of a round, and has it pushed.
	Notify func(ctx context.Context, notices []reward.Notice) error
	// Score sets a score of the live board that is still before, and tells whether it is as wanted now.
	Score func(ctx context.Context, run event.Run, user string, before, after int64) (bool, error)
}

// New works on a database whose schema is there by the first call.
func New(db *sqldb.DB, clock clock.Clock, d Deps) *Store {
	return &Store{db: db, clock: clock, deps: d}
}

// Look implements reconcile.Books: one transaction that only reads, and sees what was committed when it began.
func (s *Store) Look(ctx context.Context, run event.Run) (reconcile.Snapshot, error) {
	tx, err := s.db.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return &look{db: s.db, tx: tx, run: run}, nil
}

// Orders implements reconcile.Books.
func (s *Store) Orders(ctx context.Context, run event.Run) ([]reconcile.Order, error) {
	return orders(ctx, s.db.DB, run)
}

type look struct {
	db  *sqldb.DB
	tx  *sql.Tx
	run event.Run
}

// Close ends the snapshot.
func (l *look) Close() error { return l.tx.Rollback() }

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// each calls fn for each row of a query.
func each(ctx context.Context, q querier, fn func(*sql.Rows) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func orders(ctx context.Context, q querier, run event.Run) (list []reconcile.Order, err error) {
	err = each(ctx, q, func(rows *sql.Rows) error {
		var o reconcile.Order
		err := rows.Scan(&o.Number, &o.Amount, &o.State)
		list = append(list, o)
		return err
	}, "SELECT number, amount, state FROM fundings WHERE campaign = ? AND run = ? ORDER BY number", run.Campaign, run.Number)
	if err != nil {
		err = fmt.Errorf("orders of coins: %w", err)
	}
	return list, err
}

// Orders implements reconcile.Snapshot.
func (l *look) Orders(ctx context.Context) ([]reconcile.Order, error) {
	return orders(ctx, l.tx, l.run)
}

// Progress implements reconcile.Snapshot.
func (l *look) Progress(ctx context.Context) (map[int]reward.Shard, error) {
	progress := map[int]reward.Shard{}
	err := each(ctx, l.tx, func(rows *sql.Rows) error {
		var shard int
		var p reward.Shard
		err := rows.Scan(&shard, &p.Epoch, &p.Seq, &p.Fence, &p.Dead, &p.Left, &p.Issued, &p.Funded, &p.Sent, &p.Received, &p.Granted, &p.Held,
			&p.Refused, &p.Rounds)
		progress[shard] = p
		return err
	}, `SELECT c.shard, c.epoch, c.seq, c.fence,
			(SELECT COUNT(*) FROM dead_letters d WHERE d.reader = c.reader AND d.campaign = c.campaign AND d.run = c.run AND d.shard = c.shard AND d.back_at = 0),
			COALESCE(s.pool_left, 0), COALESCE(s.pool_issued, 0), COALESCE(s.funded, 0), COALESCE(s.sent, 0), COALESCE(s.received, 0),
			COALESCE(s.granted, 0), COALESCE(s.held, 0), COALESCE(s.refused, 0), COALESCE(s.rounds, 0)
		FROM cursors c LEFT JOIN shards s ON s.campaign = c.campaign AND s.run = c.run AND s.shard = c.shard
		WHERE c.reader = 'ledger' AND c.campaign = ? AND c.run = ?`, l.run.Campaign, l.run.Number)
	return progress, wrap("progress of the ledger", err)
}

func wrap(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Notified implements reconcile.Snapshot.
func (l *look) Notified(ctx context.Context) (map[int]event.Cursor, error) {
	cursors := map[int]event.Cursor{}
	err := each(ctx, l.tx, func(rows *sql.Rows) error {
		var shard int
		var c event.Cursor
		err := rows.Scan(&shard, &c.Epoch, &c.Seq, &c.Fence)
		cursors[shard] = c
		return err
	}, "SELECT shard, epoch, seq, fence FROM cursors WHERE reader = 'notices' AND campaign = ? AND run = ?", l.run.Campaign, l.run.Number)
	return cursors, wrap("progress of the notices", err)
}

// Letters implements reconcile.Snapshot.
func (l *look) Letters(ctx context.Context) (list []reconcile.Letter, err error) {
	err = each(ctx, l.tx, func(rows *sql.Rows) error {
		var r reconcile.Letter
		var back int64
		err := rows.Scan(&r.Reader, &r.Shard, &r.At.Epoch, &r.At.Seq, &back, &r.Entry, &r.Note)
		r.Back = back > 0
		list = append(list, r)
		return err
	}, "SELECT reader, shard, epoch, seq, back_at, entry, note FROM dead_letters WHERE campaign = ? AND run = ? ORDER BY reader", l.run.Campaign, l.run.Number)
	return list, wrap("dead letters", err)
}

// Fundings implements reconcile.Snapshot.
func (l *look) Fundings(ctx context.Context) (list []reward.Funding, err error) {
	err = each(ctx, l.tx, func(rows *sql.Rows) error {
		f := reward.Funding{Source: l.run.Source(event.Bank)}
		err := rows.Scan(&f.Number, &f.Amount, &f.Position.Epoch, &f.Position.Seq, &f.At)
		list = append(list, f)
		return err
	}, "SELECT number, amount, epoch, seq, booked_at FROM booked_fundings WHERE campaign = ? AND run = ?", l.run.Campaign, l.run.Number)
	return list, wrap("booked fundings", err)
}

// some is how many names stand in one statement.
const some = 200

// byUsers runs a query for all, or for some users at a time, with a condition on the column before the query's end.
func (l *look) byUsers(ctx context.Context, users []string, column, prefix string, fn func(*sql.Rows) error, query string, args ...any) error {
	if users == nil {
		return each(ctx, l.tx, fn, query, args...)
	}
	for len(users) > 0 {
		n := min(len(users), some)
		all := append([]any{}, args...)
		for _, u := range users[:n] {
			all = append(all, prefix+u)
		}
		if err := each(ctx, l.tx, fn, query+" AND "+column+" IN ("+sqldb.Marks(n)+")", all...); err != nil {
			return err
		}
		users = users[n:]
	}
	return nil
}

// Rounds implements reconcile.Snapshot.
func (l *look) Rounds(ctx context.Context, users []string, fn func(*reward.Record) error) error {
	var r reward.Record
	var state string
	source := l.run.Source(0)
	row := func(rows *sql.Rows) error {
		r.Source, state = source, ""
		err := rows.Scan(&r.User, &r.Number, &r.StartEpoch, &r.Source.Shard, &r.Position.Epoch, &r.Position.Seq, &r.StartedAt, &r.Shakes,
			&r.ElapsedMS, &r.Computed, &r.Paid, &r.Total, &r.ChancesLeft, &r.SettledAt, &state)
		if err != nil {
			return err
		}
		r.State, r.ID = reward.State(state), ""
		if users != nil {
			r.ID = r.Round.ID(r.Source)
		}
		return fn(&r)
	}
	return wrap("rounds", l.byUsers(ctx, users, "user", "", row, `SELECT user, number, start_epoch, shard, epoch, seq, started_at, shakes, elapsed_ms,
		computed, paid, total, chances_left, settled_at, state FROM rounds WHERE campaign = ? AND run = ?`, l.run.Campaign, l.run.Number))
}

// Book implements reconcile.Snapshot. The book has no index by run, so all of it is read, on the server; with users, the
// accounts of these and the run's own.
func (l *look) Book(ctx context.Context, users []string, fn func(reconcile.Booked) error) error {
	first, last := l.refs()
	row := func(rows *sql.Rows) error {
		var e reconcile.Booked
		if err := rows.Scan(&e.Account, &e.Ref, &e.Kind, &e.Coins, &e.At); err != nil {
			return err
		}
		return fn(e)
	}
	const query = "SELECT account, ref, kind, coins, booked_at FROM entries WHERE ref >= ? AND ref < ?"
	err := l.byUsers(ctx, users, "account", "user:", row, query, first, last)
	if err == nil && users != nil {
		err = each(ctx, l.tx, row, query+" AND account < 'user:'", first, last)
		if err == nil {
			err = each(ctx, l.tx, row, query+" AND account >= 'user;'", first, last)
		}
	}
	return wrap("book", err)
}

// refs are bounds of what begins with campaign.run and a dot; "/" is the letter after the dot.
func (l *look) refs() (first, last string) {
	return fmt.Sprintf("%s.%d.", l.run.Campaign, l.run.Number), fmt.Sprintf("%s.%d/", l.run.Campaign, l.run.Number)
}

// Wallets implements reconcile.Snapshot.
func (l *look) Wallets(ctx context.Context, users []string, fn func(reconcile.Wallet) error) error {
	if users != nil {
		return wrap("wallets", l.walletsOf(ctx, users, fn))
	}
	query := `SELECT user, balance, total FROM (SELECT u.user,
			COALESCE((SELECT w.balance FROM wallets w WHERE w.user = u.user), 0) AS balance,
			COALESCE((SELECT SUM(e.coins) FROM entries e WHERE e.account = ` + l.db.Concat("'user:'", "u.user") + `), 0) AS total
		FROM (SELECT DISTINCT user FROM rounds WHERE campaign = ? AND run = ?) u) sums WHERE balance <> total`
	return wrap("wallets", each(ctx, l.tx, func(rows *sql.Rows) error {
		var w reconcile.Wallet
		if err := rows.Scan(&w.User, &w.Balance, &w.Sum); err != nil {
			return err
		}
		return fn(w)
	}, query, l.run.Campaign, l.run.Number))
}

func (l *look) walletsOf(ctx context.Context, users []string, fn func(reconcile.Wallet) error) error {
	wallets := make(map[string]*reconcile.Wallet, len(users))
	for _, u := range users {
		wallets[u] = &reconcile.Wallet{User: u}
	}
	err := l.byUsers(ctx, users, "user", "", func(rows *sql.Rows) error {
		var user string
		var n int64
		err := rows.Scan(&user, &n)
		if w := wallets[user]; w != nil {
			w.Balance = n
		}
		return err
	}, "SELECT user, balance FROM wallets WHERE 1 = 1")
	if err != nil {
		return err
	}
	err = l.byUsers(ctx, users, "account", "user:", func(rows *sql.Rows) error {
		var account string
		var n int64
		err := rows.Scan(&account, &n)
		if w := wallets[account[len("user:"):]]; err == nil && w != nil {
			w.Sum += n
		}
		return err
	}, "SELECT account, coins FROM entries WHERE 1 = 1")
	if err != nil {
		return err
	}
	for _, u := range users {
		if err := fn(*wallets[u]); err != nil {
			return err
		}
	}
	return nil
}

// Notices implements reconcile.Snapshot. A notice's id is made of kind and round, so those of a campaign stand together
// in the table's key.
func (l *look) Notices(ctx context.Context, users []string, fn func(reconcile.Notice) error) error {
	query := "SELECT round, user, kind, coins FROM notices WHERE campaign = ? AND run = ?"
	args := []any{l.run.Campaign, l.run.Number}
	if users == nil {
		ids := idPrefix(reward.KindWin + "." + l.run.Campaign + ".")
		query += " AND id >= ? AND id < ?"
		args = append(args, ids, ids+"~") // behind all letters of an id
	}
	return wrap("notices", l.byUsers(ctx, users, "user", "", func(rows *sql.Rows) error {
		var n reconcile.Notice
		if err := rows.Scan(&n.Round, &n.User, &n.Kind, &n.Coins); err != nil {
			return err
		}
		return fn(n)
	}, query, args...))
}

// idPrefix is what the ids of all texts begin with that begin with text: base64 makes four letters of three.
func idPrefix(text string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(text[:len(text)/3*3]))
}

// Final implements reconcile.Snapshot.
func (l *look) Final(ctx context.Context, users []string, fn func(string, int64) error) (frozen bool, err error) {
	var n int
	err = l.tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM final_boards WHERE campaign = ? AND run = ?", l.run.Campaign, l.run.Number).Scan(&n)
	if err != nil || n == 0 {
		return false, wrap("final board", err)
	}
	return true, wrap("final board", l.byUsers(ctx, users, "user", "", func(rows *sql.Rows) error {
		var user string
		var coins int64
		if err := rows.Scan(&user, &coins); err != nil {
			return err
		}
		return fn(user, coins)
	}, "SELECT user, coins FROM final_places WHERE campaign = ? AND run = ?", l.run.Campaign, l.run.Number))
}
