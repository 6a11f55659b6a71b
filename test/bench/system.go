package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/test/link"
)

// system is one `shake serve --roles api` over a redis-server of its own, and what is needed around it.
type system struct {
	name   string
	server *process
	addr   string
	redis  *process
	client *redis.Client
	host   string // the redis-server's address
	epoch  int64  // of the shards
	stops  []func()
}

// settings leave everything as `shake serve` has it by default, but the addresses, the durability that is measured,
// and SQLite: no request that is measured goes to the database.
const settings = `
namespace: %s
listen: {access: "127.0.0.1:0", ops: "127.0.0.1:0"}
redis: {addrs: ["%s"]}
kafka: {brokers: ["%s"], partitions: 12, replication: 1}
sql: {driver: sqlite, dsn: "env:SHAKE_DSN"}
sessions: {current: k1, keys: {k1: "env:SHAKE_KEY"}}
runs: {current: k1, keys: {k1: "env:SHAKE_KEY"}}
durability: {mode: %s}
limits: {%s}
round_log: {dir: %s}
log: {level: info, format: json}
`

const campaign = `
id: %s
market: %s
name: Bench
starts_at: %s
ends_at: %s
round: %dms
early: 0s
late: 60s
chances: 10000
pool: 1000000000000
shards: %d
curve:
  - {from: 0, probability: 0.5, min: 1, max: 10}
  - {from: 40, probability: 0.9, min: 5, max: 100}
`

// site is where everything of a bench lies and what its systems share.
type site struct{ dir, shake, kafka, key string }

// setup is what makes one system different from others.
type setup struct {
	name       string
	replicated bool   // a replica must have each end before its answer
	limits     string // further limits, as YAML
	core       string // that the api and its Redis run on; empty: any
	link       int    // kilobytes a second between api and Redis; 0: no bound
}

// startSystem brings up a system.
func (s *site) startSystem(ctx context.Context, set setup) (_ *system, err error) {
	name, replicated := set.name, set.replicated
	sys := &system{name: name}
	defer func() {
		if err != nil {
			sys.stop()
		}
	}()
	if sys.redis, sys.host, err = startRedis(s.dir, name+"-primary", pinned(set.core)); err != nil {
		return nil, err
	}
	sys.stops = append(sys.stops, sys.redis.stop)
	seen := sys.host
	if set.link > 0 {
		narrow, err := link.New("127.0.0.1:0", sys.host)
		if err != nil {
			return nil, err
		}
		sys.stops = append(sys.stops, narrow.Close)
		if err := narrow.Narrow(set.link); err != nil {
			return nil, err
		}
		seen = narrow.Addr()
	}
	mode := "async"
	if replicated {
		mode = "replicated"
		replica, _, err := startRedis(s.dir, name+"-replica", nil, "--replicaof", "127.0.0.1 "+portOf(sys.host))
		if err != nil {
			return nil, err
		}
		sys.stops = append(sys.stops, replica.stop)
	}
	sys.client = redis.NewClient(&redis.Options{Addr: sys.host})
	if replicated {
		if err := sys.linked(ctx); err != nil {
			return nil, err
		}
	}
	config := filepath.Join(s.dir, name+".yaml")
	limits := fmt.Sprintf("user_rate: %d, user_burst: %d", userRate, userBurst)
	if set.limits != "" {
		limits += ", " + set.limits
	}
	text := fmt.Sprintf(settings, name, seen, s.kafka, mode, limits, filepath.Join(s.dir, name+"-rounds"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	env := []string{"SHAKE_DSN=" + filepath.Join(s.dir, name+".db"), "SHAKE_KEY=" + s.key}
	if err := s.apply(ctx, config, env); err != nil {
		return nil, err
	}
	log := filepath.Join(s.dir, name+".log")
	if sys.server, err = start(log, env, append(pinned(set.core), s.shake, "serve", "--config", config, "--roles", "api")...); err != nil {
		return nil, err
	}
	sys.stops = append(sys.stops, sys.server.stop)
	if sys.addr, err = sys.server.ready(); err != nil {
		return nil, fmt.Errorf("%w: see %s", err, log)
	}
	sys.epoch, err = sys.client.HGet(ctx, sys.keys().Pool(0), "epoch").Int64()
	return sys, err
}

func (s *site) apply(ctx context.Context, config string, env []string) error {
	file := filepath.Join(s.dir, "campaign.yaml")
	now := time.Now().UTC()
	text := fmt.Sprintf(campaign, campaignID, market, now.Add(-time.Minute).Format(time.RFC3339), now.Add(24*time.Hour).Format(time.RFC3339), roundMS, shards)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	var out []byte
	var err error
	for range 5 { // a replica that joined a moment ago may be late once
		cmd := exec.CommandContext(ctx, s.shake, "campaign", "apply", "--config", config, file)
		cmd.Env = append(os.Environ(), env...)
		if out, err = cmd.CombinedOutput(); err == nil {
			return nil
		}
		time.Sleep(time.Second)
	}
	return fmt.Errorf("campaign apply: %w: %s", err, out)
}

func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

func (s *system) keys() *redisdb.Keys {
	return redisdb.NewKeys(s.name, campaignID, life.Number, shards)
}

// linked waits until the replica follows: until it has confirmed a write, which it does once a second at first.
func (s *system) linked(ctx context.Context) error {
	for range 20 {
		if err := s.client.Set(ctx, "linked", "", time.Minute).Err(); err != nil {
			return err
		}
		if n, err := s.client.Wait(ctx, 1, time.Second).Result(); err == nil && n > 0 {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.New("the replica does not follow its primary")
}

// stop ends everything, last started first.
func (s *system) stop() {
	if s.client != nil {
		_ = s.client.Close() // nothing waits on it
	}
	for i := len(s.stops) - 1; i >= 0; i-- {
		s.stops[i]()
	}
}

// clear throws the outboxes away, and those of the reference: no run of the bench is to carry the weight of the
// ones before.
func (s *system) clear(ctx context.Context) error {
	keys := s.keys()
	pipe := s.client.Pipeline()
	for _, shard := range life.Pools() {
		pipe.XTrimMaxLen(ctx, keys.Out(shard), 0)
	}
	for shard := range shards {
		pipe.XTrimMaxLen(ctx, "base:{"+strconv.Itoa(shard)+"}:out", 0)
	}
	_, err := pipe.Exec(ctx)
	return err
}

var evalsha = regexp.MustCompile(`cmdstat_evalsha:calls=(\d+)`)

// scriptCalls is how many script calls the redis-server has had.
func (s *system) scriptCalls(ctx context.Context) (int64, error) {
	info, err := s.client.Info(ctx, "commandstats").Result()
	if err != nil {
		return 0, err
	}
	m := evalsha.FindStringSubmatch(info)
	if m == nil {
		return 0, nil
	}
	return strconv.ParseInt(m[1], 10, 64)
}
