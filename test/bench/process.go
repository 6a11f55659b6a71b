package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/shake-live/shake/internal/testenv"
)

// process is a server under measurement.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	ops string // where its profiles are; empty: nowhere
}

// start starts a program whose errors go to a file of its own.
func start(log string, env []string, args ...string) (*process, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	p := &process{cmd: exec.Command(args[0], args[1:]...)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = file
	p.cmd.SysProcAttr = testenv.OwnedChild()
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	return p, nil
}

// ready reads the line that tells where the program serves.
func (p *process) ready() (addr string, err error) {
	line, err := p.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s did not get ready: %w", p.cmd.Args[0], err)
	}
	for word := range strings.FieldsSeq(line) {
		if url, ok := strings.CutPrefix(word, "players=http://"); ok {
			addr = url
		}
		if url, ok := strings.CutPrefix(word, "ops="); ok {
			p.ops = url
		}
	}
	return addr, nil
}

// stop ends the program and waits for it.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	timer := time.AfterFunc(5*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	_ = p.cmd.Wait() // how it ends is of no interest
}

// cpu is the time that the process has spent, user and system, by its threads' own clocks: they count
// nanoseconds where /proc/PID/stat counts hundredths of a second.
func (p *process) cpu() (time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	if err != nil || len(tasks) == 0 {
		return 0, fmt.Errorf("no CPU time of %s in /proc: the bench needs Linux with schedstat", p.cmd.Args[0])
	}
	var sum time.Duration
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if os.IsNotExist(err) {
			continue // the thread has just ended
		}
		if err != nil {
			return 0, err
		}
		word, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", task, err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// pinned is what a command begins with so that it runs on one core; an empty one is any.
func pinned(core string) []string {
	if core == "" {
		return nil
	}
	return []string{"taskset", "-c", core}
}

// startRedis starts an empty redis-server that keeps nothing, on a free port.
func startRedis(dir, name string, before []string, more ...string) (*process, string, error) {
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, "", fmt.Errorf("%w: `make test` installs it", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	addr := l.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	if err := l.Close(); err != nil {
		return nil, "", err
	}
	args := append(before, bin, "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", dir,
		"--repl-diskless-sync-delay", "0", "--logfile", name+".log")
	args = append(args, more...)
	p, err := start(filepath.Join(dir, name+".err"), nil, args...)
	if err != nil {
		return nil, "", err
	}
	for range 100 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			return p, addr, conn.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.stop()
	return nil, "", fmt.Errorf("redis-server at %s does not answer", addr)
}
