package sqlaudit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/ops/reconcile"
	"github.com/shake-live/shake/reward"
)

// Outcomes of a repair.
const (
	done  = "done"
	moved = "moved" // it was no more as planned, and was left alone
)

// Mend implements reconcile.Mender.
func (s *Store) Mend(ctx context.Context, p *reconcile.Plan, number int, by reconcile.Who) (reconcile.Done, error) {
	a := &p.Actions[number]
	record := reconcile.Done{
		Plan: p.ID, Number: number, At: s.clock.Now().UTC().Truncate(time.Millisecond), Who: by.Name, Host: by.Host, Kind: a.Kind, Shard: a.Shard,
		Subject: a.Subject, Before: a.Before, After: a.After, Outcome: done,
	}
	step, ok := steps[a.Kind]
	if !ok {
		return record, fmt.Errorf("no repair is called %q", a.Kind)
	}
	if step.outside != nil { // what is not in this database comes first: it may be done twice
		right, err := step.outside(s, ctx, a)
		if err != nil {
			return record, err
		}
		if !right {
			record.Outcome = moved
		}
	}
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		fresh, err := s.record(ctx, tx, a.Source, &record)
		if err != nil || !fresh || step.inside == nil {
			return err
		}
		right, err := step.inside(s, ctx, tx, a)
		if err != nil || right {
			return err
		}
		record.Outcome = moved
		_, err = tx.ExecContext(ctx, "UPDATE repairs SET outcome = ? WHERE campaign = ? AND run = ? AND plan = ? AND number = ?",
			moved, a.Source.Campaign, a.Source.Run, p.ID, number)
		return err
	})
	if err == nil && a.Kind == "ledger.cursor" && record.Outcome == done {
		err = s.deps.Feed(ctx, a.Source)
	}
	return record, err
}

// step is how a kind of repair is done. Both tell whether what they found is what was planned for.
type step struct {
	outside func(*Store, context.Context, *reconcile.Action) (bool, error)
	inside  func(*Store, context.Context, *sql.Tx, *reconcile.Action) (bool, error)
}

var steps = map[string]step{
	"ledger.write":  {inside: (*Store).write},
	"ledger.row":    {inside: (*Store).rewrite},
	"ledger.count":  {inside: (*Store).recount},
	"ledger.cursor": {inside: (*Store).setCursor},
	"book.wallet":   {inside: (*Store).balance},
	"notice.write":  {outside: (*Store).notify},
	"board.score":   {outside: (*Store).score},
}

// record notes a repair, unless it is on record already: then it tells what was noted.
func (s *Store) record(ctx context.Context, tx *sql.Tx, source event.Source, r *reconcile.Done) (fresh bool, err error) {
	in := sqldb.Insert{
		Into: "repairs", End: s.db.Keep("campaign", "run", "plan", "number"),
		Columns: []string{"campaign", "run", "plan", "number", "done_at", "who", "host", "kind", "shard", "subject", "was", "becomes", "outcome"},
	}
	n, err := in.Count(ctx, tx, []any{source.Campaign, source.Run, r.Plan, r.Number, r.At.UnixMilli(), cut(r.Who, 255), cut(r.Host, 255), r.Kind, r.Shard,
		cut(r.Subject, 400), cut(r.Before, 1000), cut(r.After, 1000), r.Outcome})
	if err != nil || n == 1 {
		return n == 1, err
	}
	run := event.Run{Campaign: source.Campaign, Number: source.Run}
	return false, each(ctx, tx, func(rows *sql.Rows) (err error) {
		*r, err = scanDone(rows)
		return err
	}, selectDone+" AND plan = ? AND number = ?", run.Campaign, run.Number, r.Plan, r.Number)
}

func cut(text string, width int) string {
	return strings.ToValidUTF8(text[:min(len(text), width)], "")
}

const selectDone = "SELECT plan, number, done_at, who, host, kind, shard, subject, was, becomes, outcome FROM repairs WHERE campaign = ? AND run = ?"

func scanDone(rows *sql.Rows) (d reconcile.Done, err error) {
	var at int64
	err = rows.Scan(&d.Plan, &d.Number, &at, &d.Who, &d.Host, &d.Kind, &d.Shard, &d.Subject, &d.Before, &d.After, &d.Outcome)
	d.At = time.UnixMilli(at).UTC()
	return d, err
}

// Record implements reconcile.Mender.
func (s *Store) Record(ctx context.Context, run event.Run, plan string) (list []reconcile.Done, err error) {
	query, args := selectDone, []any{run.Campaign, run.Number}
	if plan != "" {
		query, args = query+" AND plan = ?", append(args, plan)
	}
	err = each(ctx, s.db, func(rows *sql.Rows) error {
		d, err := scanDone(rows)
		list = append(list, d)
		return err
	}, query+" ORDER BY done_at, number", args...)
	return list, wrap("repairs on record", err)
}

