package sqlboard

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/leaderboard"
)

// freezeLimit leaves room for a board of ten million players: one of a million with four rounds each took
// MariaDB 15 s on two cores.
const freezeLimit = 4 * time.Minute

// errFrozen ends the transaction of whoever comes second.
var errFrozen = errors.New("frozen already")

// Freeze builds the run's final board from the rounds that the ledger granted. Once it stands, calling again
// changes nothing, whatever happens to the ledger; of several at once one builds and the others wait.
func (s *Store) Freeze(ctx context.Context, run event.Run, scale leaderboard.Scale) error {
	ctx, cancel := context.WithTimeout(ctx, freezeLimit)
	defer cancel()
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		mark := sqldb.Insert{Into: "final_boards", Columns: []string{"campaign", "run", "players", "frozen_at"}}
		err := mark.Exec(ctx, tx, []any{run.Campaign, run.Number, 0, s.clock.Now().UnixMilli()})
		if sqldb.Duplicate(err) {
			return errFrozen
		}
		if err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, s.rank(), run.Campaign, run.Number,
			scale.StartMS, scale.UnitMS, run.Campaign, run.Number)
		if err != nil {
			return err
		}
		players, err := result.RowsAffected()
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE final_boards SET players = ? WHERE campaign = ? AND run = ?",
			players, run.Campaign, run.Number)
		return err
	})
	if err != nil && !errors.Is(err, errFrozen) {
		return fmt.Errorf("freeze board of %s.%d: %w", run.Campaign, run.Number, err)
	}
	return nil
}

// rank adds up what each player was granted. The last round that paid is the one that reached the sum; of
// equal sums the earlier one in units of the scale is first, then the greater user id, as on the live board
// (which cannot tell times outside of its window apart; here they count).
func (s *Store) rank() string {
	return `INSERT INTO final_places (campaign, run, place, user, coins, reached_at)
		SELECT ?, ?, ROW_NUMBER() OVER (ORDER BY coins DESC, ` + s.db.Div("reached_at - ?", "?") + `, user DESC),
			user, coins, reached_at
		FROM (SELECT user, SUM(paid) AS coins, MAX(settled_at) AS reached_at FROM rounds
			WHERE campaign = ? AND run = ? AND state = 'granted' AND paid > 0 GROUP BY user) totals`
}
