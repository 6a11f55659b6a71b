package faults

import "time"

// A primary has no memory left. It refuses scripts before they begin, so nobody is settled by half.
func init() {
	add(5, "redis-out-of-memory", plan{}, func(s *scene) {
		s.play()
		full := s.direct(s.shardAt(0).primary)
		defer full.Close()
		s.must(full.ConfigSet(s.ctx, "maxmemory", "1mb").Err())
		s.breaks("the primary of shard 0 has no memory left", "RedisRefuses", "RedisMemory", "ServerErrors")
		s.pause(8 * time.Second) // it is looked at every 5 s
		s.must(full.ConfigSet(s.ctx, "maxmemory", "256mb").Err())
		s.note("it has memory again")
		s.everyShard()
	})
}
