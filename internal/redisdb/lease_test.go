package redisdb_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
)

// Who relays needs his lease to free memory, so a full one must not keep it from him.
func TestLease_fullMemory(t *testing.T) {
	s := testenv.StartRedis(t, testenv.RedisOptions{Extra: []string{"maxmemory-policy noeviction"}})
	r := newRig(t, redisdb.Options{Addrs: []string{s.Addr()}}, redisdb.BatchOptions{}, 1)
	server := r.db.Client().(*redis.Client)
	if err := server.Set(t.Context(), "filler", strings.Repeat("x", 1<<20), 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := server.ConfigSet(t.Context(), "maxmemory", "1mb").Err(); err != nil {
		t.Fatal(err)
	}
	if err := server.Set(t.Context(), "more", "x", 0).Err(); !redis.HasErrorPrefix(err, "OOM") {
		t.Fatalf("got %v, want the memory full", err)
	}
	for _, want := range []struct {
		owner string
		has   bool
	}{{"one", true}, {"two", false}, {"one", true}} {
		has, err := r.db.Lease(t.Context(), r.keys.Lease(0), want.owner, time.Minute)
		if has != want.has || err != nil {
			t.Errorf("%s has the lease: %v, %v; want %v", want.owner, has, err, want.has)
		}
	}
	if ttl := server.PTTL(t.Context(), r.keys.Lease(0)).Val(); ttl <= 0 || ttl > time.Minute {
		t.Errorf("the lease lasts %s, want a minute", ttl)
	}
}
