package faults

import "time"

// A primary is cut off from all other nodes, and not from its clients: it goes on for a while in a minority, while its
// replica takes over on the other side. Nothing that it alone knows must be promised.
func init() {
	add(3, "primary-in-a-minority", plan{}, func(s *scene) {
		s.play()
		at := s.shardAt(0)
		s.breaks("the primary of shard 0 is cut off from the other nodes")
		s.cutOff(at.primary)
		s.primaryIs(s.ctx, s.slotOf(0), at.replica)
		s.note("its replica has taken over")
		s.pause(2 * time.Second)
		s.join()
		s.note("all nodes are together again")
		s.everyShard()
	})
}
