package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/test/rig"
)

// scene is one night for one fault: a campaign of its own on the world's servers, two nodes, two workers, and a crowd.
type scene struct {
	*world
	*rig.Stores
	t    *testing.T
	ctx  context.Context
	rng  *rand.Rand
	plan plan

	servers rig.Servers
	run     inventory.Run
	keys    *redisdb.Keys
	nodes   []*node // doors
	workers []*node
	crowd   *crowd

	startsAt time.Time // of the campaign
	broke    time.Time
	alarms   *alarms // nil: the fault raises none
}

// plan is how a fault's scene differs from the usual one.
type plan struct {
	shards  int
	pool    int64
	chances int64
	players int
	more    string   // further lines of the configuration
	env     []string // of all processes

	copies   int           // how often each end is sent at once; 0: mostly once
	limit    time.Duration // of the whole scene; default 4 minutes
	most     int           // coins that a round pays; default 100
	live     time.Duration // how long the campaign is; default an hour
	starts   time.Duration // before the campaign is live
	recovery time.Duration // how long players of a shard may be without a settled round; 0: as long as the fault takes
	claims   bool          // what was answered may be lost, and is claimed
}

func (p plan) filled() plan {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&p.shards, 6)
	def(&p.players, 60)
	def(&p.most, 100)
	if p.live == 0 {
		p.live = time.Hour
	}
	if p.limit == 0 {
		p.limit = sceneLimit
	}
	if p.pool == 0 {
		p.pool = 3_000_000
	}
	if p.chances == 0 {
		p.chances = 100_000
	}
	return p
}

// node is a process that can be killed and started again.
type node struct {
	*rig.Process
	sys   *rig.System
	roles string
	door  atomic.Pointer[string] // where players come in
	ops   atomic.Pointer[string]
}

// again starts a node anew; whatever it was, it is gone.
func (n *node) again() {
	n.Kill()
	n.replace(n.sys.Serve(n.roles))
}

func (n *node) replace(p *rig.Process) {
	n.Process = p
	n.door.Store(&p.URL)
	n.ops.Store(&p.OpsURL)
}

// limitFiles is a disk that is full, for a process.
func (n *node) limitFiles(bytes uint64) error { return testenv.LimitFiles(n.Cmd.Process.Pid, bytes) }

// killed is SIGKILL and a new start on what is left.
func killed(s *testenv.Server) {
	s.Kill()
	s.Restart()
}

// door is where a player comes in, of any node, whether it lives or not.
func (s *scene) door() string { return *s.nodes[rand.IntN(len(s.nodes))].door.Load() }

// prompt is what players hardly notice, on a machine that does everything at once.
const prompt = 5 * time.Second

const (
	sceneLimit = 4 * time.Minute
	nodeWait   = 500 * time.Millisecond // for replicas, before an end is pending
)

// newScene brings the world in order and starts everything; the crowd does not play yet.
func newScene(t *testing.T, w *world, seed uint64, p plan) *scene {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), p.filled().limit)
	t.Cleanup(cancel)
	here := *w
	here.t = t
	s := &scene{world: &here, t: t, ctx: ctx, rng: rand.New(rand.NewPCG(seed, seed)), plan: p.filled()}
	s.whole(ctx)
	dsn, err := testenv.Behind(w.mysql.DSN(), func(addr string) (string, error) {
		if w.database != nil {
			return w.database.Addr(), nil
		}
		listen, err := w.front(addr)
		w.database = w.links[addr]
		return listen, err
	})
	s.must(err)
	s.database = w.database
	s.servers = rig.Servers{
		Redis: w.redis.Fronts(), Cluster: true, Kafka: w.kafka.Fronts(), Copies: 3, DSN: dsn, Namespace: testenv.Namespace(t),
		More: fmt.Sprintf("durability: {mode: replicated, replicas: 1, wait: %s}\nlimits: {user_rate: 0}\n%s", nodeWait, p.more),
	}
	s.run = inventory.Run{Campaign: "night", Number: 1, Shards: s.plan.shards}
	s.keys = redisdb.NewKeyCache(s.servers.Namespace).Of(s.run)
	first := s.system()
	s.startsAt = time.Now().Add(s.plan.starts).Truncate(time.Second)
	text := rig.CampaignAt(s.startsAt, s.run.Campaign, s.plan.live, s.plan.chances, s.plan.pool, s.plan.shards)
	text = strings.Replace(text, "late: 20s", "late: 10m", 1) // nobody is to be late because of us
	first.Apply(strings.Replace(text, "max: 100", fmt.Sprint("max: ", s.plan.most), 1))
	s.workers = []*node{s.start(first, "worker"), s.start(s.system(), "worker")}
	s.nodes = []*node{s.start(s.system(), "api"), s.start(s.system(), "api")}
	s.Stores = rig.Connect(t, s.servers)
	s.crowd = newCrowd(s, seed)
	t.Cleanup(s.tell)
	return s
}

