package redisboard

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/leaderboard"
)

//go:embed mend.lua
var mendSource string

var mend = redis.NewScript(mendSource)

// scanScores is how many scores one step of a walk through a board looks at.
const scanScores = 1000

// Cut tells how far the board is in each pool and by which scale its scores are made; whole is false where there is no
// board, or one that its server may have lost a part of.
func (s *Store) Cut(ctx context.Context, run event.Run) (at map[int]event.Cursor, scale leaderboard.Scale, whole bool, err error) {
	if whole, err = s.Built(ctx, run); err != nil || !whole {
		return nil, scale, false, err
	}
	st, err := s.all(ctx, run)
	return st.cursors, st.scale, true, err
}

// Scores calls fn with every player who was on the board all the while, in any order, perhaps twice.
func (s *Store) Scores(ctx context.Context, run event.Run, fn func(user string, score int64)) error {
	for cursor := uint64(0); ; {
		list, next, err := s.client.ZScan(ctx, s.keys(run).scores, cursor, "", scanScores).Result()
		if err != nil {
			return fmt.Errorf("board: %w", err)
		}
		for i := 0; i+1 < len(list); i += 2 {
			score, err := strconv.ParseFloat(list[i+1], 64)
			if err != nil {
				return fmt.Errorf("board: score of %q: %w", list[i], err)
			}
			fn(list[i], int64(score))
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// ScoresOf calls fn with those of the users who are on the board.
func (s *Store) ScoresOf(ctx context.Context, run event.Run, users []string, fn func(user string, score int64)) error {
	for len(users) > 0 {
		n := min(len(users), scanScores)
		scores, err := s.client.ZMScore(ctx, s.keys(run).scores, users[:n]...).Result()
		if err != nil {
			return fmt.Errorf("board: %w", err)
		}
		for i, score := range scores {
			if score != 0 {
				fn(users[i], int64(score))
			}
		}
		users = users[n:]
	}
	return nil
}

// Mend sets a player's score, or takes him off the board (0), if his score is still before (0: not there). It tells
// whether the board is as wanted now, by this call or one before.
func (s *Store) Mend(ctx context.Context, run event.Run, user string, before, after int64) (bool, error) {
	n, err := mend.Run(ctx, s.client, []string{s.keys(run).scores}, user, before, after).Int()
	if err != nil {
		return false, fmt.Errorf("board: %w", err)
	}
	return n == 1, nil
}
