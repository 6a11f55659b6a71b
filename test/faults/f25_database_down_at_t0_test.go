package faults

import "time"

// The database is away in the very second in which everybody begins. What the nodes need they have had before.
func init() {
	add(25, "database-down-at-t0", plan{recovery: prompt, starts: 6 * time.Second}, func(s *scene) {
		s.database.Cut()
		s.breaks("the database is away")
		s.pause(time.Until(s.startsAt))
		s.play()
		s.pause(5 * time.Second)
		s.mend()
		s.everyShard()
	})
}
