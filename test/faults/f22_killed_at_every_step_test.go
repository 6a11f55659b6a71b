package faults

// A process dies at every step that it takes: what is half done is done again, or was never begun.
func init() {
	add(22, "killed-at-every-step", plan{pool: 40_000}, func(s *scene) {
		s.play()
		s.breaks("nodes and workers die, step by step")
		for i, step := range []string{"start.done", "end.settled", "end.logged"} {
			s.dies(s.nodes[i%2], step, 1+s.rng.IntN(50))
		}
		for i, step := range []string{
			"relay.read", "relay.produced", "consumer.applied", "ledger.written", "transfer.debited", "transfer.credited",
		} {
			s.dies(s.workers[i%2], step, 1+s.rng.IntN(5))
		}
		for i, step := range []string{"opener.sealed", "opener.drained", "opener.scanned", "opener.opened"} {
			s.workers[(i+1)%2].Kill() // so that the one that dies is the one that opens
			primary := s.shardAt(i % s.plan.shards).primary
			armed := s.arm(s.workers[i%2], step, 1)
			killed(primary)
			s.died(s.workers[i%2], armed)
			s.workers[(i+1)%2].again()
		}
		s.everyShard()
	})
}
