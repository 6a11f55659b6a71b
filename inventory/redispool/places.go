package redispool

import (
	"context"

	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/inventory"
)

// Places tells where the pools of a run lie, in the order of run.Pools.
func Places(ctx context.Context, db *redisdb.DB, keys *redisdb.KeyCache, run inventory.Run) ([]redisdb.Place, error) {
	k := keys.Of(run)
	names := make([]string, 0, run.Shards+1)
	for _, shard := range run.Pools() {
		names = append(names, k.Pool(shard))
	}
	return db.Places(ctx, names)
}
