//lint:file-ignore SA1019 CLUSTER SLOTS is what clients go by, and tells addresses as they see them

package faults

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/test/link"
	"github.com/shake-live/shake/test/rig"
)

// world is the servers that all faults share: each mends what it breaks.
type world struct {
	t        *testing.T
	redis    *testenv.Cluster
	kafka    *testenv.Cluster
	mysql    *testenv.Server
	mu       *sync.Mutex
	links    map[string]*link.Link   // by the address of the server behind it
	gates    map[string][]*link.Gate // of the Redis nodes, by where their own links come from
	database *link.Link              // to the primary database
}

// redisMemory is what a node may use; a fault fills it.
const redisMemory = "maxmemory 256mb"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, mu: &sync.Mutex{}, links: map[string]*link.Link{}, gates: map[string][]*link.Gate{}}
	t.Cleanup(func() {
		for _, l := range w.links {
			l.Close()
		}
		for _, gates := range w.gates {
			for _, g := range gates {
				g.Close()
			}
		}
	})
	// Fronts listen on ports below those that the kernel hands out, so that a link that was cut finds its port again.
	w.redis = testenv.StartRedisClusterBehind(t, w.way, "appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction", redisMemory)
	w.kafka = testenv.StartKafkaClusterBehind(t, w.front, 3)
	w.mysql = testenv.StartMySQL(t, "server-id=1", "log-bin=binlog", "binlog-format=ROW", "innodb-lock-wait-timeout=5")
	return w
}

