package faults

import (
	"syscall"
	"time"
)

// A worker stands still in the middle of its work for longer than its leases last; the other one takes over; then it goes
// on where it was.
func init() {
	add(18, "two-relays", plan{recovery: prompt}, func(s *scene) {
		s.play()
		s.breaks("workers stand still, one after the other")
		for turn := range 4 {
			stalled := s.workers[turn%2]
			s.must(stalled.Cmd.Process.Signal(syscall.SIGSTOP))
			s.pause(time.Duration(1500+s.rng.IntN(6000)) * time.Millisecond)
			s.must(stalled.Cmd.Process.Signal(syscall.SIGCONT))
			s.pause(time.Second)
		}
		s.everyShard()
	})
}
