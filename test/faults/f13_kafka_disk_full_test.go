package faults

import "time"

// The disk of one broker is full: it gives up, and the two others go on.
func init() {
	add(13, "kafka-disk-full", plan{recovery: prompt}, func(s *scene) {
		s.play()
		broker := s.kafka.Nodes()[s.rng.IntN(3)]
		s.breaks("the disk of a broker is full")
		s.must(broker.LimitFiles(16 << 10))
		s.pause(10 * time.Second)
		broker.Restart()
		s.note("it has room again")
		s.everyShard()
	})
}
