package redisboard

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/event"
)

// Built implements leaderboard.Live: the board was whole on the very server process that has it now. Another
// process is a promoted replica, which may lack the last entries, or a restarted one, which may lack all.
func (s *Store) Built(ctx context.Context, run event.Run) (bool, error) {
	key := s.keys(run).state
	marked, err := s.client.HGet(ctx, key, fieldHost).Result()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("board: %w", err)
	}
	host, err := s.host(ctx, key)
	return host == marked, err
}

// Reset implements leaderboard.Live: it forgets how far the board is. Totals stay; they only rise.
func (s *Store) Reset(ctx context.Context, run event.Run) error {
	if err := s.client.Del(ctx, s.keys(run).state).Err(); err != nil {
		return fmt.Errorf("board: %w", err)
	}
	return nil
}

// MarkBuilt implements leaderboard.Live. Should the server change between the question who it is and the
// mark, the mark names the old one, and Built stays false.
func (s *Store) MarkBuilt(ctx context.Context, run event.Run) error {
	key := s.keys(run).state
	host, err := s.host(ctx, key)
	if err != nil {
		return err
	}
	if err := s.client.HSet(ctx, key, fieldHost, host).Err(); err != nil {
		return fmt.Errorf("board: %w", err)
	}
	return nil
}

// host is the run id of the process that holds the key.
func (s *Store) host(ctx context.Context, key string) (string, error) {
	node := redis.Cmdable(s.client)
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		primary, err := cluster.MasterForKey(ctx, key)
		if err != nil {
			return "", fmt.Errorf("board: %w", err)
		}
		node = primary
	}
	info, err := node.Info(ctx, "server").Result()
	if err != nil {
		return "", fmt.Errorf("board: %w", err)
	}
	for line := range strings.Lines(info) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "run_id:"); ok {
			return id, nil
		}
	}
	return "", errors.New("board: the server tells no run_id")
}
