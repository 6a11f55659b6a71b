package faults

import "time"

// Everybody begins in the same moment.
func init() {
	add(28, "herd-at-t0", plan{players: 1500, starts: 8 * time.Second}, func(s *scene) {
		s.crowd.login()
		s.pause(time.Until(s.startsAt))
		s.breaks("everybody begins at once")
		s.crowd.start()
		s.rounds(3000)
		s.everyShard()
	})
}
