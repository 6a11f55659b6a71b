package faults

import "time"

// The database is gone, and slow when it is back.
func init() {
	add(19, "mysql-down-then-slow", plan{recovery: prompt}, func(s *scene) {
		s.play()
		s.breaks("the database is away", "ConsumerFailing", "ConsumerLag", "NotReady")
		s.database.Cut()
		s.pause(10 * time.Second)
		s.must(s.database.Mend())
		s.must(s.database.Slow(150*time.Millisecond, 100*time.Millisecond))
		s.note("it is back, and slow")
		s.pause(5 * time.Second)
		s.mend()
		s.everyShard()
	})
}
