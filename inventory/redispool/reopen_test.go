package redispool_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/event/eventtest"
	"github.com/shake-live/shake/event/redisoutbox"
	"github.com/shake-live/shake/internal/devserver"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/inventory/redispool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// servers are all kinds of Redis that pools are kept in.
var servers = map[string]func(*testing.T) redisdb.Options{
	"miniredis": func(t *testing.T) redisdb.Options {
		r, err := devserver.StartRedis("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		return redisdb.Options{Addrs: []string{r.Addr()}}
	},
	"redis": func(t *testing.T) redisdb.Options { return redisdb.Options{Addrs: []string{testenv.Redis(t)}} },
	"cluster": func(t *testing.T) redisdb.Options {
		return redisdb.Options{Addrs: testenv.RedisCluster(t), Cluster: true}
	},
}

// relayed is a run of two shards whose outboxes relays carry into a log.
type relayed struct {
	*testing.T
	db     *redisdb.DB
	keys   *redisdb.KeyCache
	pools  *redispool.Store
	log    *eventtest.Memory
	relay  *event.Relay
	opener *inventory.Opener
	run    inventory.Run
}

func newRelayed(t *testing.T, opts redisdb.Options) *relayed {
	t.Helper()
	db, err := redisdb.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	b := redisdb.NewBatcher(db, redisdb.BatchOptions{})
	t.Cleanup(func() {
		if err := errors.Join(b.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	r := &relayed{T: t, db: db, keys: redisdb.NewKeyCache(testenv.Namespace(t)), log: &eventtest.Memory{}}
	r.pools, r.run = redispool.New(b, r.keys), inventory.Run{Campaign: "relayed", Number: 1, Shards: 2}
	outbox := redisoutbox.New(db, r.keys, redisoutbox.Options{})
	r.relay = event.NewRelay(outbox, r.log, event.RelayOptions{Owner: "relay", Topic: "log"})
	r.opener = inventory.NewOpener(r.pools, r.relay, r.log, r.log, "log")
	return r
}

func (r *relayed) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *relayed) audit(shard int) inventory.Slice {
	r.Helper()
	s, err := r.pools.Audit(r.Context(), r.run, shard)
	r.must(err)
	return s
}

// play makes n entries in shard 0, with the relay at work beside it, and waits until all are in the log.
func (r *relayed) play(n int) {
	r.Helper()
	ctx, stop := context.WithCancel(r.Context())
	var relaying sync.WaitGroup
	relaying.Go(func() { r.relay.Run(ctx, r.run, 0) })
	for i := range n {
		r.must(r.pools.Dry(ctx, r.run, 0, i%2 == 0, time.Time{}))
	}
	for r.audit(0).Pending > 0 {
		time.Sleep(time.Millisecond)
	}
	stop()
	relaying.Wait()
}

// failOver makes a shard belong to a server that is gone.
func (r *relayed) failOver(shard int) {
	r.Helper()
	r.must(r.db.Client().HSet(r.Context(), r.keys.Of(r.run).Pool(shard), "host", "gone").Err())
}

// A shard of a long run is reopened with what was written last, and does not need what the log has deleted since.
func TestReopen_readsTheTail(t *testing.T) {
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			r := newRelayed(t, server(t))
			_, err := r.opener.Open(t.Context(), r.run, nil)
			r.must(err)
			const entries, batch = 5000, 256
			r.play(entries)
			before := r.audit(0)
			if before.Seq != entries+1 || before.Mark.Seq < before.Seq-batch {
				t.Fatalf("after %d entries the pool is at %s with mark %+v, want it a batch behind at most", entries, before.Position, before.Mark)
			}
			for range 2 { // the second time begins at the fence of the first
				r.failOver(0)
				r.log.Forget(before.Mark.Offset)
				r.log.Read()
				done, err := r.opener.Open(t.Context(), r.run, nil)
				r.must(err)
				after := r.audit(0)
				if !after.Open || after.Epoch != before.Epoch+1 || after.Seq != before.Seq+1 || after.State != before.State || len(done.Pools) != 1 {
					t.Fatalf("opened %v: the pool was %+v, and is %+v", done.Pools, before, after)
				}
				if n := r.log.Read(); n > 2*(batch+1) {
					t.Errorf("%d messages were read for a pool of %d entries, want those behind the mark", n, entries)
				}
				before = after
			}
		})
	}
}

// A server that came back with what it had long ago takes from the log what it lacks, from its old mark on.
func TestReopen_oldData(t *testing.T) {
	for _, name := range []string{"redis", "cluster"} { // miniredis has no DUMP of a hash
		t.Run(name, func(t *testing.T) {
			r := newRelayed(t, servers[name](t))
			_, err := r.opener.Open(t.Context(), r.run, nil)
			r.must(err)
			r.play(100)
			for i := range 600 { // these wait: three batches
				r.must(r.pools.Dry(t.Context(), r.run, 0, i%2 == 0, time.Time{}))
			}
			copies := r.save(0)
			old := r.audit(0)
			r.play(100)
			r.failOver(0)
			_, err = r.opener.Open(t.Context(), r.run, nil)
			r.must(err)
			r.play(100)
			newest := r.audit(0)

			r.bringBack(copies)
			r.failOver(0)
			if s := r.audit(0); s.Position != old.Position || s.Mark != old.Mark {
				t.Fatalf("the pool is %+v, want the old one %+v", s, old)
			}
			r.must(r.relay.Drain(t.Context(), r.run, 0)) // a relay is quicker than the opener
			_, err = r.opener.Open(t.Context(), r.run, nil)
			r.must(err)
			if s := r.audit(0); s.Seq != newest.Seq+1 || s.State != newest.State || s.Epoch <= newest.Epoch {
				t.Errorf("the pool is %+v, want it to go on from %+v", s, newest)
			}
		})
	}
}

func (r *relayed) save(shard int) map[string]string {
	r.Helper()
	keys, copies := r.keys.Of(r.run), map[string]string{}
	for _, key := range []string{keys.Pool(shard), keys.Out(shard)} {
		dump, err := r.db.Client().Dump(r.Context(), key).Result()
		r.must(err)
		copies[key] = dump
	}
	return copies
}

func (r *relayed) bringBack(copies map[string]string) {
	r.Helper()
	for key, dump := range copies {
		r.must(r.db.Client().RestoreReplace(r.Context(), key, 0, dump).Err())
	}
}
