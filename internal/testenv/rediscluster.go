package testenv

import (
	"fmt"
	"os/exec"
	"strings"
	"time"
)

const clusterNodes = 6 // three primaries with a replica each: the least that can fail over

// newRedisCluster starts six nodes and joins them. failover is how long a node may be silent before
// its replica takes over; way says how each node is reached, if not nil.
func newRedisCluster(failover time.Duration, way func(node int) Way, extra ...string) ([]*process, error) {
	conf := append([]string{
		"cluster-enabled yes",
		fmt.Sprintf("cluster-node-timeout %d", failover.Milliseconds()),
		// A replica takes over however long it was cut off: a test's pauses are not a network's.
		"cluster-replica-validity-factor 0",
	}, extra...)
	nodes, err := startAll(clusterNodes, func(i int) (*process, error) {
		o := RedisOptions{Extra: conf}
		if way != nil {
			o.Way = way(i)
		}
		return newRedis(o)
	})
	if err != nil {
		return nil, err
	}
	if err := joinRedis(nodes); err != nil {
		discard(nodes)
		return nil, err
	}
	return nodes, nil
}

func joinRedis(nodes []*process) error {
	cli, err := redisCLI.path()
	if err != nil {
		return err
	}
	args := append([]string{"--cluster", "create"}, addrs(nodes)...)
	args = append(args, "--cluster-replicas", "1", "--cluster-yes")
	if out, err := exec.Command(cli, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("redis-cli --cluster create: %w\n%s", err, out)
	}
	for deadline := time.Now().Add(readyTimeout); ; time.Sleep(pollEvery) {
		err := joined(cli, nodes)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// joined tells whether every node serves and every replica has its copy.
func joined(cli string, nodes []*process) error {
	replicas := 0
	for _, n := range nodes {
		port := n.addr[strings.LastIndexByte(n.addr, ':')+1:]
		state, err := exec.Command(cli, "-p", port, "cluster", "info").CombinedOutput()
		if err != nil || !strings.Contains(string(state), "cluster_state:ok") {
			return fmt.Errorf("node %s is not in the cluster: %w\n%s", n.addr, err, state)
		}
		role, err := exec.Command(cli, "-p", port, "info", "replication").CombinedOutput()
		if err != nil {
			return fmt.Errorf("node %s: %w\n%s", n.addr, err, role)
		}
		if strings.Contains(string(role), "master_link_status:up") {
			replicas++
		}
	}
	if want := len(nodes) / 2; replicas != want {
		return fmt.Errorf("%d of %d replicas have their copy", replicas, want)
	}
	return nil
}
