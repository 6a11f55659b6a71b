package redisdb

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// WantReplicas tells which primaries have fewer replicas than want that follow them, if any.
func (db *DB) WantReplicas(ctx context.Context, want int) error {
	if want == 0 {
		return nil
	}
	var mu sync.Mutex
	var few []string
	err := db.EachPrimary(ctx, func(ctx context.Context, node *redis.Client) error {
		info, err := node.Info(ctx, "replication").Result()
		if err != nil {
			return fmt.Errorf("redis %s: %w", node.Options().Addr, err)
		}
		if n := strings.Count(info, ",state=online,"); n < want {
			mu.Lock()
			defer mu.Unlock()
			few = append(few, fmt.Sprintf("redis %s has %d", node.Options().Addr, n))
		}
		return nil
	})
	if err == nil && len(few) > 0 {
		err = fmt.Errorf("durability wants %d replicas of each primary: %s; add some, or set durability.mode to async", want, strings.Join(few, ", "))
	}
	return err
}