// front puts a link before a server. Several are put up at once.
func (w *world) front(addr string) (string, error) {
	listen, err := testenv.FreeAddr()
	if err != nil {
		return "", err
	}
	l, err := link.New(listen, addr)
	if err != nil {
		return "", err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.links[addr] = l
	return l.Addr(), nil
}

// way is how a Redis node is reached: past gates that know the other nodes, so that one can be cut off from them, and,
// for clients and replicas, by a link.
func (w *world) way(i int) testenv.Way {
	from := fmt.Sprintf("127.0.0.%d", 11+i)
	gate := func(addr string) (string, error) {
		listen, err := testenv.FreeAddr()
		if err != nil {
			return "", err
		}
		g, err := link.NewGate(listen, addr)
		if err != nil {
			return "", err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.gates[from] = append(w.gates[from], g)
		return g.Addr(), nil
	}
	return testenv.Way{From: from, Nodes: gate, Clients: func(addr string) (string, error) {
		between, err := w.front(addr)
		if err != nil {
			return "", err
		}
		return gate(between)
	}}
}

// cutOff takes a Redis node away from the other nodes, and leaves it to its clients.
func (w *world) cutOff(s *testenv.Server) {
	var others []string
	self := ""
	for from, gates := range w.gates {
		if slices.ContainsFunc(gates, func(g *link.Gate) bool { return g.Addr() == s.Front() }) {
			self = from
		} else {
			others = append(others, from)
		}
	}
	for from, gates := range w.gates {
		for _, g := range gates {
			if from == self {
				g.Shut(others...)
			} else {
				g.Shut(self)
			}
		}
	}
}

// join brings all nodes together again.
func (w *world) join() {
	for _, gates := range w.gates {
		for _, g := range gates {
			g.Open()
		}
	}
}

// link is the way of clients to a server.
func (w *world) link(s *testenv.Server) *link.Link {
	if l := w.links[s.Addr()]; l != nil {
		return l
	}
	for _, l := range w.links { // a broker's clients have a door of their own
		if l.Addr() == s.Front() {
			return l
		}
	}
	w.t.Fatalf("no link to %s", s.Addr())
	return nil
}

func (w *world) linksTo(c *testenv.Cluster) (list []*link.Link) {
	for _, n := range c.Nodes() {
		list = append(list, w.link(n))
	}
	return list
}

// slot is a place in the cluster: who has it, and who copies it.
type slot struct{ primary, replica *testenv.Server }

// topology asks the nodes who has what. Nodes that cannot be asked are left out.
func (w *world) topology(ctx context.Context) ([]redis.ClusterSlot, error) {
	var last error
	for _, n := range w.redis.Nodes() {
		c := redis.NewClient(&redis.Options{Addr: n.Addr(), DialTimeout: 300 * time.Millisecond, ReadTimeout: 500 * time.Millisecond, MaxRetries: -1, ContextTimeoutEnabled: true})
		info, err := c.ClusterInfo(ctx).Result()
		if err == nil && !strings.Contains(info, "cluster_state:ok") {
			err = fmt.Errorf("%s says the cluster is not well", n.Addr())
		}
		var slots []redis.ClusterSlot
		if err == nil {
			slots, err = c.ClusterSlots(ctx).Result()
		}
		_ = c.Close()
		if err == nil {
			return slots, nil
		}
		last = err
	}
	return nil, last
}

// at is who has a slot, as soon as its primary has a replica.
func (w *world) at(ctx context.Context, number int) (found slot) {
	w.t.Helper()
	rig.Eventually(w.t, 30*time.Second, func() error {
		slots, err := w.topology(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(slots, func(s redis.ClusterSlot) bool { return s.Start <= number && number <= s.End })
		if i < 0 || len(slots[i].Nodes) < 2 {
			return fmt.Errorf("the node of slot %d has no replica", number)
		}
		found = slot{primary: w.node(slots[i].Nodes[0].Addr), replica: w.node(slots[i].Nodes[1].Addr)}
		return nil
	})
	return found
}

// primaryIs waits until a slot is somebody's.
func (w *world) primaryIs(ctx context.Context, number int, s *testenv.Server) {
	w.t.Helper()
	rig.Eventually(w.t, 30*time.Second, func() error {
		c := redis.NewClient(&redis.Options{Addr: s.Addr(), DialTimeout: 300 * time.Millisecond, ReadTimeout: 500 * time.Millisecond, MaxRetries: -1})
		defer c.Close()
		slots, err := c.ClusterSlots(ctx).Result()
		if err != nil {
			return err
		}
		for _, one := range slots {
			if one.Start <= number && number <= one.End && w.node(one.Nodes[0].Addr) == s {
				return nil
			}
		}
		return fmt.Errorf("%s has not taken slot %d over", s.Addr(), number)
	})
}

// node is the server behind an address that the cluster tells.
func (w *world) node(addr string) *testenv.Server {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		w.t.Fatalf("the cluster tells of %q", addr)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return w.redis.Node(net.JoinHostPort(host, port))
}

// direct is a connection to a node past its link.
func (w *world) direct(s *testenv.Server) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: s.Addr(), DialTimeout: time.Second, ReadTimeout: 10 * time.Second})
}

// whole waits until nothing of what a fault did is left: links as new, three primaries with a replica each.
func (w *world) whole(ctx context.Context) {
	w.t.Helper()
	w.join()
	for _, l := range w.links {
		if err := l.Mend(); err != nil {
			w.t.Fatal(err)
		}
	}
	rig.Eventually(w.t, 60*time.Second, func() error {
		for _, n := range w.redis.Nodes() {
			if err := w.well(ctx, n); err != nil {
				return err
			}
		}
		slots, err := w.topology(ctx)
		if err != nil {
			return err
		}
		for _, s := range slots {
			if len(s.Nodes) < 2 {
				return fmt.Errorf("slots %d to %d have no replica", s.Start, s.End)
			}
		}
		return nil
	})
}

// well is nil where a node serves, and copies if it is a replica.
func (w *world) well(ctx context.Context, n *testenv.Server) error {
	c := w.direct(n)
	defer c.Close()
	info, err := c.Info(ctx, "replication").Result()
	if err != nil {
		return err
	}
	if strings.Contains(info, "role:slave") && !strings.Contains(info, "master_link_status:up") {
		return fmt.Errorf("%s has no link to its primary", n.Addr())
	}
	return nil
}
