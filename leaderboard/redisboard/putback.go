package redisboard

import (
	"context"
	"fmt"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/leaderboard"
)

// PutBack implements leaderboard.Live. Scores only rise, so what the board has already stays as it is.
func (s *Store) PutBack(ctx context.Context, run event.Run, scale leaderboard.Scale, e event.Entry) (event.Return, error) {
	st, err := s.load(ctx, run, scale, map[int]bool{e.Shard: true})
	if err != nil {
		return "", err
	}
	if st.cursors[e.Shard].Judge(e) != event.Repeat {
		applied, err := s.Apply(ctx, run, scale, []event.Entry{e})
		return applied.Tally.Return(), err
	}
	totals := leaderboard.TotalsOf(e)
	if len(totals) == 0 {
		return event.Counted, nil
	}
	args := []any{1, 0, fieldScale, st.fields[fieldScale], st.scale.String()}
	users := make([]string, 0, len(totals))
	for user, t := range totals { // those of one script call, so they fit into one
		args = append(args, st.scale.Score(t.Coins, t.AtMS), user)
		users = append(users, user)
	}
	k := s.keys(run)
	before, err := s.client.ZMScore(ctx, k.scores, users...).Result()
	if err != nil {
		return "", fmt.Errorf("board: %w", err)
	}
	if ok, err := s.apply.Run(ctx, s.client, []string{k.scores, k.state}, args...).Int(); err != nil || ok == 0 {
		return "", fmt.Errorf("board: put back %s %s: %w", e.Source, e.Position, orContended(err))
	}
	for i, user := range users {
		if t := totals[user]; before[i] < float64(st.scale.Score(t.Coins, t.AtMS)) {
			return event.Counts, nil
		}
	}
	return event.Counted, nil
}

func orContended(err error) error {
	if err == nil {
		return errContended
	}
	return err
}
