package faults

import (
	"net/http"
	"time"
)

// Everything is started anew while the database is away. Nobody who has no configuration serves anybody, or says that he
// is ready; with the database back all goes on.
func init() {
	add(26, "cold-start-without-database", plan{}, func(s *scene) {
		s.play()
		s.breaks("all processes are killed, the database is away")
		for _, n := range append(s.nodes[:2:2], s.workers...) {
			n.Kill()
		}
		s.database.Cut()
		born := make(chan *node, 1)
		go func() { // it is not ready before the database is back
			n := s.nodes[0]
			n.again()
			born <- n
		}()
		s.pause(4 * time.Second)
		select {
		case n := <-born:
			if resp, err := http.Get(n.OpsURL + "/readyz"); err == nil {
				_ = resp.Body.Close()
				if resp.StatusCode == http.StatusOK {
					s.t.Error("a node says that it is ready without ever having had a configuration")
				}
			}
			born <- n
		default:
		}
		s.mend()
		<-born
		s.nodes[1].again()
		for _, w := range s.workers {
			w.again()
		}
		s.everyShard()
	})
}
