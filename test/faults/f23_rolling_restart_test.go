package faults

// Every process is replaced under load, as a deploy does: the new one first, then SIGTERM to the old one.
func init() {
	add(23, "rolling-restart", plan{recovery: prompt}, func(s *scene) {
		s.play()
		s.breaks("every process is replaced")
		for _, list := range [][]*node{s.nodes, s.workers} {
			for _, n := range list {
				old := n.Process
				n.replace(n.sys.Serve(n.roles))
				if err := old.Stop(); err != nil {
					s.t.Errorf("a %s ended with %v\n%s", n.roles, err, old.Logged())
				}
			}
		}
		s.everyShard()
	})
}
