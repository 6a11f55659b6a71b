// Command run brings up the servers that tests need, runs a command with their names in its environment,
// and stops them again: go run ./internal/testenv/run -- go test ./...
//
// Its exit code is the command's. The servers end with it in every case, SIGKILL included.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/shake-live/shake/internal/testenv"
)

// drain is how long a command may take to end once it was asked to.
const drain = 20 * time.Second

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: go run ./internal/testenv/run -- COMMAND...")
		os.Exit(2)
	}
	testenv.DieWithParent()
	code, err := run(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "testenv: %v\n", err)
	}
	os.Exit(code)
}

// run is main with an exit code, so that what it defers happens.
func run(args []string) (int, error) {
	// A signal that comes while servers start is heeded after that: apt must not be cut off half-way.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	if err := testenv.NeedCompiler(); err != nil {
		return 3, fmt.Errorf("the race detector needs a C compiler: %w", err)
	}
	began := time.Now()
	servers, err := testenv.Up()
	if err != nil {
		return 3, err
	}
	defer servers.Down()
	fmt.Fprintf(os.Stderr, "testenv: servers up after %.1f s\n", time.Since(began).Seconds())
	for _, kv := range servers.Environ() {
		fmt.Fprintln(os.Stderr, "testenv:", kv)
	}
	return execute(args, servers.Environ(), signals)
}

// execute runs the command in a process group of its own, so that a signal reaches all it started.
func execute(args, environ []string, signals <-chan os.Signal) (int, error) {
	select {
	case s := <-signals:
		return 3, fmt.Errorf("stopped by %s before the command ran", s)
	default:
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), environ...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = testenv.OwnedChild()
	if err := cmd.Start(); err != nil {
		return 2, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return exitCode(err)
	case s := <-signals:
		return exitCode(end(cmd.Process.Pid, s, ended))
	}
}

// end passes the signal on and kills what has not ended after a while.
func end(group int, s os.Signal, ended <-chan error) error {
	fmt.Fprintf(os.Stderr, "testenv: %s, stopping\n", s)
	_ = syscall.Kill(-group, s.(syscall.Signal)) // it may have ended already
	select {
	case err := <-ended:
		return err
	case <-time.After(drain):
		_ = syscall.Kill(-group, syscall.SIGKILL)
		return <-ended
	}
}

func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode(), nil
	default:
		return 1, err
	}
}
