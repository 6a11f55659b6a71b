package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/test/rig"
)

// TestReady takes away, one after the other, what play goes on without: who serves players stays ready, also where the
// same process works, and a process that only works tells what it lacks. Without any Redis nobody is ready.
func TestReady(t *testing.T) {
	t.Parallel() // it waits more than it works
	cluster := testenv.StartRedisCluster(t)
	kafka, mysql := testenv.StartKafka(t), testenv.StartMySQL(t)
	s := rig.Servers{
		Redis: cluster.Addrs(), Cluster: true, Kafka: []string{kafka.Addr()}, DSN: mysql.DSN(), Namespace: testenv.Namespace(t),
		More: "durability: {mode: async}",
	}
	t.Cleanup(mysql.Restart) // for its database to be dropped
	sys := rig.New(t, s)
	sys.Apply(rig.Campaign("ready", 10*time.Minute, 100, 1_000_000, 6))
	api, both, worker := sys.Serve("api"), sys.Serve("api,worker"), sys.Serve("worker")
	stays := func(when string, lacks ...string) {
		t.Helper()
		rig.Eventually(t, 20*time.Second, func() error { return lacking(worker, lacks...) })
		for range 3 { // the worker has noticed; who serves players has had the time to
			for name, p := range map[string]*rig.Process{"api": api, "api,worker": both} {
				if err := lacking(p); err != nil {
					t.Errorf("%s: %s: %v", when, name, err)
				}
			}
		}
	}
	stays("all is well")
	kafka.Kill()
	stays("without Kafka", "kafka")
	mysql.Kill()
	stays("without Kafka and the database", "kafka", "sql")

	db := redis.NewClient(&redis.Options{Addr: cluster.Addrs()[0]})
	defer db.Close()
	info, err := db.Info(t.Context(), "replication").Result()
	_, rest, found := strings.Cut(info, "slave0:ip=127.0.0.1,port=")
	port, _, _ := strings.Cut(rest, ",")
	if err != nil || !found {
		t.Fatalf("the first node of the cluster is no primary with a replica: %v\n%s", err, info)
	}
	cluster.Node("127.0.0.1:" + port).Kill() // so that nobody takes over
	cluster.Nodes()[0].Pause()
	stays("while one primary of three hangs", "kafka", "redis", "sql")
	cluster.Nodes()[0].Kill()
	stays("without one primary of three", "kafka", "redis", "sql")

	for _, n := range cluster.Nodes() {
		n.Kill()
	}
	for _, p := range []*rig.Process{api, both} {
		rig.Eventually(t, 20*time.Second, func() error { return lacking(p, "redis") })
	}
}

// lacking wants a process ready, or not ready for exactly these reasons.
func lacking(p *rig.Process, want ...string) error {
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get(p.OpsURL + "/readyz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var body struct{ Reasons map[string]string }
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		return err
	}
	got := slices.Sorted(maps.Keys(body.Reasons))
	if !slices.Equal(got, want) || (resp.StatusCode == 200) != (len(want) == 0) {
		return fmt.Errorf("readyz answers %d %v, want it to lack %v", resp.StatusCode, body.Reasons, want)
	}
	return nil
}
