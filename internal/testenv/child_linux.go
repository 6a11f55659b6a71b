package testenv

import "syscall"

// OwnedChild makes the kernel kill the child when we die, and keeps a terminal's Ctrl-C from reaching
// servers before the tests that use them. The signal is tied to the thread that forked; Go ends a thread
// only with a goroutine that exits while locked to it, which no starter of servers does.
func OwnedChild() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// DieWithParent asks the kernel for SIGTERM when our parent ends: `go run` passes no SIGTERM on.
func DieWithParent() {
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0)
}
