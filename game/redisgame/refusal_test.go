package redisgame_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/gametest"
	"github.com/shake-live/shake/game/redisgame"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/inventory/redispool"
)

// faults remembers what the batcher tells of servers.
type faults struct {
	mu    sync.Mutex
	names []string
}

func (f *faults) Flight(int, time.Duration, error) {}
func (f *faults) Batch(string, int)                {}
func (f *faults) Short()                           {}
func (f *faults) Refused(reason string)            { f.Retry(reason) }
func (f *faults) Retry(reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.names = append(f.names, reason)
}

func (f *faults) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := f.names
	f.names = nil
	return names
}

// fault is one of a real server: how to bring it about, and how to end it.
type fault struct {
	name      string
	make, end func(t *testing.T, server *redis.Client)
}

func config(name, value string) func(*testing.T, *redis.Client) {
	return func(t *testing.T, server *redis.Client) {
		t.Helper()
		if err := server.ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func replicaOf(host, port string) func(*testing.T, *redis.Client) {
	return func(t *testing.T, server *redis.Client) {
		t.Helper()
		if err := server.ReplicaOf(t.Context(), host, port).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// failSave lets a save to disk fail: a folder stands where its file should.
func failSave(t *testing.T, server *redis.Client) {
	t.Helper()
	config("save", "3600 1000000")(t, server)
	dir := server.ConfigGet(t.Context(), "dir").Val()["dir"]
	if err := os.Mkdir(filepath.Join(dir, "dump.rdb"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := server.BgSave(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	for giveUp := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		info, err := server.Info(t.Context(), "persistence").Result()
		if strings.Contains(info, "rdb_last_bgsave_status:err") {
			return
		}
		if time.Now().After(giveUp) {
			t.Fatalf("the save does not fail: %v", err)
		}
	}
}

var serverFaults = []fault{
	{"oom", config("maxmemory", "1mb"), config("maxmemory", "0")},
	{"noreplicas", config("min-replicas-to-write", "1"), config("min-replicas-to-write", "0")},
	{"misconf", failSave, config("save", "")},
	{"readonly", replicaOf("127.0.0.1", "1"), replicaOf("NO", "ONE")},
	{"masterdown", func(t *testing.T, server *redis.Client) {
		config("replica-serve-stale-data", "no")(t, server)
		replicaOf("127.0.0.1", "1")(t, server)
	}, replicaOf("NO", "ONE")},
}

// planted is a key that has another type than it should.
func planted(key string) fault {
	saved := key + ":saved"
	return fault{"wrongtype", func(t *testing.T, server *redis.Client) {
		t.Helper()
		if err := errors.Join(server.Rename(t.Context(), key, saved).Err(), server.Set(t.Context(), key, "planted", 0).Err()); err != nil {
			t.Fatal(err)
		}
	}, func(t *testing.T, server *redis.Client) {
		t.Helper()
		if err := server.Rename(t.Context(), saved, key).Err(); err != nil {
			t.Fatal(err)
		}
	}}
}

// A server that can't write for now makes starts and ends busy, whatever its reason; the reason is counted. When it
// can again, the same start and the same end are taken.
func TestRounds_serverCannotWrite(t *testing.T) {
	s := testenv.StartRedis(t, testenv.RedisOptions{Extra: []string{"maxmemory-policy noeviction"}})
	db, err := redisdb.Open(t.Context(), redisdb.Options{Addrs: []string{s.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	seen := &faults{}
	const maxAge = 300 * time.Millisecond
	b := redisdb.NewBatcher(db, redisdb.BatchOptions{MaxAge: maxAge, Observer: seen})
	t.Cleanup(func() {
		if err := errors.Join(b.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	keys := redisdb.NewKeyCache(testenv.Namespace(t))
	rounds, pools, c := redisgame.New(b, keys), redispool.New(b, keys), gametest.Campaign("refused", 1)
	if err := errors.Join(gametest.OpenAll(t.Context(), pools, c.Life), gametest.Fund(t.Context(), pools, c.Life, 1, 1000)); err != nil {
		t.Fatal(err)
	}
	server := db.Client().(*redis.Client)
	if err := server.Set(t.Context(), "filler", strings.Repeat("x", 1<<20), 0).Err(); err != nil {
		t.Fatal(err)
	}
	start := func(ctx context.Context, user string) (game.Token, error) {
		open, err := rounds.Start(ctx, c, game.StartRequest{User: user, Number: 1, Granted: 5})
		return game.Token{Run: 1, Epoch: open.Epoch, Number: 1, StartedAt: open.At, User: user}, err
	}
	settle := func(ctx context.Context, token game.Token) error {
		_, err := rounds.Settle(ctx, c, game.SettleRequest{Token: token, Shakes: 3, Computed: 7, Granted: 5})
		return err
	}
	own := keys.Of(c.Life)
	for i, f := range append(slices.Clip(serverFaults), planted(own.Out(0)), planted(own.Pool(0))) {
		t.Run(fmt.Sprint(i, "-", f.name), func(t *testing.T) {
			ann, bob := fmt.Sprint("ann-", i), fmt.Sprint("bob-", i)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			token, err := start(ctx, ann)
			if err != nil {
				t.Fatal(err)
			}
			f.make(t, server)
			seen.take()
			began := time.Now()
			_, startErr := start(ctx, bob)
			endErr := settle(ctx, token)
			if !errors.Is(startErr, game.ErrBusy) || !errors.Is(endErr, game.ErrBusy) {
				t.Errorf("a start got %v, an end %v; want busy", startErr, endErr)
			}
			if took := time.Since(began); took > 2*maxAge+2*time.Second {
				t.Errorf("two answers took %s, want each within %s or so", took, maxAge)
			}
			if names := seen.take(); !slices.Contains(names, f.name) {
				t.Errorf("counted %v, want %s among them", names, f.name)
			}
			f.end(t, server)
			if _, err := start(ctx, bob); err != nil {
				t.Errorf("the start comes to %v when all is well again", err)
			}
			if err := settle(ctx, token); err != nil {
				t.Errorf("the end comes to %v when all is well again", err)
			}
			now, err := pools.Audit(ctx, c.Life, 0)
			if err != nil || now.Position.Seq != now.Pending || !now.Balanced() {
				t.Errorf("after it the pool is %+v, %v; want every step in the outbox and no other", now, err)
			}
		})
	}
}