// lockCursor keeps the ledger from the source until the transaction ends, and tells where it stands.
func (s *Store) lockCursor(ctx context.Context, tx *sql.Tx, source event.Source) (p event.Position, err error) {
	err = tx.QueryRowContext(ctx, "SELECT epoch, seq FROM cursors WHERE reader = 'ledger' AND campaign = ? AND run = ? AND shard = ?"+s.db.ForUpdate(),
		source.Campaign, source.Run, source.Shard).Scan(&p.Epoch, &p.Seq)
	return p, err
}

var roundColumns = []string{"campaign", "run", "user", "number", "start_epoch", "shard", "epoch", "seq", "started_at", "shakes", "elapsed_ms", "computed",
	"paid", "total", "chances_left", "settled_at"}

// roundKey is how many of the columns are the round's id.
const roundKey = 5

func roundValues(a *reconcile.Action) []any {
	r := a.Round
	return []any{a.Source.Campaign, a.Source.Run, r.User, r.Number, r.StartEpoch, a.Source.Shard, a.At.Epoch, a.At.Seq, r.StartedAt, r.Shakes, r.ElapsedMS,
		r.Computed, r.Paid, r.Total, r.ChancesLeft, r.SettledAt}
}

// write puts in what is missing of a round: its row, its entries, and with the player's entry its coins. The history
// says that the shard paid them.
func (s *Store) write(ctx context.Context, tx *sql.Tx, a *reconcile.Action) (bool, error) {
	at, err := s.lockCursor(ctx, tx, a.Source)
	if err != nil || at.Before(a.At) { // the ledger will come to it by itself
		return false, ignoreNone(err)
	}
	if a.Row {
		n, err := sqldb.Insert{Into: "rounds", Columns: append(slices.Clone(roundColumns), "reason"), End: s.db.Keep("campaign", "run", "user", "number", "start_epoch")}.
			Count(ctx, tx, append(roundValues(a), a.Reason))
		if err != nil || n == 0 {
			return false, err
		}
	}
	var granted int
	err = tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM rounds WHERE campaign = ? AND run = ? AND user = ? AND number = ? AND start_epoch = ? AND state = 'granted'",
		roundValues(a)[:roundKey]...).Scan(&granted)
	if err != nil || granted == 0 {
		return false, err
	}
	return s.enter(ctx, tx, a)
}

