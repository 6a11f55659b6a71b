package testenv

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// Ports are taken below the range that the kernel hands to outgoing connections (from 32768), so that a
// server can be restarted on its port; busOffset above each lies its Redis Cluster bus.
const (
	firstPort = 10000
	lastPort  = 21000
	busOffset = 10000
)

// freePort gives a port that is free together with the one busOffset above it. It stays reserved for this
// process by a file lock, since two test processes that look at once would both find it free.
func freePort() (int, error) {
	dir := filepath.Join(os.TempDir(), "shake-test-ports")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return 0, err
	}
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if !bindable(port) || !bindable(port+busOffset) {
			continue
		}
		if keep(filepath.Join(dir, strconv.Itoa(port))) == nil {
			return port, nil
		}
	}
	return 0, errors.New("no free port found")
}

func bindable(port int) bool {
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// FreeAddr is an address that nobody listens on, for something that stands before a server. It stays this process's.
func FreeAddr() (string, error) {
	port, err := freePort()
	return loopback(port), err
}