// tell says how things stand when a fault was not survived.
func (s *scene) tell() {
	if !s.t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	all, err := inventory.Audit(ctx, s.Pools, s.run)
	s.t.Logf("pools (%v):", err)
	for _, p := range all {
		s.t.Logf("%+v", p)
	}
	for _, n := range append(s.nodes[:len(s.nodes):len(s.nodes)], s.workers...) {
		s.t.Logf("a %s has logged:\n%s", n.roles, n.Logged())
	}
}

// system is a configuration for one process: each has a round log of its own.
func (s *scene) system() *rig.System {
	sys := rig.New(s.t, s.servers)
	sys.Env = append(sys.Env, s.plan.env...)
	return sys
}

func (s *scene) start(sys *rig.System, roles string) *node {
	s.t.Helper()
	n := &node{sys: sys, roles: roles}
	n.replace(sys.Serve(roles))
	return n
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// note says what happens, with the time since the fault.
func (s *scene) note(format string, args ...any) {
	since := "before"
	if !s.broke.IsZero() {
		since = "+" + time.Since(s.broke).Round(time.Millisecond).String()
	}
	s.t.Logf("%8s %s", since, fmt.Sprintf(format, args...))
}

// play lets the crowd begin and waits until some rounds are over.
func (s *scene) play() {
	s.t.Helper()
	s.crowd.start()
	s.rounds(5 * s.plan.players)
}

// breaks does what the fault is, which is to raise these alarms; the time that players wait is counted from here.
func (s *scene) breaks(what string, alarms ...string) {
	s.t.Helper()
	if len(alarms) > 0 {
		s.raises(alarms)
	}
	s.broke = time.Now()
	s.note("%s", what)
}

// rounds waits until so many more rounds are over.
func (s *scene) rounds(n int) {
	s.t.Helper()
	until := s.crowd.count() + n
	rig.Eventually(s.t, 90*time.Second, func() error {
		if got := s.crowd.count(); got < until {
			return fmt.Errorf("%d rounds are over, want %d", got, until)
		}
		return nil
	})
}

// everyShard waits until players of every shard had a round that began after now.
func (s *scene) everyShard() {
	s.t.Helper()
	now := time.Now()
	rig.Eventually(s.t, 90*time.Second, func() error {
		if shard := s.crowd.silent(s.plan.shards, now); shard >= 0 {
			return fmt.Errorf("no round of shard %d since %s", shard, time.Since(now))
		}
		return nil
	})
}

// pause lets time go by, while the crowd plays.
func (s *scene) pause(d time.Duration) {
	select {
	case <-s.ctx.Done():
	case <-time.After(d):
	}
}

// forgetOffsets lets every group of readers forget how far it was; none must run.
func (s *scene) forgetOffsets() {
	s.t.Helper()
	rig.Eventually(s.t, 60*time.Second, func() error {
		n, err := testenv.ForgetGroups(s.ctx, s.kafka.Fronts(), s.servers.Namespace)
		if err == nil {
			s.note("%d groups have forgotten where they were", n)
		}
		return err
	})
}

// replay sends the claims of a node's round log.
func (s *scene) replay(n *node) {
	s.t.Helper()
	var out string
	rig.Eventually(s.t, 60*time.Second, func() (err error) {
		out, err = n.sys.Shake("replay", "--from", "round-log", n.sys.RoundLog, "--rate", "5000", "--json")
		return err
	})
	s.note("a round log: %s", strings.Join(strings.Fields(out), " "))
}

// slotOf is the place of a shard in the cluster.
func (s *scene) slotOf(shard int) int { return redisdb.Slot(s.keys.Pool(shard)) }

// shardAt is who has a shard.
func (s *scene) shardAt(shard int) slot { return s.at(s.ctx, s.slotOf(shard)) }

// TestMain builds the program with the places where it can be killed.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		defer testenv.RemoveShake()
		testenv.Tags = "failpoints"
		return m.Run()
	}())
}
