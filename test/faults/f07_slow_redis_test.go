package faults

import "time"

// Every answer of Redis takes a third of a second more, give or take.
func init() {
	add(7, "slow-redis", plan{}, func(s *scene) {
		s.play()
		s.breaks("Redis is slow", "AnswersSlow")
		for _, l := range s.linksTo(s.redis) {
			s.must(l.Slow(300*time.Millisecond, 200*time.Millisecond))
		}
		s.pause(6 * time.Second)
		s.mend()
		s.everyShard()
	})
}

// mend undoes what was done to all links.
func (s *scene) mend() {
	s.t.Helper()
	for _, l := range s.links {
		s.must(l.Mend())
	}
	s.note("all links are as they were")
}
