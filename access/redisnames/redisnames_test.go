package redisnames_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/shake-live/shake/access/redisnames"
	"github.com/shake-live/shake/internal/devserver"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const month = 30 * 24 * time.Hour

var servers = map[string]func(testing.TB) *redisdb.DB{"embedded": embedded, "redis": single, "cluster": cluster}

func TestStore(t *testing.T) {
	for name, open := range servers {
		t.Run(name, func(t *testing.T) {
			client, namespace := open(t).Client(), testenv.Namespace(t)
			s := redisnames.New(client, namespace, month)
			want := map[string]string{}
			var users []string
			for i := range 100 { // of many slots
				user := fmt.Sprintf("acme:%d@example.com", i)
				users, want[user] = append(users, user), fmt.Sprintf("Łukasz Żółć %d", i)
			}
			has(t, s, users, nil)
			for range 2 { // every write may come twice
				put(t, s, want)
				has(t, s, users, want)
			}
			if left := client.TTL(t.Context(), namespace+":name:"+users[0]).Val(); left <= month-time.Minute || left > month {
				t.Errorf("a name stays for %v, want %v", left, month)
			}

			client.Expire(t.Context(), namespace+":name:"+users[0], time.Minute)
			put(t, s, map[string]string{users[0]: "Ann", users[1]: "", "nobody": ""})
			want[users[0]] = "Ann"
			delete(want, users[1])
			has(t, s, append(users, "nobody"), want)
			if left := client.TTL(t.Context(), namespace+":name:"+users[0]).Val(); left < month-time.Minute {
				t.Errorf("a login left the name %v, want %v again", left, month)
			}
			has(t, redisnames.New(client, namespace+"x", month), users, nil)
			has(t, s, nil, nil)
			put(t, s, nil)
		})
	}
}

// A run that is retired takes no name along, whatever campaigns and players are called; and names lie on all primaries.
func TestStore_staysWhenARunIsRetired(t *testing.T) {
	for name, open := range servers {
		t.Run(name, func(t *testing.T) {
			db, namespace := open(t), testenv.Namespace(t)
			s, run := redisnames.New(db.Client(), namespace, month), redisdb.NewKeys(namespace, "name", 1, 2)
			names := map[string]string{"name.1.0": "Ann", "name": "Bob", "1": "Carl"}
			put(t, s, names)
			if err := db.Client().HSet(t.Context(), run.Player(0, "name"), "number", 1).Err(); err != nil {
				t.Fatal(err)
			}
			if n, err := db.Unlink(t.Context(), run.Run()); err != nil || n != 1 {
				t.Errorf("%d keys of the run are gone, %v, want its one", n, err)
			}
			has(t, s, []string{"name.1.0", "name", "1"}, names)

			crowd := map[string]string{}
			for i := range 200 {
				crowd[fmt.Sprint("acme:", i)] = "x"
			}
			put(t, s, crowd)
			var mu sync.Mutex
			var least int64 = math.MaxInt64
			err := db.EachPrimary(t.Context(), func(ctx context.Context, node *redis.Client) error {
				keys, err := node.Keys(ctx, namespace+":name:acme:*").Result()
				mu.Lock()
				defer mu.Unlock()
				least = min(least, int64(len(keys)))
				return err
			})
			if err != nil || least < 200/3/2 {
				t.Errorf("a primary has %d of 200 names, %v, want its share", least, err)
			}
		})
	}
}

// A server that is gone is an error within the bound, and no name is said to be kept.
func TestStore_away(t *testing.T) {
	server, err := devserver.StartRedis("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := redisnames.New(open(t, redisdb.Options{Addrs: []string{server.Addr()}}).Client(), "shake", month)
	put(t, s, map[string]string{"ann": "Ann"})
	server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if names, err := s.Names(ctx, []string{"ann", "bob"}); err == nil || len(names) > 0 {
		t.Errorf("got %v, %v, want an error", names, err)
	}
	if done, err := s.Put(ctx, map[string]string{"ann": "Ann", "bob": ""}); err == nil || done > 0 {
		t.Errorf("%d were kept, %v, want an error", done, err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v beyond a bound of 100 ms", took)
	}
}

// Of a cluster with a primary that says no, the others' names are given all the same.
func TestStore_inPart(t *testing.T) {
	for name, open := range servers {
		t.Run(name, func(t *testing.T) {
			client, namespace := open(t).Client(), testenv.Namespace(t)
			s := redisnames.New(client, namespace, month)
			put(t, s, map[string]string{"ann": "Ann", "carl": "Carl"})
			if err := client.HSet(t.Context(), namespace+":name:bob", "a", "b").Err(); err != nil {
				t.Fatal(err)
			}
			names, err := s.Names(t.Context(), []string{"ann", "bob", "carl", "dora"})
			if want := map[string]string{"ann": "Ann", "carl": "Carl"}; err == nil || errors.Is(err, redis.Nil) || !maps.Equal(names, want) {
				t.Errorf("got %v, %v, want %v and what bob's key said", names, err, want)
			}
		})
	}
}

func put(t *testing.T, s *redisnames.Store, names map[string]string) {
	t.Helper()
	if done, err := s.Put(t.Context(), names); err != nil || done != len(names) {
		t.Fatalf("%d of %d were kept: %v", done, len(names), err)
	}
}

func has(t *testing.T, s *redisnames.Store, users []string, want map[string]string) {
	t.Helper()
	if got, err := s.Names(t.Context(), users); err != nil || !maps.Equal(got, want) {
		t.Fatalf("got %v, %v, want %v", got, err, want)
	}
}

func embedded(t testing.TB) *redisdb.DB {
	t.Helper()
	server, err := devserver.StartRedis("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return open(t, redisdb.Options{Addrs: []string{server.Addr()}})
}

func single(t testing.TB) *redisdb.DB {
	t.Helper()
	return open(t, redisdb.Options{Addrs: []string{testenv.Redis(t)}})
}

func cluster(t testing.TB) *redisdb.DB {
	t.Helper()
	return open(t, redisdb.Options{Addrs: testenv.RedisCluster(t), Cluster: true})
}

func open(t testing.TB, o redisdb.Options) *redisdb.DB {
	t.Helper()
	db, err := redisdb.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
