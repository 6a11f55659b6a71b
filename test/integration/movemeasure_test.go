package integration

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/test/rig"
)

// TestMeasureMove prints how long a shard is closed while it moves, by how many players it has, and for how long its old and
// its new server answer nobody meanwhile. docs/grow.md has what it printed. It measures and judges nothing, so no other
// run waits for it; TestMove judges.
func TestMeasureMove(t *testing.T) {
	if os.Getenv("SHAKE_MEASURE_MOVE") == "" {
		t.Skip("it takes minutes: SHAKE_MEASURE_MOVE=1 asks for it")
	}
	cluster := testenv.StartRedisCluster(t)
	s := rig.Servers{
		Redis: cluster.Addrs(), Cluster: true, Kafka: testenv.Kafka(t), DSN: testenv.MySQL(t), Namespace: testenv.Namespace(t),
	}
	s.More = "durability: {mode: replicated, replicas: 1, wait: 500ms}"
	m := &moving{T: t, sys: rig.New(t, s), run: inventory.Run{Campaign: moveID, Number: 1, Shards: moveShards}}
	m.sys.Apply(rig.Campaign(moveID, time.Hour, 10, 1_000_000, moveShards))
	m.worker = m.sys.Serve("worker")
	m.Stores = rig.Connect(t, s)
	keys := redisdb.NewKeyCache(s.Namespace).Of(m.run)
	places, err := m.Redis.Places(t.Context(), []string{keys.Pool(0), keys.Pool(moveShards - 1)})
	if err != nil || places[0].Server == places[1].Server {
		t.Fatalf("%v, %v: want two servers", places, err)
	}
	made := 0
	for _, players := range []int{0, 1000, 10_000, 100_000} {
		m.populate(keys, &made, players)
		const moves = 5
		var pause, copying, opening, stalled []float64
		for range moves {
			places[0], places[1] = places[1], places[0]
			stop := stalls(t, places[0].Server, places[1].Server)
			p := m.move("--shard=0", "--to="+places[0].Server).Pools[0]
			stalled = append(stalled, float64(stop().Microseconds())/1000)
			if p.Outcome != "moved" {
				t.Fatalf("got %+v", p)
			}
			pause, copying, opening = append(pause, p.PauseMS), append(copying, p.CopyMS), append(opening, p.OpenMS)
			t.Logf("%d players: %+v, stalled for %.0f ms", players, p, stalled[len(stalled)-1])
		}
		fmt.Printf("%7d players: closed for %.0f ms, %.0f of them for copying and %.0f for opening; a server stalled for %.0f ms at most (medians of %d)\n",
			players, median(pause), median(copying), median(opening), median(stalled), moves)
	}
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// populate gives shard 0 players, each with a round settled and one open, until it has n.
func (m *moving) populate(keys *redisdb.Keys, made *int, n int) {
	m.Helper()
	for *made < n {
		pipe := m.Redis.Client().Pipeline()
		for range 1000 {
			pipe.HSet(m.Context(), keys.Player(0, fmt.Sprintf("acme:player-%07d", *made)), "n", 7, "s", time.Now().UnixMilli(), "e", 1,
				"r", "6 42 10123 17 17 96 44 10160 1 48123 1763756400123 1")
			*made++
		}
		if _, err := pipe.Exec(m.Context()); err != nil {
			m.Fatal(err)
		}
	}
}

// stalls measures the longest time in which one of these servers did not answer.
func stalls(t *testing.T, addrs ...string) (stop func() time.Duration) {
	ctx, cancel := context.WithCancel(t.Context())
	longest := make(chan time.Duration, len(addrs))
	for _, addr := range addrs {
		go func() {
			c := redis.NewClient(&redis.Options{Addr: addr, PoolSize: 1, ReadTimeout: time.Minute})
			defer c.Close()
			worst := time.Duration(0)
			for ctx.Err() == nil {
				began := time.Now()
				if c.Ping(context.WithoutCancel(ctx)).Err() == nil {
					worst = max(worst, time.Since(began))
				}
				time.Sleep(time.Millisecond)
			}
			longest <- worst
		}()
	}
	return func() (worst time.Duration) {
		cancel()
		for range addrs {
			worst = max(worst, <-longest)
		}
		return worst
	}
}
