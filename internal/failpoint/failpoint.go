//go:build failpoints

// Package failpoint ends a process in the middle of a step, as SIGKILL would, for the fault suite. In a program that is
// built without the tag failpoints nothing of it is left.
package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// Env names the variable that arms one step: NAME=N kills the process when it comes to step NAME for the Nth time.
const Env = "SHAKE_FAILPOINT"

var (
	armed, at = parse(os.Getenv(Env))
	hits      atomic.Int64
)

func parse(text string) (name string, n int64) {
	name, count, _ := strings.Cut(text, "=")
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		n = 1
	}
	return name, n
}

// Hit is where a process can be killed.
func Hit(name string) {
	if name == armed && hits.Add(1) == at {
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {} // it does not come back
	}
}
