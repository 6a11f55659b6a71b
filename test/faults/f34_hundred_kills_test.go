package faults

import "time"

// A whole campaign with a hundred kill -9, of anything: nodes, workers, Redis, Kafka, the database.
func init() {
	add(34, "hundred-kills", plan{players: 40, limit: 10 * time.Minute}, func(s *scene) {
		s.play()
		s.breaks("everything is killed, again and again")
		for i := range 100 {
			switch p := s.rng.IntN(20); {
			case p < 7:
				s.nodes[p%2].again()
			case p < 14:
				s.workers[p%2].again()
			case p < 17: // one at a time: who has lost all copies has lost what was in them
				s.whole(s.ctx)
				killed(s.redis.Nodes()[s.rng.IntN(6)])
			case p < 19:
				killed(s.kafka.Nodes()[s.rng.IntN(3)])
			default:
				killed(s.mysql)
			}
			if i%10 == 9 {
				s.note("%d kills, %d rounds", i+1, s.crowd.count())
			}
		}
		s.everyShard()
	})
}
