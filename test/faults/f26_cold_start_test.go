package faults

import "time"

// Everything is started anew while the database is away. A node goes by the configuration that others have left in Redis,
// and rounds go on; workers come when the database does.
func init() {
	add(26, "cold-start-without-database", plan{}, func(s *scene) {
		s.play()
		s.breaks("all processes are killed, the database is away", "LevelStale")
		for _, n := range append(s.nodes[:2:2], s.workers...) {
			n.Kill()
		}
		s.database.Cut()
		for _, n := range s.nodes {
			n.again()
		}
		s.note("both nodes serve")
		s.everyShard()
		s.note("and rounds go on")
		s.pause(4 * time.Second) // without a keeper
		s.mend()
		for _, w := range s.workers {
			w.again()
		}
		s.everyShard()
	})
}
