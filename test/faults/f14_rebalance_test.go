package faults

import "time"

// A worker joins or leaves every two seconds, so that every partition changes hands all the time.
func init() {
	add(14, "rebalance-every-2s", plan{recovery: prompt}, func(s *scene) {
		s.play()
		s.breaks("a third worker comes and goes")
		for range 4 {
			third := s.start(s.system(), "worker")
			s.pause(2 * time.Second)
			s.must(third.Stop())
			s.pause(2 * time.Second)
		}
		s.everyShard()
	})
}
