package faults

import "time"

// One broker of three dies, and comes back.
func init() {
	add(11, "broker-down", plan{recovery: prompt}, func(s *scene) {
		s.play()
		broker := s.kafka.Nodes()[s.rng.IntN(3)]
		s.breaks("a broker is killed")
		broker.Kill()
		s.pause(8 * time.Second)
		broker.Restart()
		s.note("it is back")
		s.everyShard()
	})
}
