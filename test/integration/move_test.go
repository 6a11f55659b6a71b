package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/test/rig"
)

const (
	moveID      = "grown"
	moveShards  = 6
	movePlayers = 48
)

// TestMove grows a cluster under load: a primary and its replica join, and shards and the bank go there while a crowd
// plays. Every call is answered, or told to come again; nobody is answered wrongly; a mover that is killed in the middle
// harms nobody, and the same command finishes.
func TestMove(t *testing.T) {
	cluster := testenv.StartRedisCluster(t, "appendonly no")
	s := rig.Servers{
		Redis: cluster.Addrs(), Cluster: true, Kafka: testenv.Kafka(t), DSN: testenv.MySQL(t), Namespace: testenv.Namespace(t),
	}
	s.More = "durability: {mode: replicated, replicas: 1, wait: 500ms}\nlimits: {user_rate: 0}"
	m := &moving{T: t, sys: rig.New(t, s), run: inventory.Run{Campaign: moveID, Number: 1, Shards: moveShards}, rounds: map[string]int64{}}
	m.sys.Apply(rig.Campaign(moveID, 10*time.Minute, 10_000, 1_000_000, moveShards))
	m.api, m.worker = m.sys.Serve("api"), m.sys.Serve("worker")
	m.Stores = rig.Connect(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()

	to, replica := cluster.Grow(t)
	playing := m.crowd(ctx)
	m.refused(to.Addr(), replica.Addr())
	since := time.Now()
	moved := m.move("--shard=0", "--shard=3", "--shard=bank", "--pause=500ms", "--to="+to.Addr())
	stated := time.Duration(0)
	for _, p := range moved.Pools {
		t.Logf("%+v", p)
		if p.Outcome != "moved" || p.To != to.Addr() || p.PauseMS <= 0 || p.Keys < 2 || p.Bytes == 0 {
			t.Errorf("got %+v, want it moved, with its keys and the pause", p)
		}
		stated = max(stated, time.Duration(p.PauseMS)*time.Millisecond)
	}
	time.Sleep(time.Second)
	// A player who was told to come again waits for half a second at most, and then for his round.
	gap, shard := m.gap(since)
	t.Logf("shard %d was not served for %s", shard, gap)
	if gap > stated+2500*time.Millisecond {
		t.Errorf("shard %d was not served for %s, and the longest pause was stated as %s", shard, gap, stated)
	}
	for _, p := range m.move("--shard=0", "--shard=bank", "--to="+to.Addr()).Pools {
		if p.Outcome != "there" {
			t.Errorf("got %+v the second time, want nothing done", p)
		}
	}
	m.killed(to.Addr())
	m.wait(playing)
	m.settled(ctx)
	if !strings.Contains(m.nodesOf(to), "master - ") || m.keysAt(to) == 0 {
		t.Errorf("the new primary is %s with %d keys", m.nodesOf(to), m.keysAt(to))
	}
	if out, err := m.sys.Shake("reconcile", moveID); err != nil {
		t.Errorf("reconcile: %v\n%s", err, out)
	}
}

// moving is the test's view of a night on which a cluster grows.
type moving struct {
	*testing.T
	sys         *rig.System
	run         inventory.Run
	api, worker *rig.Process
	*rig.Stores

	stop chan struct{}

	mu     sync.Mutex
	rounds map[string]int64
	served []struct {
		shard int
		at    time.Time
	}
}

// crowd has players play round after round, and complains about every answer that is neither one nor "come again".
func (m *moving) crowd(ctx context.Context) *sync.WaitGroup {
	h := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 10 * time.Second}
	m.stop = make(chan struct{})
	var wg sync.WaitGroup
	for i := range movePlayers {
		wg.Go(func() {
			if err := m.player(ctx, h, fmt.Sprintf("mover-%02d", i)); err != nil {
				m.Errorf("player %d: %v", i, err)
			}
		})
	}
	return &wg
}

func (m *moving) wait(playing *sync.WaitGroup) {
	close(m.stop)
	playing.Wait()
}

func (m *moving) player(ctx context.Context, h *http.Client, user string) error {
	c, err := rig.Login(ctx, h, m.api.URL, user)
	if err != nil {
		return err
	}
	total := int64(0)
	for number := int64(1); ; number++ {
		select {
		case <-m.stop:
			return nil
		case <-time.After(100 * time.Millisecond):
		}
		at := fmt.Sprintf("/v1/campaigns/%s/rounds/%d", moveID, number)
		var s rig.Started
		if status, err := c.Insist(ctx, "PUT", at, nil, &s); err != nil || status != 200 || s.Number != number {
			return fmt.Errorf("start %d: %d %+v %w", number, status, s, err)
		}
		var r rig.Result
		if status, err := c.Insist(ctx, "POST", at+"/end", map[string]any{"token": s.Token, "shakes": 5}, &r); err != nil || status != 200 {
			return fmt.Errorf("end %d: %d %+v %w", number, status, r, err)
		}
		if total += r.Coins; r.Total != total {
			return fmt.Errorf("round %d: the total is %d, want %d", number, r.Total, total)
		}
		m.note(user, r)
	}
}

func (m *moving) note(user string, r rig.Result) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rounds[r.Round] = r.Coins
	m.served = append(m.served, struct {
		shard int
		at    time.Time
	}{m.run.ShardOf(user), time.Now()})
}

