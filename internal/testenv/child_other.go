//go:build !linux

package testenv

import "syscall"

// OwnedChild keeps a terminal's Ctrl-C from reaching servers before the tests that use them. Only Linux can
// tie the child's life to ours; elsewhere a killed test process leaves its servers to be ended by hand.
func OwnedChild() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// DieWithParent does nothing where the kernel offers nothing for it.
func DieWithParent() {}
