package testenv

import (
	"syscall"
	"testing"
	"time"
)

// Server is a server of one test alone. It is ended and its data removed with the test.
type Server struct {
	t testing.TB
	p *process
}

// StartRedis starts a redis-server for this test alone.
func StartRedis(t testing.TB, o RedisOptions) *Server {
	t.Helper()
	return startOwn(t, func() ([]*process, error) {
		return startAll(1, func(int) (*process, error) { return newRedis(o) })
	}).nodes[0]
}

// StartMySQL starts a MariaDB for this test alone, with extra lines in its my.cnf; DSN gives a database on it.
func StartMySQL(t testing.TB, extra ...string) *Server {
	t.Helper()
	return startOwn(t, func() ([]*process, error) {
		return startAll(1, func(int) (*process, error) { return newMySQL(extra...) })
	}).nodes[0]
}

// StartKafka starts a broker of Apache Kafka for this test alone.
func StartKafka(t testing.TB) *Server {
	t.Helper()
	return StartKafkaCluster(t, 1).nodes[0]
}

// StartKafkaCluster starts n brokers for this test alone. With three, topics have three copies by default
// and a write needs two of them.
func StartKafkaCluster(t testing.TB, n int) *Cluster {
	t.Helper()
	return StartKafkaClusterBehind(t, nil, n)
}

// StartKafkaClusterBehind starts n brokers whose clients come by way of front; the brokers talk to each other past it.
func StartKafkaClusterBehind(t testing.TB, front Front, n int) *Cluster {
	t.Helper()
	return startOwn(t, func() ([]*process, error) { return newKafka(n, front) })
}

// StartSecureKafka starts a broker for this test alone with a second door, where clients log in over TLS.
func StartSecureKafka(t testing.TB, s KafkaSecurity) (server *Server, secure string) {
	t.Helper()
	server = startOwn(t, func() (group []*process, err error) {
		k, err := newKafkaPlan(1)
		if err != nil {
			return nil, err
		}
		if s.port, err = freePort(); err != nil {
			return nil, err
		}
		k.security = &s
		secure = loopback(s.port)
		return startAll(1, k.broker)
	}).nodes[0]
	return server, secure
}

// ownFailover is short: tests that kill a primary wait for it.
const ownFailover = 2 * time.Second

// StartRedisCluster starts six nodes for this test alone, with extra lines in each redis.conf.
// A replica takes over about three seconds after its primary fell silent.
func StartRedisCluster(t testing.TB, extra ...string) *Cluster {
	t.Helper()
	return StartRedisClusterBehind(t, nil, extra...)
}

// StartRedisClusterBehind starts six nodes as StartRedisCluster does, each reached by ways of its own.
func StartRedisClusterBehind(t testing.TB, way func(node int) Way, extra ...string) *Cluster {
	t.Helper()
	return startOwn(t, func() ([]*process, error) { return newRedisCluster(ownFailover, way, extra...) })
}

// Grow adds a primary that has no slots yet and a replica of it to a cluster of StartRedisCluster.
func (c *Cluster) Grow(t testing.TB, extra ...string) (primary, replica *Server) {
	t.Helper()
	var nodes []*process
	for _, n := range c.nodes {
		nodes = append(nodes, n.p)
	}
	grown := startOwn(t, func() ([]*process, error) { return growRedis(ownFailover, nodes, extra...) })
	c.nodes = append(c.nodes, grown.nodes...)
	return grown.nodes[0], grown.nodes[1]
}

func startOwn(t testing.TB, start func() ([]*process, error)) *Cluster {
	t.Helper()
	needServers(t)
	group, err := start()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(func() { discard(group) })
	c := &Cluster{}
	for _, p := range group {
		c.nodes = append(c.nodes, &Server{t: t, p: p})
	}
	return c
}

// Addr is the server's host:port; it stays the same over restarts.
func (s *Server) Addr() string { return s.p.addr }

// Front is where clients come in: the server's own address unless something stands before it.
func (s *Server) Front() string {
	if s.p.front == "" {
		return s.p.addr
	}
	return s.p.front
}

// Log is the file that the server logs to.
func (s *Server) Log() string { return s.p.logPath() }

// Dir is where the server keeps its data.
func (s *Server) Dir() string { return s.p.dir }

// LimitFiles lets the server's files grow to so many bytes and no further, as a full disk does; 0 takes the limit away.
// Files that are longer already can't be written any more.
func (s *Server) LimitFiles(bytes uint64) error { return LimitFiles(s.p.id(), bytes) }

// DSN is the DSN of a fresh, empty database on a server of StartMySQL.
func (s *Server) DSN() string {
	s.t.Helper()
	return freshDatabase(s.t, adminDSN(s.p.addr))
}

// Kill ends the server with SIGKILL and returns when it is gone.
func (s *Server) Kill() { s.p.kill() }

// Stop ends the server in its own way and returns when it is gone.
func (s *Server) Stop() { s.p.stop() }

// Restart starts the server again on its data, stopping it first if it runs, and returns when it answers.
func (s *Server) Restart() {
	s.t.Helper()
	s.p.stop()
	if err := s.p.start(); err != nil {
		s.t.Fatalf("testenv: %v", err)
	}
}

// Pause stops the server's time (SIGSTOP): connections stay open and nothing answers.
func (s *Server) Pause() { s.p.signal(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (s *Server) Resume() { s.p.signal(syscall.SIGCONT) }

// Cluster is several servers of one test alone.
type Cluster struct{ nodes []*Server }

// Nodes are the cluster's servers.
func (c *Cluster) Nodes() []*Server { return c.nodes }

// Addrs are the addresses of all nodes.
func (c *Cluster) Addrs() []string {
	list := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		list[i] = n.Addr()
	}
	return list
}

// Fronts are where clients of the nodes come in.
func (c *Cluster) Fronts() []string {
	list := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		list[i] = n.Front()
	}
	return list
}

// Node is the server with this address, its own or its front's, or nil.
func (c *Cluster) Node(addr string) *Server {
	for _, n := range c.nodes {
		if n.Addr() == addr || n.Front() == addr {
			return n
		}
	}
	return nil
}
