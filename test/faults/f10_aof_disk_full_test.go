package faults

import "time"

// The disk under a primary's log of writes is full. It refuses writes until there is room again.
func init() {
	add(10, "aof-disk-full", plan{}, func(s *scene) {
		s.play()
		primary := s.shardAt(0).primary
		s.breaks("the disk of shard 0's primary is full", "RedisRefuses")
		s.must(primary.LimitFiles(16 << 10)) // they are longer already
		s.pause(5 * time.Second)
		s.must(primary.LimitFiles(0))
		s.note("there is room again")
		s.everyShard()
	})
}
