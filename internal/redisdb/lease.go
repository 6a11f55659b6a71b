package redisdb

import (
	"context"
	_ "embed"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lease.lua
var leaseSource string

var lease = redis.NewScript(leaseSource)

// Lease takes or renews the lease of that name for the owner, and tells whether the owner has it now.
// A lease saves double work; it does not exclude it: the holder may be late in noticing that it ran out.
func (db *DB) Lease(ctx context.Context, key, owner string, ttl time.Duration) (bool, error) {
	n, err := lease.Run(ctx, db.client, []string{key}, owner, ttl.Milliseconds()).Int()
	return n == 1, err
}
