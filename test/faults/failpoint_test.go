package faults

import (
	"fmt"
	"time"

	"github.com/shake-live/shake/test/rig"
)

// dies has a process killed when it comes to a step for the nth time, and starts it again.
func (s *scene) dies(n *node, step string, nth int) {
	s.t.Helper()
	s.died(n, s.arm(n, step, nth))
}

// arm replaces a process by one that will die.
func (s *scene) arm(n *node, step string, nth int) (died chan struct{}) {
	s.t.Helper()
	env := n.sys.Env
	n.sys.Env = append(env[:len(env):len(env)], fmt.Sprintf("SHAKE_FAILPOINT=%s=%d", step, nth))
	n.again()
	n.sys.Env = env
	s.note("a %s is to die at %s, time %d", n.roles, step, nth)
	died = make(chan struct{})
	go func(p *rig.Process) {
		defer close(died)
		_ = p.Cmd.Wait() // it is killed
	}(n.Process)
	return died
}

// died waits until it has, and starts the process again.
func (s *scene) died(n *node, died chan struct{}) {
	s.t.Helper()
	select {
	case <-died:
	case <-time.After(45 * time.Second):
		s.t.Fatalf("a %s never came to the step where it was to die", n.roles)
	}
	n.again()
}
