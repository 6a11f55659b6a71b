package faults

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// All of Redis is gone, and with it what had not reached Kafka. Pools are rebuilt from Kafka; what is missing then comes
// from the nodes' round logs, and from the players' claims.
func init() {
	add(35, "all-of-redis-lost", plan{claims: true}, func(s *scene) {
		s.play()
		for _, w := range s.workers {
			w.Kill() // so that nothing is carried to Kafka
		}
		s.rounds(300)
		s.crowd.rest()
		s.breaks("everything is gone from every server")
		s.must(s.primaries(func(ctx context.Context, node *redis.Client) error { return node.FlushAll(ctx).Err() }))
		for _, w := range s.workers {
			w.again()
		}
		s.arrive()
		s.replay(s.nodes[0]) // the other half is for the claims
		s.crowd.again()
		s.everyShard()
	})
}
