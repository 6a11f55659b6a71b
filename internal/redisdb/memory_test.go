package redisdb_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
)

func TestMemory(t *testing.T) {
	server := testenv.StartRedis(t, testenv.RedisOptions{})
	db, err := redisdb.Open(t.Context(), redisdb.Options{Addrs: []string{server.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	used, most, err := db.Memory(t.Context())
	at := server.Addr()
	if err != nil || used[at] < 100_000 || most[at] < used[at] {
		t.Errorf("got %v of %v, %v; want what the machine has as the most", used, most, err)
	}
	direct := redis.NewClient(&redis.Options{Addr: at})
	defer direct.Close()
	if err := direct.ConfigSet(t.Context(), "maxmemory", "64mb").Err(); err != nil {
		t.Fatal(err)
	}
	if _, most, err = db.Memory(t.Context()); err != nil || most[at] != 64<<20 {
		t.Errorf("got at most %v, %v; want its maxmemory", most, err)
	}
}
