//go:build !failpoints

// Package failpoint ends a process in the middle of a step, as SIGKILL would, for the fault suite. In a program that is
// built without the tag failpoints nothing of it is left.
package failpoint

// Hit is where a process can be killed.
func Hit(string) {}
