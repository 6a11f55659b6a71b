package faults

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// Somebody flushes all scripts, all the time.
func init() {
	add(9, "scripts-flushed", plan{recovery: prompt}, func(s *scene) {
		s.play()
		s.breaks("scripts are flushed on every node")
		for range 30 {
			for _, n := range s.redis.Nodes() {
				c := s.direct(n)
				err := c.ScriptFlush(s.ctx).Err()
				_ = c.Close()
				if err != nil && err != redis.Nil {
					s.t.Fatal(err)
				}
			}
			s.pause(100 * time.Millisecond)
		}
		s.everyShard()
	})
}
