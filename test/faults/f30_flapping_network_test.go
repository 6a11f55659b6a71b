package faults

import "time"

// The network between the processes and everything else comes and goes.
func init() {
	add(30, "flapping-network", plan{}, func(s *scene) {
		s.play()
		s.breaks("links are cut and mended at random")
		links := append(append(s.linksTo(s.redis), s.linksTo(s.kafka)...), s.database)
		for range 40 {
			l := links[s.rng.IntN(len(links))]
			l.Cut()
			s.pause(time.Duration(50+s.rng.IntN(250)) * time.Millisecond)
			s.must(l.Mend())
			s.pause(time.Duration(s.rng.IntN(100)) * time.Millisecond)
		}
		s.mend()
		s.everyShard()
	})
}
