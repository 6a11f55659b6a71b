// Package redisboard keeps live boards in Redis: a sorted set for each run, and beside it, in the same slot,
// how far it is applied in each shard.
//
// Scores and positions change in one script call, so they never contradict each other, not even on a
// replica that was promoted with an older copy: it just has a few entries less, the next ones look like a
// gap, and a rebuild from the log brings what is missing.
package redisboard

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/leaderboard"
)

//go:embed apply.lua
var applySource string

//go:embed around.lua
var aroundSource string

// Store is the boards of one namespace.
type Store struct {
	client    redis.UniversalClient
	namespace string
	apply     *redis.Script
	around    *redis.Script
}

// New puts the namespace in front of every key.
func New(client redis.UniversalClient, namespace string) *Store {
	return &Store{
		client: client, namespace: namespace,
		apply: redis.NewScript(applySource), around: redis.NewScript(aroundSource),
	}
}

// Range implements leaderboard.Board.
func (s *Store) Range(ctx context.Context, run event.Run, from int64, limit int) ([]leaderboard.Entry, error) {
	if limit = leaderboard.PageSize(limit); limit == 0 {
		return nil, nil
	}
	list, err := s.client.ZRevRangeWithScores(ctx, s.keys(run).scores, from, from+int64(limit)-1).Result()
	if err != nil {
		return nil, fmt.Errorf("board: %w", err)
	}
	entries := make([]leaderboard.Entry, len(list))
	for i, z := range list {
		entries[i] = entry(from+int64(i), z.Member.(string), z.Score)
	}
	return entries, nil
}

func entry(place int64, user string, score float64) leaderboard.Entry {
	return leaderboard.Entry{Rank: place + 1, User: user, Coins: leaderboard.Coins(int64(score))}
}

// Rank implements leaderboard.Board.
func (s *Store) Rank(ctx context.Context, run event.Run, user string) (leaderboard.Entry, error) {
	entries, err := s.Around(ctx, run, user, 0)
	if err != nil {
		return leaderboard.Entry{}, err
	}
	return entries[0], nil
}

// Around implements leaderboard.Board.
func (s *Store) Around(ctx context.Context, run event.Run, user string, n int) ([]leaderboard.Entry, error) {
	n = leaderboard.PageSize(2*n) / 2
	list, err := s.around.Run(ctx, s.client, []string{s.keys(run).scores}, user, n).Slice()
	if err != nil {
		return nil, fmt.Errorf("board: %w", err)
	}
	if len(list) == 0 {
		return nil, leaderboard.ErrNotRanked
	}
	return parseAround(list)
}

// Coins implements leaderboard.Board.
func (s *Store) Coins(ctx context.Context, run event.Run, users []string) (map[string]int64, error) {
	if len(users) == 0 {
		return nil, nil
	}
	scores, err := s.client.ZMScore(ctx, s.keys(run).scores, users...).Result()
	if err != nil {
		return nil, fmt.Errorf("board: %w", err)
	}
	coins := make(map[string]int64, len(users))
	for i, score := range scores {
		if score > 0 { // nobody without coins is on the board, so 0 is: not there
			coins[users[i]] = leaderboard.Coins(int64(score))
		}
	}
	return coins, nil
}

// Size implements leaderboard.Board.
func (s *Store) Size(ctx context.Context, run event.Run) (int64, error) {
	n, err := s.client.ZCard(ctx, s.keys(run).scores).Result()
	if err != nil {
		return 0, fmt.Errorf("board: %w", err)
	}
	return n, nil
}

// Expire lets the board go after a while: once the final one stands, nobody needs it for long.
func (s *Store) Expire(ctx context.Context, run event.Run, after time.Duration) error {
	k := s.keys(run)
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.PExpire(ctx, k.scores, after)
		p.PExpire(ctx, k.state, after)
		return nil
	})
	if err != nil {
		return fmt.Errorf("board: %w", err)
	}
	return nil
}
