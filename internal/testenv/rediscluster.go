package testenv

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
)

const clusterNodes = 6 // three primaries with a replica each: the least that can fail over

// newRedisCluster starts six nodes and joins them. failover is how long a node may be silent before
// its replica takes over; way says how each node is reached, if not nil.
func newRedisCluster(failover time.Duration, way func(node int) Way, extra ...string) ([]*process, error) {
	conf := clusterConf(failover, extra)
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

func clusterConf(failover time.Duration, extra []string) []string {
	return append([]string{
		"cluster-enabled yes",
		fmt.Sprintf("cluster-node-timeout %d", failover.Milliseconds()),
		// A replica takes over however long it was cut off: a test's pauses are not a network's.
		"cluster-replica-validity-factor 0",
	}, extra...)
}

// growRedis starts two more nodes and joins them to a cluster: a primary without a slot, and its replica.
func growRedis(failover time.Duration, nodes []*process, extra ...string) (grown []*process, err error) {
	cli, err := redisCLI.path()
	if err != nil {
		return nil, err
	}
	grown, err = startAll(2, func(int) (*process, error) { return newRedis(RedisOptions{Extra: clusterConf(failover, extra)}) })
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			discard(grown)
		}
	}()
	say := func(p *process, words ...string) (string, error) {
		out, err := exec.Command(cli, append([]string{"-p", p.addr[strings.LastIndexByte(p.addr, ':')+1:]}, words...)...).CombinedOutput()
		if err != nil || strings.HasPrefix(string(out), "ERR") {
			err = fmt.Errorf("%s: %v: %w\n%s", p.addr, words, err, out)
		}
		return strings.TrimSpace(string(out)), err
	}
	for _, p := range grown {
		host, port, _ := strings.Cut(nodes[0].addr, ":")
		if _, err = say(p, "cluster", "meet", host, port); err != nil {
			return nil, err
		}
	}
	id, err := say(grown[0], "cluster", "myid")
	if err != nil {
		return nil, err
	}
	all := append(slices.Clone(nodes), grown...)
	for deadline := time.Now().Add(readyTimeout); ; time.Sleep(pollEvery) {
		if err = grownUp(say, all, grown[1], id); err == nil || time.Now().After(deadline) {
			return grown, err
		}
	}
}

// grownUp makes the replica one as soon as it knows its primary, and tells whether everybody knows everybody.
func grownUp(say func(*process, ...string) (string, error), all []*process, replica *process, id string) error {
	if _, err := say(replica, "cluster", "replicate", id); err != nil {
		return err
	}
	for _, p := range all {
		state, err := say(p, "cluster", "nodes")
		if err != nil || strings.Count(state, " connected") < len(all) || !strings.Contains(state, "slave "+id) {
			return fmt.Errorf("%s does not know all nodes: %w\n%s", p.addr, err, state)
		}
		if state, err = say(p, "cluster", "info"); err != nil || !strings.Contains(state, "cluster_state:ok") {
			return fmt.Errorf("%s is not in the cluster: %w\n%s", p.addr, err, state)
		}
	}
	role, err := say(replica, "info", "replication")
	if err != nil || !strings.Contains(role, "master_link_status:up") {
		return fmt.Errorf("%s has no copy yet: %w\n%s", replica.addr, err, role)
	}
	return nil
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