// gap is the longest time in which some shard ended no round.
func (m *moving) gap(since time.Time) (longest time.Duration, shard int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := make([]time.Time, moveShards)
	for i := range last {
		last[i] = since
	}
	for _, r := range m.served {
		if r.at.Before(since) {
			continue
		}
		if d := r.at.Sub(last[r.shard]); d > longest {
			longest, shard = d, r.shard
		}
		last[r.shard] = r.at
	}
	return longest, shard
}

// moves is what a test reads of `shake pool move --json`.
type moves struct {
	Pools []struct {
		Pool, From, To, Outcome, Why string
		Keys, Bytes                  int64
		PauseMS                      float64 `json:"pause_ms"`
		CopyMS                       float64 `json:"copy_ms"`
		OpenMS                       float64 `json:"open_ms"`
	}
}

func (m *moving) move(args ...string) (done moves) {
	m.Helper()
	out, err := m.sys.Shake(append([]string{"pool", "move", moveID, "--json"}, args...)...)
	if err != nil {
		m.Fatalf("%v\n%s", err, out)
	}
	if err := json.Unmarshal([]byte(out), &done); err != nil {
		m.Fatal(err, out)
	}
	return done
}

// refused tries what can't go well.
func (m *moving) refused(primary, replica string) {
	m.Helper()
	for to, says := range map[string]string{"127.0.0.1:1": "no server", replica: "replica"} {
		if out, err := m.sys.Shake("pool", "move", moveID, "--shard=0", "--to="+to); err == nil || !strings.Contains(err.Error(), says) {
			m.Errorf("to %s: got %v %s, want it refused: %s", to, err, out, says)
		}
	}
	foreign := redisdb.NewKeyCache("other").Of(m.run).Pool(0) // another namespace's, of the same tag
	if err := m.Redis.Client().Set(m.Context(), foreign, "", 0).Err(); err != nil {
		m.Fatal(err)
	}
	if out, err := m.sys.Shake("pool", "move", moveID, "--shard=0", "--to="+primary); err == nil || !strings.Contains(err.Error(), foreign) {
		m.Errorf("got %v %s, want it refused for a key of others", err, out)
	}
	if err := m.Redis.Client().Del(m.Context(), foreign).Err(); err != nil {
		m.Fatal(err)
	}
}

// killed has movers die in the middle, and the same commands finish. Meanwhile a worker opens what they left closed.
func (m *moving) killed(to string) {
	m.Helper()
	steps := map[string]string{"--shard=1": "mover.copied", "--shard=2": "mover.switched"}
	since := time.Now()
	for shard, step := range steps {
		cmd := exec.CommandContext(m.Context(), m.sys.Bin, "pool", "move", moveID, shard, "--to="+to, "--config", m.sys.Config)
		cmd.Env = append(append([]string{}, m.sys.Env...), "SHAKE_FAILPOINT="+step)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(err.Error(), "killed") {
			m.Fatalf("at %s: got %v, want it killed\n%s", step, err, out)
		}
	}
	for shard, step := range steps {
		began := time.Now()
		one := m.move(shard, "--to="+to).Pools[0]
		m.Logf("killed at %s; the next one took %s: %+v", step, time.Since(began), one)
		if one.Outcome != "moved" && one.Outcome != "there" {
			m.Errorf("killed at %s: the next one came to %+v", step, one)
		}
	}
	time.Sleep(time.Second)
	if gap, shard := m.gap(since); gap > 14*time.Second { // a hold, and what opening takes
		m.Errorf("shard %d was not served for %s after a mover had died", shard, gap)
	}
}

func (m *moving) nodesOf(s *testenv.Server) string {
	m.Helper()
	nodes, err := m.Redis.ClusterNodes(m.Context())
	if err != nil {
		m.Fatal(err)
	}
	for _, n := range nodes {
		if n.Addr == s.Addr() {
			return fmt.Sprintf("master - %v", n.Slots)
		}
	}
	return ""
}

func (m *moving) keysAt(s *testenv.Server) (n int64) {
	m.Helper()
	out, err := exec.Command("redis-cli", "-p", s.Addr()[strings.LastIndexByte(s.Addr(), ':')+1:], "dbsize").Output()
	if err == nil {
		_, err = fmt.Sscan(string(out), &n)
	}
	if err != nil {
		m.Fatal(err)
	}
	return n
}

// settled waits until all that was promised is in the ledger, and compares.
func (m *moving) settled(ctx context.Context) {
	m.Helper()
	rig.Eventually(m.T, 60*time.Second, func() error {
		if err := m.Settled(ctx, m.run); err != nil {
			return fmt.Errorf("%w (worker says %s)", err, m.worker.Logged())
		}
		return nil
	})
	m.Logf("%d rounds were played", len(m.rounds))
	if len(m.rounds) < 200 {
		m.Errorf("%d rounds were played: that is no load", len(m.rounds))
	}
	all, err := inventory.Audit(ctx, m.Pools, m.run)
	if err != nil {
		m.Fatal(err)
	}
	promised := int64(0)
	for _, coins := range m.rounds {
		promised += coins
	}
	if sums, err := m.Ledger.Sums(ctx, moveID, 1); err != nil || sums.Granted != promised || sums.Rounds != int64(len(m.rounds)) {
		m.Errorf("the ledger has %+v, %v; the players were promised %d in %d rounds", sums, err, promised, len(m.rounds))
	}
	if level := inventory.LevelOf(m.run, all, time.Now()); level.Issued != promised {
		m.Errorf("Redis issued %d, the players were promised %d", level.Issued, promised)
	}
}
