//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// ignoreFileLimits lets a write fail that would make a file longer than the system allows, as on a full disk, instead of
// the process: rounds go on without their log.
func ignoreFileLimits() { signal.Ignore(syscall.SIGXFSZ) }
