package redisdb

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Sweep steps: so many keys are looked at in one step, which holds up a primary for well under a millisecond, and so long
// players have it to themselves between two.
const (
	sweepStep  = 500
	sweepPause = 5 * time.Millisecond
)

// Unlink removes all keys that begin with prefix from all primaries, in steps that nobody notices, and gives their number.
// It may be called again for what it left when it was broken off. A key that another node takes over meanwhile may be
// missed: call it once more when slots move.
func (db *DB) Unlink(ctx context.Context, prefix string) (int64, error) {
	if prefix == "" {
		return 0, errors.New("redis: no prefix is every key")
	}
	var removed atomic.Int64
	err := db.EachPrimary(ctx, func(ctx context.Context, node *redis.Client) error {
		for cursor := uint64(0); ; {
			keys, next, err := node.Scan(ctx, cursor, literally(prefix)+"*", sweepStep).Result()
			if err != nil {
				return err
			}
			n, err := unlink(ctx, node, keys)
			if removed.Add(n); err != nil {
				return err
			}
			if cursor = next; cursor == 0 {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(sweepPause):
			}
		}
	})
	return removed.Load(), err
}

// unlink removes keys one by one in a round trip: they may lie in different slots. One that has moved is skipped.
func unlink(ctx context.Context, node *redis.Client, keys []string) (n int64, err error) {
	if len(keys) == 0 {
		return 0, nil
	}
	pipe := node.Pipeline()
	for _, key := range keys {
		pipe.Unlink(ctx, key)
	}
	results, err := pipe.Exec(ctx)
	for _, r := range results {
		if count, ok := r.(*redis.IntCmd); ok && r.Err() == nil {
			n += count.Val()
		}
	}
	if redis.HasErrorPrefix(err, "MOVED") || redis.HasErrorPrefix(err, "ASK") {
		err = nil
	}
	return n, err
}

// literally is text as a pattern of SCAN that means nothing but itself.
func literally(text string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`).Replace(text)
}
