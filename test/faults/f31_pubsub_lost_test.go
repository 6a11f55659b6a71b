package faults

import "time"

// Whoever listens to Redis loses the connection again and again: levels, stages and notices must come another way.
func init() {
	add(31, "pubsub-lost", plan{recovery: prompt}, func(s *scene) {
		s.play()
		s.breaks("listeners are thrown out")
		for range 25 {
			for _, n := range s.redis.Nodes() {
				c := s.direct(n)
				err := c.Do(s.ctx, "client", "kill", "type", "pubsub").Err()
				_ = c.Close()
				s.must(err)
			}
			s.pause(200 * time.Millisecond)
		}
		s.everyShard()
	})
}
