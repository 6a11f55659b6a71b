package faults

// A relay dies when Kafka has the entries and the outbox has them still: they are sent once more.
func init() {
	add(17, "relay-killed-before-trim", plan{}, func(s *scene) {
		s.play()
		s.breaks("relays die between produce and trim")
		for turn := range 6 {
			s.dies(s.workers[turn%2], "relay.produced", 1+s.rng.IntN(40))
		}
		s.everyShard()
	})
}
