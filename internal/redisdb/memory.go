package redisdb

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Memory is what each primary uses, and what it may use, in bytes by address: its maxmemory, or where it has none what its
// machine has.
func (db *DB) Memory(ctx context.Context) (used, most map[string]int64, err error) {
	var mu sync.Mutex
	used, most = map[string]int64{}, map[string]int64{}
	err = db.EachPrimary(ctx, func(ctx context.Context, node *redis.Client) error {
		info, err := node.Info(ctx, "memory").Result()
		if err != nil {
			return fmt.Errorf("redis %s: %w", node.Options().Addr, err)
		}
		limit := figure(info, "maxmemory")
		if limit == 0 {
			limit = figure(info, "total_system_memory")
		}
		mu.Lock()
		defer mu.Unlock()
		used[node.Options().Addr], most[node.Options().Addr] = figure(info, "used_memory"), limit
		return nil
	})
	return used, most, err
}

// figure is a number of INFO; 0 where it has none of that name.
func figure(info, name string) int64 {
	for line := range strings.Lines(info) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			return n
		}
	}
	return 0
}
