// Package sqljudgements keeps what fair play found in SQL: one row a round, the first, however often it comes.
package sqljudgements

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shake-live/shake/game/fairplay"
	"github.com/shake-live/shake/game/referee"
	"github.com/shake-live/shake/internal/sqldb"
)

// Store implements referee.Store.
type Store struct {
	db     *sqldb.DB
	insert sqldb.Insert
}

// columns are those of a judgement, in the order in which they are written and read.
var columns = []string{"round", "campaign", "run", "user", "device", "score", "reasons", "shakes", "beats", "variation", "rate", "at"}

// New works on a database whose schema is there by the first call.
func New(db *sqldb.DB) *Store {
	return &Store{db: db, insert: sqldb.Insert{Into: "judgements", Columns: columns, End: db.Keep("round")}}
}

// Keep implements referee.Store. Rows are written in the order of their keys, so that two nodes do not lock each other.
func (s *Store) Keep(ctx context.Context, list []referee.Judgement) error {
	list = slices.SortedFunc(slices.Values(list), func(a, b referee.Judgement) int { return strings.Compare(a.Round, b.Round) })
	flat := make([]any, 0, len(list)*len(columns))
	for _, j := range list {
		flat = append(flat, j.Round, j.Campaign, j.Run, j.User, j.Device, j.Score, join(j.Reasons), j.Shakes, j.Beats, j.Variation, j.Rate, j.At.UnixMilli())
	}
	err := s.db.Tx(ctx, func(tx *sql.Tx) error { return s.insert.Exec(ctx, tx, flat) })
	if err != nil {
		return fmt.Errorf("keep %d judgements: %w", len(list), err)
	}
	return nil
}

// Newest gives a campaign's last so many judgements, newest first.
func (s *Store) Newest(ctx context.Context, campaign string, limit int) ([]referee.Judgement, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT "+strings.Join(columns, ", ")+
		" FROM judgements WHERE campaign = ? ORDER BY at DESC, round DESC LIMIT ?", campaign, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []referee.Judgement{} // in JSON none are [], not null
	for rows.Next() {
		var j referee.Judgement
		var reasons string
		var at int64
		err := rows.Scan(&j.Round, &j.Campaign, &j.Run, &j.User, &j.Device, &j.Score, &reasons, &j.Shakes, &j.Beats, &j.Variation, &j.Rate, &at)
		if err != nil {
			return nil, err
		}
		j.Reasons, j.At = split(reasons), time.UnixMilli(at).UTC()
		list = append(list, j)
	}
	return list, rows.Err()
}

func join(reasons []fairplay.Reason) string {
	words := make([]string, len(reasons))
	for i, r := range reasons {
		words[i] = string(r)
	}
	return strings.Join(words, ",")
}

// split gives no reasons as an empty list: to a reader of JSON null is something else.
func split(text string) []fairplay.Reason {
	list := []fairplay.Reason{}
	for word := range strings.SplitSeq(text, ",") {
		if word != "" {
			list = append(list, fairplay.Reason(word))
		}
	}
	return list
}
