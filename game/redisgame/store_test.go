package redisgame_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game/gametest"
	"github.com/shake-live/shake/game/redisgame"
	"github.com/shake-live/shake/internal/devserver"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/inventory/inventorytest"
	"github.com/shake-live/shake/inventory/redispool"
)

// servers are all kinds of Redis that sit the exams.
var servers = map[string]func(t testing.TB) redisdb.Options{
	"miniredis": func(t testing.TB) redisdb.Options {
		r, err := devserver.StartRedis("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		return redisdb.Options{Addrs: []string{r.Addr()}}
	},
	"redis": func(t testing.TB) redisdb.Options { return redisdb.Options{Addrs: []string{testenv.Redis(t)}} },
	"cluster": func(t testing.TB) redisdb.Options {
		return redisdb.Options{Addrs: testenv.RedisCluster(t), Cluster: true}
	},
}

// stores over a server, in a namespace of their own.
type stores struct {
	db      *redisdb.DB
	keys    *redisdb.KeyCache
	batcher *redisdb.Batcher
	rounds  *redisgame.Store
	pools   *redispool.Store
}

func newStores(t testing.TB, server func(testing.TB) redisdb.Options, opts redisdb.BatchOptions) *stores {
	t.Helper()
	o := server(t)
	// The exams are about what is right, not about how fast a machine is that runs others beside them.
	o.DialTimeout, o.ReadTimeout, opts.MaxAge = 10*time.Second, 20*time.Second, 20*time.Second
	db, err := redisdb.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	keys := redisdb.NewKeyCache(testenv.Namespace(t))
	b := redisdb.NewBatcher(db, opts)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	all := &stores{db: db, batcher: b}
	return all.over(keys)
}

// over looks at other keys.
func (s *stores) over(keys *redisdb.KeyCache) *stores {
	s.keys, s.rounds, s.pools = keys, redisgame.New(s.batcher, keys), redispool.New(s.batcher, keys)
	return s
}

// restart makes all pools of a run belong to a server that is gone.
func (s *stores) restart(t testing.TB, run inventory.Run) {
	t.Helper()
	_, err := s.db.Client().Pipelined(context.Background(), func(p redis.Pipeliner) error {
		for _, shard := range run.Pools() {
			p.HSet(context.Background(), s.keys.Of(run).Pool(shard), "host", "gone")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRounds(t *testing.T) {
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			gametest.Run(t, func(t *testing.T) gametest.Store {
				s := newStores(t, server, redisdb.BatchOptions{})
				return gametest.Store{Rounds: s.rounds, Pools: s.pools}
			})
		})
	}
}

func TestPools(t *testing.T) {
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			inventorytest.Run(t, func(t *testing.T) inventorytest.Subject {
				s := newStores(t, server, redisdb.BatchOptions{})
				run := event.Run{Campaign: "exam", Number: 1, Shards: 2}
				return inventorytest.Subject{Store: s.pools, Run: run, Restart: func() { s.restart(t, run) }}
			})
		})
	}
}
