package redisboard_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/shake-live/shake/internal/devserver"
	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/leaderboard"
	"github.com/shake-live/shake/leaderboard/leaderboardtest"
	"github.com/shake-live/shake/leaderboard/redisboard"
)

func TestStore(t *testing.T) {
	for name, client := range map[string]func(testing.TB) redis.UniversalClient{
		"embedded": embedded, "redis": single, "cluster": cluster,
	} {
		t.Run(name, func(t *testing.T) {
			leaderboardtest.Run(t, func(t testing.TB) leaderboardtest.Board {
				return redisboard.New(client(t), testenv.Namespace(t))
			})
		})
	}
}

func embedded(t testing.TB) redis.UniversalClient {
	t.Helper()
	server, err := devserver.StartRedis("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return dial(t, server.Addr())
}

func single(t testing.TB) redis.UniversalClient {
	t.Helper()
	return dial(t, testenv.Redis(t))
}

func dial(t testing.TB, addr string) redis.UniversalClient {
	t.Helper()
	return closing(t, redis.NewClient(&redis.Options{
		Addr: addr, ContextTimeoutEnabled: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}))
}

func cluster(t testing.TB) redis.UniversalClient {
	t.Helper()
	return closing(t, redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: testenv.RedisCluster(t), ContextTimeoutEnabled: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}))
}

func closing(t testing.TB, c redis.UniversalClient) redis.UniversalClient {
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Another server under the same data is another host: the board is not taken for whole.
func TestBuilt_otherServer(t *testing.T) {
	run := leaderboardtest.DemoRun
	w := leaderboardtest.NewWriter(run, 0)
	w.End("ann", 10, 100)
	mark := func(client redis.UniversalClient) {
		b := redisboard.New(client, "ns")
		if _, err := b.Apply(t.Context(), run, leaderboardtest.DemoScale, w.Log); err != nil {
			t.Fatal(err)
		}
		if err := b.MarkBuilt(t.Context(), run); err != nil {
			t.Fatal(err)
		}
	}
	old, promoted := embedded(t), embedded(t)
	mark(old)
	mark(promoted)
	key := "ns:{board.demo.1}:at"
	host, err := old.HGet(t.Context(), key, "host").Result()
	if err != nil {
		t.Fatal(err)
	}
	if err := promoted.HSet(t.Context(), key, "host", host).Err(); err != nil {
		t.Fatal(err)
	}
	if built, err := redisboard.New(promoted, "ns").Built(t.Context(), run); err != nil || built {
		t.Errorf("on a promoted replica: built is %v (%v)", built, err)
	}
	if built, err := redisboard.New(old, "ns").Built(t.Context(), run); err != nil || !built {
		t.Errorf("on the server itself: built is %v (%v)", built, err)
	}
	if err := redisboard.New(old, "ns").MarkBuilt(ended(t), run); err == nil {
		t.Error("an ended context marks a board")
	}
}

func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestExpire(t *testing.T) {
	client := single(t)
	b := redisboard.New(client, testenv.Namespace(t))
	w := leaderboardtest.NewWriter(leaderboardtest.DemoRun, 0)
	w.End("ann", 10, 100)
	if _, err := b.Apply(t.Context(), leaderboardtest.DemoRun, leaderboardtest.DemoScale, w.Log); err != nil {
		t.Fatal(err)
	}
	if err := b.Expire(t.Context(), leaderboardtest.DemoRun, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	if n, err := b.Size(t.Context(), leaderboardtest.DemoRun); err != nil || n != 0 {
		t.Errorf("got %d players (%v), want none", n, err)
	}
}

var _ leaderboard.Live = (*redisboard.Store)(nil)