func ignoreNone(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// enter books the sides that are missing.
func (s *Store) enter(ctx context.Context, tx *sql.Tx, a *reconcile.Action) (bool, error) {
	r, ref, kind := a.Round, a.Round.ID(a.Source), reward.Record{Reason: a.Reason}.Kind()
	in := sqldb.Insert{Into: "entries", Columns: []string{"account", "booked_at", "ref", "kind", "coins"}, End: s.db.Keep("account", "booked_at", "ref", "kind")}
	if a.Gave {
		if err := in.Exec(ctx, tx, []any{reward.RunAccount(a.Source.Campaign, a.Source.Run), r.SettledAt, ref, kind, -r.Paid}); err != nil {
			return false, err
		}
	}
	if !a.Got {
		return true, nil
	}
	w, err := s.lockWallet(ctx, tx, r.User)
	if err != nil {
		return false, err
	}
	var there int
	err = tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM entries WHERE account = ? AND ref = ? AND kind = ?", reward.UserAccount(r.User), ref, kind).Scan(&there)
	if err != nil || there > 0 {
		return false, err
	}
	if err := in.Exec(ctx, tx, []any{reward.UserAccount(r.User), r.SettledAt, ref, kind, r.Paid}); err != nil {
		return false, err
	}
	if w.Balance != w.Sum { // it had the coins before, or is another repair's
		return true, nil
	}
	_, err = tx.ExecContext(ctx, "UPDATE wallets SET balance = balance + ? WHERE user = ?", r.Paid, r.User)
	return true, err
}

// lockWallet keeps everybody else from the player's wallet until the transaction ends, and adds up its entries. Who
// books something writes the wallet last, so what is in the entries by then is in the balance.
func (s *Store) lockWallet(ctx context.Context, tx *sql.Tx, user string) (w reconcile.Wallet, err error) {
	w.User = user
	in := sqldb.Insert{Into: "wallets", Columns: []string{"user", "balance"}, End: s.db.Keep("user")}
	if err := in.Exec(ctx, tx, []any{user, 0}); err != nil {
		return w, err
	}
	if err := tx.QueryRowContext(ctx, "SELECT balance FROM wallets WHERE user = ?"+s.db.ForUpdate(), user).Scan(&w.Balance); err != nil {
		return w, err
	}
	err = tx.QueryRowContext(ctx, "SELECT COALESCE(SUM(coins), 0) FROM entries WHERE account = ?", reward.UserAccount(user)).Scan(&w.Sum)
	return w, err
}

// balance sets a wallet to the sum of its entries, if it is still off by as much as planned.
func (s *Store) balance(ctx context.Context, tx *sql.Tx, a *reconcile.Action) (bool, error) {
	w, err := s.lockWallet(ctx, tx, a.Subject)
	if err != nil || w.Balance-w.Sum != a.Off {
		return err == nil && w.Balance == w.Sum, err
	}
	_, err = tx.ExecContext(ctx, "UPDATE wallets SET balance = ? WHERE user = ?", w.Sum, w.User)
	return true, err
}

// rewrite brings a row to what the history says. What was booked for it stays; a finding of its own says if that is wrong.
func (s *Store) rewrite(ctx context.Context, tx *sql.Tx, a *reconcile.Action) (bool, error) {
	if _, err := s.lockCursor(ctx, tx, a.Source); err != nil {
		return false, ignoreNone(err)
	}
	values := roundValues(a)
	query := "UPDATE rounds SET " + strings.Join(roundColumns[roundKey:], " = ?, ") + " = ? WHERE " + strings.Join(roundColumns[:roundKey], " = ? AND ") + " = ?"
	_, err := tx.ExecContext(ctx, query, slices.Concat(values[roundKey:], values[:roundKey])...)
	return true, err
}

// recount brings the counters of a shard to what history and rows say, while the ledger stands where it was looked at.
func (s *Store) recount(ctx context.Context, tx *sql.Tx, a *reconcile.Action) (bool, error) {
	at, err := s.lockCursor(ctx, tx, a.Source)
	if err != nil || at != a.From {
		return false, ignoreNone(err)
	}
	c := a.Count
	paid := c.Granted // with what is held and refused
	var rows, refused int64
	key := []any{a.Source.Campaign, a.Source.Run, a.Source.Shard}
	err = tx.QueryRowContext(ctx, "SELECT refused FROM shards WHERE campaign = ? AND run = ? AND shard = ?", key...).Scan(&refused)
	if err != nil {
		return false, ignoreNone(err)
	}
	err = tx.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(SUM(CASE WHEN state = 'granted' THEN paid ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN state = 'held' THEN paid ELSE 0 END), 0) FROM rounds WHERE campaign = ? AND run = ? AND shard = ?`, key...).
		Scan(&rows, &c.Granted, &c.Held)
	if err != nil {
		return false, err
	}
	if c.Refused = paid - c.Granted - c.Held; c.Refused != 0 && c.Refused != refused || rows > c.Rounds {
		return false, nil // the rows are not right either
	}
	_, err = tx.ExecContext(ctx, `UPDATE shards SET pool_left = ?, pool_issued = ?, funded = ?, sent = ?, received = ?, granted = ?, held = ?, refused = ?,
		rounds = ? WHERE campaign = ? AND run = ? AND shard = ?`,
		append([]any{c.Left, c.Issued, c.Funded, c.Sent, c.Received, c.Granted, c.Held, c.Refused, c.Rounds}, key...)...)
	return true, err
}

// setCursor puts the ledger's cursor where its counters are. What follows in the log is handed to the ledger then, as
// ever: it skips what it has.
func (s *Store) setCursor(ctx context.Context, tx *sql.Tx, a *reconcile.Action) (bool, error) {
	at, err := s.lockCursor(ctx, tx, a.Source)
	if err != nil || at != a.From {
		return false, ignoreNone(err)
	}
	_, err = tx.ExecContext(ctx, "UPDATE cursors SET epoch = ?, seq = ? WHERE reader = 'ledger' AND campaign = ? AND run = ? AND shard = ?",
		a.At.Epoch, a.At.Seq, a.Source.Campaign, a.Source.Run, a.Source.Shard)
	return true, err
}

func (s *Store) notify(ctx context.Context, a *reconcile.Action) (bool, error) {
	notices := reward.Notices(event.Entry{Source: a.Source, Rounds: []event.Round{*a.Round}})
	return true, s.deps.Notify(ctx, notices)
}

func (s *Store) score(ctx context.Context, a *reconcile.Action) (bool, error) {
	return s.deps.Score(ctx, event.Run{Campaign: a.Source.Campaign, Number: a.Source.Run}, a.Subject, a.OldScore, a.Score)
}
