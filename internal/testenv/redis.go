package testenv

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// RedisOptions says how a private redis-server differs from an empty one that keeps nothing.
type RedisOptions struct {
	AppendOnly bool     // keep data over restarts, written to the file before each reply
	ReplicaOf  string   // host:port of its primary
	Extra      []string // lines for redis.conf, such as "maxmemory 64mb"
	Front      Front    // where a node of a cluster tells its clients to go; nil: to itself
}

// Front puts something before the server at addr, a proxy say, and gives where clients come in.
type Front func(addr string) (listen string, err error)

func (o RedisOptions) lines() []string {
	lines := []string{
		"save \"\"",
		// A replica need not wait 5 s for others to join its first copy.
		"repl-diskless-sync-delay 0",
	}
	if o.AppendOnly {
		lines = append(lines, "appendonly yes", "appendfsync always")
	}
	if host, port, ok := strings.Cut(o.ReplicaOf, ":"); ok {
		lines = append(lines, "replicaof "+host+" "+port)
	}
	return append(lines, o.Extra...)
}

// newRedis prepares a redis-server in a folder of its own.
func newRedis(o RedisOptions) (*process, error) {
	bin, err := redisServer.path()
	if err != nil {
		return nil, err
	}
	dir, err := newFolder("redis")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	lines := append([]string{"bind 127.0.0.1", "port " + strconv.Itoa(port)}, o.lines()...)
	front := loopback(port)
	if o.Front != nil {
		if front, err = o.Front(front); err != nil {
			return nil, err
		}
		_, door, _ := net.SplitHostPort(front) // it is an address
		lines = append(lines, "cluster-announce-port "+door)
	}
	conf := filepath.Join(dir, "redis.conf")
	if err := os.WriteFile(conf, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		return nil, err
	}
	p := &process{name: "redis-server", addr: loopback(port), front: front, dir: dir, args: []string{bin, conf}}
	p.ready = func() error { return pingRedis(p.addr) }
	return p, nil
}

// pingRedis speaks the protocol by hand, for go-redis is kept to the packages that are stores.
func pingRedis(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second)) // fails only on a closed connection, as the write then does
	if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
		return err
	}
	answer := make([]byte, 64)
	n, err := conn.Read(answer)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(answer[:n]), "+PONG") {
		return fmt.Errorf("it says %q", answer[:n])
	}
	return nil
}
