package testenv

import (
	"os"
	"sync"
	"syscall"
)

const tryExclusive = syscall.LOCK_EX | syscall.LOCK_NB

// lock waits until this process alone holds the file. Closing the file lets go, and so does dying.
func lock(path string) (*os.File, error) { return flock(path, syscall.LOCK_EX) }

// keep takes the file for as long as this process lives, or fails at once when another process has it.
func keep(path string) error {
	f, err := flock(path, tryExclusive)
	if err != nil {
		return err
	}
	kept.Lock()
	defer kept.Unlock()
	kept.files = append(kept.files, f)
	return nil
}

// kept saves files from the garbage collector, which would close them. It is global because the locks
// belong to the process, like the ports and folders that they guard.
var kept struct {
	sync.Mutex
	files []*os.File
}

func flock(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
