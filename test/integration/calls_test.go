package integration

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/test/rig"
)

// TestCalls counts what a start and an end cost once a campaign is warm: one script call of Redis at most, fewer
// when many come at once, and no read of the database at all. The number plans the capacity.
func TestCalls(t *testing.T) {
	cluster := testenv.StartRedisCluster(t)
	mysql := testenv.StartMySQL(t)
	s := rig.Servers{
		Redis: cluster.Addrs(), Cluster: true, Kafka: testenv.Kafka(t), DSN: mysql.DSN(), Namespace: testenv.Namespace(t),
		More: "durability: {mode: replicated, replicas: 1}\nlimits: {user_rate: 0}",
	}
	sys := rig.New(t, s)
	sys.Apply(rig.Campaign("calls", 10*time.Minute, 100, 10_000_000, 12))
	worker := sys.Serve("worker")
	api := sys.Serve("api")
	c := &counted{t: t, api: api, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}, Timeout: 10 * time.Second}}
	c.connect(s)
	c.players(200)
	c.round(1, 8) // warm
	worker.Kill() // from here on only the api process talks to Redis scripts and to the database

	t.Run("one by one", func(t *testing.T) {
		perStart, perEnd, reads := c.measure(2, 1)
		t.Logf("a start costs %.3f script calls, an end %.3f, %d database reads", perStart, perEnd, reads)
		if perStart > 1 || perEnd > 1 {
			t.Errorf("a start costs %.3f script calls and an end %.3f, want at most 1", perStart, perEnd)
		}
		if reads != 0 {
			t.Errorf("%d database reads in 400 calls, want none", reads)
		}
	})
	t.Run("a hundred at once", func(t *testing.T) {
		perStart, perEnd, reads := c.measure(3, 100)
		t.Logf("a start costs %.3f script calls, an end %.3f, %d database reads", perStart, perEnd, reads)
		if perStart > 0.9 || perEnd > 0.9 || reads != 0 {
			t.Errorf("a start costs %.3f script calls, an end %.3f, %d database reads: want them to gather, and no read", perStart, perEnd, reads)
		}
	})
}

// TestShorts plays a pool down to its last twentieth: hardly any end finds its shard without coins on the way, for the
// keeper fills slices before they are empty.
func TestShorts(t *testing.T) {
	const players, rounds = 200, 50
	cluster := testenv.RedisCluster(t)
	s := rig.Servers{
		Redis: cluster, Cluster: true, Kafka: testenv.Kafka(t), DSN: testenv.MySQL(t), Namespace: testenv.Namespace(t),
		More: "durability: {mode: async}\nlimits: {user_rate: 0}",
	}
	sys := rig.New(t, s)
	const worth = players * rounds * 9 / 10 * 101 / 2 // of the rounds, by the curve
	sys.Apply(rig.Campaign("calls", 10*time.Minute, 100, worth*100/95, 12))
	sys.Serve("worker")
	api := sys.Serve("api")
	c := &counted{t: t, api: api, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 10 * time.Second}}
	c.players(players)
	time.Sleep(time.Second) // the slices are filled while a campaign warms up
	for n := range rounds {
		c.round(n+1, 32)
	}
	short := api.Metric(`shake_rounds_short_total{campaign="calls"}`)
	t.Logf("%.0f of %d ends found their shard short", short, players*rounds)
	if short > 0.01*players*rounds {
		t.Errorf("%.0f of %d ends found their shard short, want at most one in a hundred", short, players*rounds)
	}
}

// counted plays rounds and counts what the servers do meanwhile.
type counted struct {
	t       *testing.T
	api     *rig.Process
	http    *http.Client
	redis   *redisdb.DB
	sql     *sqldb.DB
	clients []*rig.Client
	tokens  []string
}

func (c *counted) connect(s rig.Servers) {
	var err error
	if c.redis, err = redisdb.Open(c.t.Context(), redisdb.Options{Addrs: s.Redis, Cluster: true}); err != nil {
		c.t.Fatal(err)
	}
	if c.sql, err = sqldb.Open(c.t.Context(), sqldb.Options{Driver: "mysql", DSN: s.DSN}); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _, _ = c.redis.Close(), c.sql.Close() })
}

