package faults

import "time"

// A primary dies in the middle of everything. Its replica takes over and must not serve a round before a worker has
// reopened its shards.
func init() {
	add(1, "primary-killed", plan{recovery: failover}, func(s *scene) {
		s.play()
		at := s.shardAt(0)
		s.breaks("the primary of shard 0 is killed", "PoolsClosed", "ServerErrors")
		at.primary.Kill()
		s.primaryIs(s.ctx, s.slotOf(0), at.replica)
		s.note("its replica has taken over")
		at.primary.Restart() // ends are pending until it copies again
		s.everyShard()
	})
}

// failover is how long players of a lost primary may wait: until the cluster has noticed (its node timeout of 2 s), and 5 s.
const failover = 7 * time.Second
