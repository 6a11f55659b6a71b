package faults

// Every end is sent five times at once, to all nodes. It is the crowd's own log that would tell of a second answer.
func init() {
	add(29, "duplicate-and-concurrent-ends", plan{recovery: prompt, copies: 5}, func(s *scene) {
		s.play()
		s.breaks("every end is sent five times at once")
		s.rounds(1500)
		s.everyShard()
	})
}
