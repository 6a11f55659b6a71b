package sqlledger

import (
	"context"
	"database/sql"
	"strings"

	"github.com/shake-live/shake/reward"
)

// lookup is how many rounds one statement asks for; this is the rare path.
const lookup = 100

// known tells which of the posting's rounds and fundings are in the book already.
func (s *Store) known(ctx context.Context, tx *sql.Tx, p reward.Posting) (map[string]bool, error) {
	known := make(map[string]bool)
	for rest := p.Rounds; len(rest) > 0; {
		n := min(len(rest), lookup)
		if err := knownRounds(ctx, tx, rest[:n], known); err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	for _, f := range p.Fundings {
		var there bool
		err := tx.QueryRowContext(ctx, `SELECT COUNT(*) > 0 FROM booked_fundings
			WHERE campaign = ? AND run = ? AND number = ?`, f.Source.Campaign, f.Source.Run, f.Number).Scan(&there)
		if err != nil {
			return nil, err
		}
		known[f.ID()] = there
	}
	return known, nil
}

func knownRounds(ctx context.Context, tx *sql.Tx, rounds []reward.Record, known map[string]bool) error {
	const one = "(campaign = ? AND run = ? AND user = ? AND number = ? AND start_epoch = ?)"
	var args []any
	for _, r := range rounds {
		args = append(args, r.Source.Campaign, r.Source.Run, r.User, r.Number, r.StartEpoch)
	}
	where := strings.TrimSuffix(strings.Repeat(one+" OR ", len(rounds)), " OR ")
	rows, err := tx.QueryContext(ctx, "SELECT campaign, run, start_epoch, user, number FROM rounds WHERE "+where, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id reward.RoundID
		if err := rows.Scan(&id.Campaign, &id.Run, &id.Epoch, &id.User, &id.Number); err != nil {
			return err
		}
		known[id.String()] = true
	}
	return rows.Err()
}
