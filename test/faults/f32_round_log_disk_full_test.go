package faults

import "time"

// The disk of a node's round log is full. Rounds go on, and the node tells of it.
func init() {
	add(32, "round-log-disk-full", plan{recovery: prompt}, func(s *scene) {
		s.play()
		s.breaks("the disk of the round logs is full", "RoundLogFailing")
		for _, n := range s.nodes {
			s.must(n.limitFiles(1))
		}
		s.pause(3 * time.Second)
		for _, n := range s.nodes {
			if n.Metric("shake_round_log_errors_total") == 0 {
				s.t.Error("a node whose round log can't be written does not tell of it")
			}
			s.must(n.limitFiles(0))
		}
		s.everyShard()
	})
}
