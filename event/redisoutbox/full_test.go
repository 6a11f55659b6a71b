package redisoutbox_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
)

// An outbox drains while its server's memory is full: that is what makes room.
func TestOutbox_whileMemoryIsFull(t *testing.T) {
	primary := testenv.StartRedis(t, testenv.RedisOptions{Extra: []string{"maxmemory-policy noeviction"}})
	testenv.StartRedis(t, testenv.RedisOptions{ReplicaOf: primary.Addr()})
	n := newNight(t, redisdb.Options{Addrs: []string{primary.Addr()}}, 1)
	run := n.c.Life
	server := redis.NewClient(&redis.Options{
		Addr: primary.Addr(), MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	defer server.Close()
	if err := server.ConfigSet(t.Context(), "maxmemory", "1mb").Err(); err != nil {
		t.Fatal(err)
	}
	if err := server.Set(t.Context(), "more", "x", 0).Err(); !redis.HasErrorPrefix(err, "OOM") {
		t.Fatalf("got %v, want memory to be full", err)
	}
	var entries []event.Entry
	for giveUp := time.Now().Add(10 * time.Second); len(entries) < 2; time.Sleep(50 * time.Millisecond) { // until the replica follows
		var err error
		if entries, err = n.outbox.Read(t.Context(), run, 0, 10); err != nil && time.Now().After(giveUp) {
			t.Fatal(err)
		}
	}
	first, second := entries[0].Position, entries[1].Position
	if err := n.outbox.Trim(t.Context(), run, 0, first, event.Mark{}); err != nil {
		t.Fatal(err)
	}
	if err := n.outbox.Trim(t.Context(), run, 0, second, event.Mark{Position: first, Offset: 7}); err != nil {
		t.Fatal(err)
	}
	left, err := n.outbox.Read(t.Context(), run, 0, 10)
	if err != nil || len(left) != len(entries)-2 {
		t.Errorf("%d of %d entries are left, %v; want two gone", len(left), len(entries), err)
	}
	if mark, err := server.HGet(t.Context(), n.keys.Of(run).Pool(0), "mark").Result(); err != nil || mark != first.String()+" 7" {
		t.Errorf("got mark %q, %v, want %s at 7", mark, err, first)
	}
}
