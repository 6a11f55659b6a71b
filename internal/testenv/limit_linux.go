package testenv

import (
	"fmt"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// ignoreFileLimits lets programs that we start go on when a file would grow over its limit: the write fails, as it does on
// a full disk. Ignored signals are inherited.
func ignoreFileLimits() { signal.Ignore(syscall.SIGXFSZ) }

// LimitFiles lets the files of a process grow to so many bytes and no further; 0 takes the limit away.
func LimitFiles(pid int, bytes uint64) error {
	limit := unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}
	if bytes == 0 {
		limit.Cur = unix.RLIM_INFINITY
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		return fmt.Errorf("prlimit: %w", err)
	}
	return nil
}
