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
	Way        Way      // to a node of a cluster
}

// Front puts something before the server at addr, a proxy say, and gives where others come in.
type Front func(addr string) (listen string, err error)

// Way says by which ways a node of a cluster is reached. The zero value is: directly.
type Way struct {
	Clients Front  // of clients and replicas; nil: directly
	Nodes   Front  // of the other nodes; nil: directly
	From    string // where its own links to others come from, such as 127.0.0.11; "": from anywhere
}

// lines are what the node of this port is told.
func (w Way) lines(port int) (lines []string, front string, err error) {
	front = loopback(port)
	for _, door := range []struct {
		front Front
		addr  string
		name  string
	}{{w.Clients, front, "cluster-announce-port"}, {w.Nodes, loopback(port + busOffset), "cluster-announce-bus-port"}} {
		if door.front == nil {
			continue
		}
		listen, err := door.front(door.addr)
		if err != nil {
			return nil, "", err
		}
		if door.addr == front {
			front = listen
		}
		_, number, _ := net.SplitHostPort(listen) // it is an address
		lines = append(lines, door.name+" "+number)
	}
	if w.From != "" {
		lines = append(lines, "bind-source-addr "+w.From, "cluster-announce-ip 127.0.0.1")
	}
	return lines, front, nil
}

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
	way, front, err := o.Way.lines(port)
	if err != nil {
		return nil, err
	}
	lines = append(lines, way...)
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
