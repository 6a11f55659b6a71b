package faults

import "time"

// The clocks of the processes are five minutes ahead or behind, each another way. What is decided by time is decided by
// the clocks of Redis: nobody is early, late or over because of ours.
func init() {
	add(24, "clocks-off-by-minutes", plan{live: 3 * time.Minute}, func(s *scene) {
		s.play()
		s.breaks("clocks are wrong")
		for i, n := range append(s.nodes[:2:2], s.workers...) {
			n.sys.Env = append(n.sys.Env, "SHAKE_CLOCK_OFFSET="+[]string{"5m", "-5m"}[i%2])
			n.again()
		}
		s.pause(10 * time.Second)
		s.everyShard()
	})
}
