package faults

import "time"

// A primary dies while its replica stands still: what the primary alone knew is gone. It must not have been promised.
func init() {
	add(2, "lagging-replica-promoted", plan{}, func(s *scene) {
		s.play()
		at := s.shardAt(0)
		at.replica.Pause()
		direct := s.direct(at.primary)
		defer direct.Close()
		// What is on its way in sockets would still arrive: the link ends here.
		s.must(direct.Do(s.ctx, "client", "kill", "type", "replica").Err())
		s.breaks("the replica of shard 0 stands still", "ShortWaits", "ReplicasMissing")
		s.pause(8 * time.Second) // ends are pending; readiness is looked at every 5 s
		at.primary.Kill()
		s.note("the primary is killed")
		at.replica.Resume()
		s.primaryIs(s.ctx, s.slotOf(0), at.replica)
		s.note("the replica has taken over")
		at.primary.Restart()
		s.everyShard()
	})
}
