package faults

// A process dies at every step that it takes: what is half done is done again, or was never begun.
func init() {
	add(22, "killed-at-every-step", plan{pool: 150_000, most: 10, players: 30}, func(s *scene) {
		s.play()
		s.breaks("nodes and workers die, step by step")
		for i, step := range []string{"start.done", "end.settled", "end.logged"} {
			s.dies(s.nodes[i%2], step, 1+s.rng.IntN(50))
		}
		// The other worker is gone meanwhile, so that the one that is to die is the one that does it.
		other := s.workers[1]
		other.Kill()
		for _, step := range []string{"relay.read", "relay.produced", "consumer.applied", "ledger.written"} {
			s.dies(s.workers[0], step, 1+s.rng.IntN(5))
		}
		for i, step := range []string{"opener.sealed", "opener.drained", "opener.scanned", "opener.opened"} {
			armed := s.arm(s.workers[0], step, 1)
			killed(s.shardAt(i % s.plan.shards).primary)
			s.died(s.workers[0], armed)
		}
		for _, step := range []string{"transfer.debited", "transfer.credited"} {
			s.dies(s.workers[0], step, 1)
		}
		other.again()
		s.everyShard()
	})
}
