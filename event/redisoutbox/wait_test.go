package redisoutbox_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shake-live/shake/event/redisoutbox"
	"github.com/shake-live/shake/game/gametest"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/inventory/redispool"
)

// The WAIT of a read goes to the primary whose entries were read: while one primary's replica stands still, what is
// read of its shards is unsafe, and what is read of the others' is not.
func TestOutbox_waitsAtTheRightPrimary(t *testing.T) {
	const shards = 6
	ctx := t.Context()
	cluster := testenv.StartRedisCluster(t)
	db, err := redisdb.Open(ctx, redisdb.Options{Addrs: cluster.Addrs(), Cluster: true, ReadTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	keys := redisdb.NewKeyCache(testenv.Namespace(t))
	b := redisdb.NewBatcher(db, redisdb.BatchOptions{MaxAge: 20 * time.Second})
	t.Cleanup(func() {
		if err := errors.Join(b.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	run := gametest.Campaign("wait", shards).Life
	if err := gametest.OpenAll(ctx, redispool.New(b, keys), run); err != nil {
		t.Fatal(err)
	}
	// A replica that lives is waited for as long as a slow machine takes; one that stands still, briefly.
	read := func(shard int, wait time.Duration) error {
		o := redisoutbox.New(db, keys, redisoutbox.Options{Replicas: 1, WaitTimeout: wait})
		entries, err := o.Read(ctx, run, shard, 10)
		if err == nil && len(entries) != 1 {
			t.Errorf("shard %d has %d entries, want the one that opened it", shard, len(entries))
		}
		return err
	}
	primary := func(shard int) string {
		node, err := db.Node(ctx, keys.Of(run).Out(shard))
		if err != nil {
			t.Fatal(err)
		}
		return node.Options().Addr
	}
	still := cluster.Node(replicaOf(ctx, t, db, keys.Of(run).Out(0)))
	still.Pause()
	others := 0
	for shard := range shards {
		if primary(shard) != primary(0) {
			others++
			if err := read(shard, 10*time.Second); err != nil {
				t.Errorf("shard %d, whose replica lives: %v", shard, err)
			}
			continue
		}
		for range 5 { // a WAIT that went to any node would come to the right one at times
			if err := read(shard, 50*time.Millisecond); !errors.Is(err, redisoutbox.ErrUnsafe) {
				t.Errorf("shard %d, whose replica stands still: got %v, want ErrUnsafe", shard, err)
			}
		}
	}
	if others == 0 || others == shards {
		t.Fatalf("%d of %d shards are at other primaries: this shows nothing", others, shards)
	}
	still.Resume()
	if err := read(0, 10*time.Second); err != nil {
		t.Errorf("shard 0, whose replica goes on: %v", err)
	}
}

// replicaOf is the address of the replica of the primary that holds key.
func replicaOf(ctx context.Context, t *testing.T, db *redisdb.DB, key string) string {
	t.Helper()
	node, err := db.Node(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	info, err := node.Info(ctx, "replication").Result()
	_, rest, found := strings.Cut(info, "slave0:ip=127.0.0.1,port=")
	port, _, _ := strings.Cut(rest, ",")
	if err != nil || !found {
		t.Fatalf("%v: no replica in %q", err, info)
	}
	return "127.0.0.1:" + port
}
