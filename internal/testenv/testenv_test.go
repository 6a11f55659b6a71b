package testenv

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRedis(t *testing.T) {
	if err := pingRedis(Redis(t)); err != nil {
		t.Fatalf("the shared redis: %v", err)
	}
}

func TestRedisCluster(t *testing.T) {
	nodes := RedisCluster(t)
	if len(nodes) < clusterNodes {
		t.Fatalf("got nodes %v, want %d of them", nodes, clusterNodes)
	}
	for _, addr := range nodes {
		if got := redis(t, addr, "cluster", "info"); !strings.Contains(got, "cluster_slots_ok:16384") {
			t.Errorf("node %s: %s", addr, got)
		}
	}
}

func TestMySQL(t *testing.T) {
	one, other := MySQL(t), MySQL(t)
	for _, dsn := range []string{one, other} { // the same name twice: they are two databases
		if err := asRoot(dsn, "CREATE TABLE coins (n INT)"); err != nil {
			t.Errorf("%s: %v", dsn, err)
		}
	}
	for _, want := range []string{"parseTime=true", "utf8mb4"} {
		if !strings.Contains(one, want) {
			t.Errorf("DSN %q lacks %q", one, want)
		}
	}
}

func TestKafka(t *testing.T) {
	topic := Namespace(t)
	send(t, Kafka(t), topic, 1, "hello")
	if got := receive(t, Kafka(t), topic); got != "hello" {
		t.Errorf("got %q, want what was sent", got)
	}
}

func TestStartRedis(t *testing.T) {
	s := StartRedis(t, RedisOptions{AppendOnly: true})
	redis(t, s.Addr(), "set", "coin", "1")
	s.Kill()
	if err := pingRedis(s.Addr()); err == nil {
		t.Error("it answers although it was killed")
	}
	s.Restart()
	if got := redis(t, s.Addr(), "get", "coin"); got != "1" {
		t.Errorf("after a kill got %q, want what was acknowledged", got)
	}
	s.Pause()
	if err := pingRedis(s.Addr()); err == nil {
		t.Error("it answers although it is paused")
	}
	s.Resume()
	if err := pingRedis(s.Addr()); err != nil {
		t.Errorf("after Resume: %v", err)
	}
}

func TestStartRedis_replica(t *testing.T) {
	primary := StartRedis(t, RedisOptions{})
	replica := StartRedis(t, RedisOptions{ReplicaOf: primary.Addr()})
	eventually(t, "the replica's link is up", func() bool {
		return strings.Contains(redis(t, replica.Addr(), "info", "replication"), "master_link_status:up")
	})
}

func TestStartRedisCluster_failover(t *testing.T) {
	c := StartRedisCluster(t)
	if c.Node("nobody") != nil {
		t.Error("Node found a server that is none of the cluster's")
	}
	killed, others := c.Nodes()[0], c.Nodes()[1:] // redis-cli makes the first three primaries
	killed.Kill()
	eventually(t, "a replica took over", func() bool {
		return primaries(t, others) == 3
	})
	killed.Restart()
	eventually(t, "the old primary follows", func() bool {
		return strings.Contains(redis(t, killed.Addr(), "info", "replication"), "role:slave")
	})
}

func TestStartMySQL(t *testing.T) {
	s := StartMySQL(t)
	dsn := s.DSN()
	if err := asRoot(dsn, "CREATE TABLE coins (n INT)"); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	s.Restart()
	if err := asRoot(dsn, "INSERT INTO coins VALUES (1)"); err != nil {
		t.Errorf("after a kill: %v", err)
	}
}

func TestStartKafkaCluster(t *testing.T) {
	c := StartKafkaCluster(t, 3)
	topic := Namespace(t)
	send(t, c.Addrs(), topic, 3, "hello")
	c.Nodes()[0].Kill()
	if got := receive(t, c.Addrs()[1:], topic); got != "hello" {
		t.Errorf("with a broker down got %q, want what was sent", got)
	}
	c.Nodes()[0].Restart()
}

// A test that is over has left no program and no folder.
func TestStart_leavesNothing(t *testing.T) {
	var dirs []string
	t.Run("servers", func(t *testing.T) {
		dirs = append(dirs, StartRedis(t, RedisOptions{}).p.dir, StartMySQL(t).p.dir, StartKafka(t).p.dir)
	})
	for _, dir := range dirs {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s is still there", dir)
		}
		if pids := using(dir); len(pids) > 0 {
			t.Errorf("processes %v still use %s", pids, dir)
		}
	}
}

// using lists processes whose command line names the folder.
func using(dir string) (pids []string) {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		if line, err := os.ReadFile(path); err == nil && bytes.Contains(line, []byte(dir)) {
			pids = append(pids, filepath.Base(filepath.Dir(path)))
		}
	}
	return pids
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("30 s and not yet: %s", what)
		}
	}
}