func (c *counted) players(n int) {
	for i := range n {
		one, err := rig.Login(c.t.Context(), c.http, c.api.URL, fmt.Sprintf("counted-%d", i))
		if err != nil {
			c.t.Fatal(err)
		}
		c.clients = append(c.clients, one)
	}
	c.tokens = make([]string, n)
}

// each calls fn for every player, so many at once.
func (c *counted) each(workers int, fn func(i int) error) {
	c.t.Helper()
	var wg sync.WaitGroup
	next := make(chan int)
	for range workers {
		wg.Go(func() {
			for i := range next {
				if err := fn(i); err != nil {
					c.t.Error(err)
				}
			}
		})
	}
	for i := range c.clients {
		next <- i
	}
	close(next)
	wg.Wait()
}

func (c *counted) starts(number, workers int) {
	c.each(workers, func(i int) error {
		var s rig.Started
		status, err := c.clients[i].Call(context.Background(), "PUT", fmt.Sprintf("/v1/campaigns/calls/rounds/%d", number), nil, &s)
		c.tokens[i] = s.Token
		if err == nil && status != 200 {
			err = fmt.Errorf("start answered %d %s", status, s.Code)
		}
		return err
	})
}

func (c *counted) ends(number, workers int) {
	c.each(workers, func(i int) error {
		var r rig.Result
		body := map[string]any{"token": c.tokens[i], "shakes": 5}
		status, err := c.clients[i].Call(context.Background(), "POST", fmt.Sprintf("/v1/campaigns/calls/rounds/%d/end", number), body, &r)
		if err == nil && status != 200 {
			err = fmt.Errorf("end answered %d %s", status, r.Code)
		}
		return err
	})
}

func (c *counted) round(number, workers int) {
	c.starts(number, workers)
	c.ends(number, workers)
}

// measure plays one round of everybody and gives script calls per start and end, and database reads in all.
func (c *counted) measure(number, workers int) (perStart, perEnd float64, reads int64) {
	c.t.Helper()
	players := float64(len(c.clients))
	scripts, before := c.scripts(), c.reads()
	c.starts(number, workers)
	afterStarts := c.scripts()
	c.ends(number, workers)
	afterEnds := c.scripts()
	return float64(afterStarts.rounds-scripts.rounds) / players, float64(afterEnds.rounds-afterStarts.rounds) / players, c.reads() - before
}

// scriptCalls are counts over all primaries.
type scriptCalls struct{ rounds int64 }

// scripts counts calls of EVALSHA, less the audits by which the node sums the level, which read one hash each
// with HGETALL as nothing else does.
func (c *counted) scripts() scriptCalls {
	c.t.Helper()
	var mu sync.Mutex
	var s scriptCalls
	err := c.redis.EachPrimary(c.t.Context(), func(ctx context.Context, node *redis.Client) error {
		info, err := node.Info(ctx, "commandstats").Result()
		mu.Lock()
		defer mu.Unlock()
		s.rounds += stat(info, "evalsha") - stat(info, "hgetall")
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// stat reads the calls of one command from INFO commandstats.
func stat(info, command string) int64 {
	for line := range strings.Lines(info) {
		if rest, ok := strings.CutPrefix(line, "cmdstat_"+command+":calls="); ok {
			count, _, _ := strings.Cut(rest, ",")
			n, _ := strconv.ParseInt(count, 10, 64)
			return n
		}
	}
	return 0
}

// reads counts SELECTs of the database so far.
func (c *counted) reads() int64 {
	c.t.Helper()
	var name string
	var n int64
	if err := c.sql.QueryRowContext(c.t.Context(), "SHOW GLOBAL STATUS LIKE 'Com_select'").Scan(&name, &n); err != nil {
		c.t.Fatal(err)
	}
	return n
}
