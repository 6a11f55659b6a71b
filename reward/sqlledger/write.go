package sqlledger

import (
	"context"
	"database/sql"
	"maps"
	"slices"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/failpoint"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/reward"
)

var insertRounds = sqldb.Insert{Into: "rounds", Columns: []string{
	"campaign", "run", "user", "number", "start_epoch", "shard", "epoch", "seq", "started_at", "shakes",
	"elapsed_ms", "computed", "paid", "total", "chances_left", "settled_at"}}

// insertTold is for what is held, or was claimed: there is more to tell than the defaults of state and reason do.
var insertTold = sqldb.Insert{Into: "rounds", Columns: append(slices.Clip(insertRounds.Columns), "state", "reason")}

var insertEntries = sqldb.Insert{Into: "entries", Columns: []string{
	"account", "booked_at", "ref", "kind", "coins"}}

func insertWallets(db *sqldb.DB) sqldb.Insert {
	return sqldb.Insert{Into: "wallets", Columns: []string{"user", "balance"},
		End: db.Add([]string{"user"}, []string{"balance"})}
}

// write puts a posting into the tables.
func (s *Store) write(ctx context.Context, tx *sql.Tx, p reward.Posting) error {
	for _, step := range []func(context.Context, *sql.Tx, reward.Posting) error{
		s.writeRounds, s.release, s.writeFundings, s.writeEntries, s.writeWallets, s.writeCounts,
	} {
		if err := step(ctx, tx, p); err != nil {
			return err
		}
	}
	failpoint.Hit("ledger.written")
	return s.cursors.Save(ctx, tx, p.Cursors)
}

// writeRounds has no answer to a duplicate: the key's objection is what Apply waits for.
func (s *Store) writeRounds(ctx context.Context, tx *sql.Tx, p reward.Posting) error {
	granted := make([]any, 0, len(p.Rounds)*len(s.rounds.Columns))
	var told []any
	for i := range p.Rounds {
		r := &p.Rounds[i]
		if r.State == reward.Granted && r.Reason == "" {
			granted = appendRound(granted, r)
		} else {
			told = append(appendRound(told, r), string(r.State), r.Reason)
		}
	}
	if err := s.rounds.Exec(ctx, tx, granted); err != nil {
		return err
	}
	return insertTold.Exec(ctx, tx, told)
}

func appendRound(flat []any, r *reward.Record) []any {
	return append(flat, r.Source.Campaign, r.Source.Run, r.User, r.Number, r.StartEpoch, r.Source.Shard,
		r.Position.Epoch, r.Position.Seq, r.StartedAt, r.Shakes, r.ElapsedMS, r.Computed, r.Paid, r.Total,
		r.ChancesLeft, r.SettledAt)
}

func (s *Store) writeFundings(ctx context.Context, tx *sql.Tx, p reward.Posting) error {
	in := sqldb.Insert{Into: "booked_fundings", Columns: []string{
		"campaign", "run", "number", "amount", "epoch", "seq", "booked_at"}}
	var flat []any
	for _, f := range p.Fundings {
		flat = append(flat, f.Source.Campaign, f.Source.Run, f.Number, f.Amount, f.Position.Epoch, f.Position.Seq, f.At)
	}
	return in.Exec(ctx, tx, flat)
}

// writeEntries books each movement as two rows that sum to zero. The rows that give stand first, then those
// that get: so the run's account, whose rows follow each other in the key, is written in one go.
func (s *Store) writeEntries(ctx context.Context, tx *sql.Tx, p reward.Posting) error {
	n := (p.Applied.Grants + len(p.Fundings)) * len(s.entries.Columns)
	give, get := make([]any, 0, 2*n), make([]any, 0, n)
	move := func(from, to, kind, ref string, coins, at int64) {
		var when, what, which any = at, kind, ref // each boxed once for its two rows
		give = append(give, from, when, which, what, -coins)
		get = append(get, to, when, which, what, coins)
	}
	for _, f := range p.Fundings {
		if f.Amount == 0 {
			continue // refused: nothing moved
		}
		move(reward.Treasury, reward.RunAccount(f.Source.Campaign, f.Source.Run), reward.KindFund, f.ID(), f.Amount, f.At)
	}
	accounts := make(map[event.Source]string)
	for r := range paying(p) {
		account, ok := accounts[r.Source]
		if !ok {
			account = reward.RunAccount(r.Source.Campaign, r.Source.Run)
			accounts[r.Source] = account
		}
		move(account, reward.UserAccount(r.User), r.Kind(), r.ID, r.Paid, r.SettledAt)
	}
	return s.entries.Exec(ctx, tx, append(give, get...))
}

// writeWallets adds to each winner's balance, in the order of names: two processes that pay the same
// players from different shards then lock in the same order.
func (s *Store) writeWallets(ctx context.Context, tx *sql.Tx, p reward.Posting) error {
	won := make(map[string]int64)
	for r := range paying(p) {
		won[r.User] += r.Paid
	}
	flat := make([]any, 0, 2*len(won))
	for _, user := range slices.Sorted(maps.Keys(won)) {
		flat = append(flat, user, won[user])
	}
	return s.wallets.Exec(ctx, tx, flat)
}

// paying gives the rounds that move coins.
func paying(p reward.Posting) func(yield func(*reward.Record) bool) {
	return func(yield func(*reward.Record) bool) {
		for _, rounds := range [][]reward.Record{p.Rounds, p.Released} {
			for i := range rounds {
				if r := &rounds[i]; r.State == reward.Granted && r.Paid > 0 && !yield(r) {
					return
				}
			}
		}
	}
}
