package faults

// Every group has forgotten how far it was: the whole topic is delivered again from the start.
func init() {
	add(15, "delivered-again", plan{recovery: prompt}, func(s *scene) {
		s.play()
		s.breaks("the groups forget where they were")
		for _, w := range s.workers {
			s.must(w.Stop())
		}
		s.forgetOffsets()
		for _, w := range s.workers {
			w.again()
		}
		s.everyShard()
	})
}
