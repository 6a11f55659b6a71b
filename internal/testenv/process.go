package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	readyTimeout = 90 * time.Second // a cold JVM beside a compiling `go test` on two cores has taken 25 s
	stopTimeout  = 20 * time.Second // after that a stopping server is killed
	pollEvery    = 20 * time.Millisecond
)

// process is one server program that we started and own. It waits by polling rather than with a goroutine,
// so that a package that shares a server can still check itself for leaked goroutines.
type process struct {
	name  string
	addr  string
	front string   // where clients come in, if not at addr
	dir   string   // its data and its log
	args  []string // program first
	ready func() error

	mu  sync.Mutex
	pid int // 0 when it does not run
}

// start runs the program and returns when it answers.
func (p *process) start() error {
	if err := p.spawn(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	if err := p.await(); err != nil {
		p.kill()
		return fmt.Errorf("%s on %s: %w; the end of %s:\n%s", p.name, p.addr, err, p.logPath(), p.logTail())
	}
	return nil
}

func (p *process) spawn() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid != 0 {
		return errors.New("it runs already")
	}
	log, err := os.OpenFile(p.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	ignoreFileLimits()
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = p.dir, log, log, OwnedChild()
	if err := cmd.Start(); err != nil {
		return err
	}
	p.pid = cmd.Process.Pid
	return cmd.Process.Release()
}

func (p *process) await() error {
	deadline := time.Now().Add(readyTimeout)
	for {
		err := p.ready()
		// A dead program is told apart from a slow one even if somebody else answers on its port.
		if p.exited() {
			return errors.New("it ended at once")
		}
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no answer within %s: %w", readyTimeout, err)
		}
		time.Sleep(pollEvery)
	}
}

// exited reaps the program if it has ended.
func (p *process) exited() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid == 0 {
		return true
	}
	if pid, _ := syscall.Wait4(p.pid, nil, syscall.WNOHANG, nil); pid == p.pid {
		p.pid = 0
	}
	return p.pid == 0
}

// id is the process id; 0 when it does not run.
func (p *process) id() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid
}

// signal reaches the program and its children (Redis forks to save).
func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid != 0 {
		_ = syscall.Kill(-p.pid, sig) // it may have ended by itself; exited tells
	}
}

// kill ends the program without a chance to write anything.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	for !p.exited() {
		time.Sleep(time.Millisecond)
	}
}

// stop lets the program end in its own way, within a bound.
func (p *process) stop() {
	p.signal(syscall.SIGCONT)
	p.signal(syscall.SIGTERM)
	for deadline := time.Now().Add(stopTimeout); time.Now().Before(deadline); time.Sleep(pollEvery) {
		if p.exited() {
			return
		}
	}
	p.kill()
}

func (p *process) logPath() string { return filepath.Join(p.dir, "server.log") }

func (p *process) logTail() string {
	log, _ := os.ReadFile(p.logPath()) // a missing log is an empty one
	return string(log[max(0, len(log)-2000):])
}
