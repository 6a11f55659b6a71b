package sqlledger

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/reward"
)

// PutBack books an entry that was passed over; see reward.Book.
func (s *Store) PutBack(ctx context.Context, e event.Entry, note string) (reward.Applied, event.Return, error) {
	if err := s.ready(ctx); err != nil {
		return reward.Applied{}, "", err
	}
	var p reward.Posting
	r, passed, err := s.cursors.PutBack(ctx, e, note, func(tx *sql.Tx, at event.Cursor) (err error) {
		p, err = s.postBack(ctx, tx, at, e)
		if err != nil {
			return err
		}
		return s.write(ctx, tx, p)
	})
	if err != nil {
		return reward.Applied{}, "", fmt.Errorf("put back %s %s: %w", e.Source, e.Position, err)
	}
	if passed {
		return p.Applied, r, nil
	}
	applied, err := s.Apply(ctx, []event.Entry{e})
	return applied, applied.Tally.Return(), err
}

// postBack looks up what the posting depends on. It is a rare path, so it looks for rounds that are there first.
func (s *Store) postBack(ctx context.Context, tx *sql.Tx, at event.Cursor, e event.Entry) (reward.Posting, error) {
	counts, err := counts(ctx, tx, map[event.Source]event.Cursor{e.Source: at})
	if err != nil {
		return reward.Posting{}, err
	}
	known, err := s.known(ctx, tx, reward.PostBack(at, counts[e.Source], e, nil, nil))
	if err != nil {
		return reward.Posting{}, err
	}
	var held []reward.Record
	if e.Kind == event.KindCredit && counts[e.Source].Held > 0 {
		if held, err = s.held(ctx, tx, e.Source); err != nil {
			return reward.Posting{}, err
		}
	}
	return reward.PostBack(at, counts[e.Source], e, known, held), nil
}

// maxReleased bounds the rounds that one entry has paid that were held. More come with the next one.
const maxReleased = 10_000

// held are the rounds of a source that wait for a review, the oldest first.
func (s *Store) held(ctx context.Context, tx *sql.Tx, source event.Source) (list []reward.Record, err error) {
	rows, err := tx.QueryContext(ctx, selectAll+" AND shard = ? AND state = 'held' ORDER BY epoch, seq LIMIT ?",
		source.Campaign, source.Run, source.Shard, maxReleased)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scanRound(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

// release has the rows say that they are paid.
func (s *Store) release(ctx context.Context, tx *sql.Tx, p reward.Posting) error {
	for _, r := range p.Released {
		_, err := tx.ExecContext(ctx, `UPDATE rounds SET state = ?, reason = ?
			WHERE campaign = ? AND run = ? AND user = ? AND number = ? AND start_epoch = ?`,
			string(r.State), r.Reason, r.Source.Campaign, r.Source.Run, r.User, r.Number, r.StartEpoch)
		if err != nil {
			return err
		}
	}
	return nil
}
