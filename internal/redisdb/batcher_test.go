//lint:file-ignore SA1019 CLUSTER SLOTS is what clients go by, and tells addresses as they see them

package redisdb_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// count adds one to each call's key and gives the new count; the host is only echoed.
var count = redisdb.NewScript("count", `
local time = redis.call('TIME')
local results = {'ok', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))}
for i = 2, #KEYS do
  results[#results + 1] = ARGV[i] .. ' ' .. redis.call('INCR', KEYS[i]) .. ' ' .. ARGV[1]
end
return results`)

// watcher counts what the batcher does.
type watcher struct {
	flights, calls, batches, shorts atomic.Int64
	mu                              sync.Mutex
	retries                         map[string]int
}

func (w *watcher) Flight(calls int, _ time.Duration, _ error) {
	w.flights.Add(1)
	w.calls.Add(int64(calls))
}
func (w *watcher) Batch(string, int)     { w.batches.Add(1) }
func (w *watcher) Refused(reason string) { w.Retry(reason) }
func (w *watcher) Short()                { w.shorts.Add(1) }
func (w *watcher) Retry(reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.retries == nil {
		w.retries = map[string]int{}
	}
	w.retries[reason]++
}

func (w *watcher) reasons() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprint(w.retries)
}

type rig struct {
	db    *redisdb.DB
	b     *redisdb.Batcher
	watch *watcher
	keys  *redisdb.Keys
	heads []*redisdb.Head
}

func newRig(t testing.TB, opts redisdb.Options, batch redisdb.BatchOptions, shards int) *rig {
	t.Helper()
	r := &rig{watch: &watcher{}}
	var err error
	if r.db, err = redisdb.Open(context.Background(), opts); err != nil {
		t.Fatal(err)
	}
	batch.Observer = r.watch
	r.b = redisdb.NewBatcher(r.db, batch)
	t.Cleanup(func() {
		if err := errors.Join(r.b.Close(), r.db.Close()); err != nil {
			t.Error(err)
		}
	})
	r.keys = redisdb.NewKeyCache(testenv.Namespace(t)).Of(event.Run{Campaign: "batch", Number: 1, Shards: shards})
	for s := range shards {
		r.heads = append(r.heads, &redisdb.Head{Script: count, Keys: []string{r.keys.Pool(s)}})
	}
	return r
}

// call counts a user up and gives count and host.
func (r *rig) call(ctx context.Context, shard int, user string) (n int, host string, err error) {
	reply, err := r.b.Do(ctx, redisdb.Call{Head: r.heads[shard], Key: r.keys.Player(shard, user), Args: []any{user}})
	if err != nil {
		return 0, "", err
	}
	words := strings.Fields(reply.Result)
	if len(words) != 3 || words[0] != user {
		return 0, "", fmt.Errorf("%s got somebody else's answer: %q", user, reply.Result)
	}
	n, err = strconv.Atoi(words[1])
	return n, words[2], err
}

// load makes n calls from so many goroutines and counts what went wrong.
func (r *rig) load(n, workers int, call func(i int) error) (failures int64) {
	var wg sync.WaitGroup
	var next, failed atomic.Int64
	for range workers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if call(int(i)) != nil {
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return failed.Load()
}

func TestBatcher(t *testing.T) {
	for name, opts := range map[string]func(testing.TB) redisdb.Options{
		"redis": func(t testing.TB) redisdb.Options { return redisdb.Options{Addrs: []string{testenv.Redis(t)}} },
		"cluster": func(t testing.TB) redisdb.Options {
			return redisdb.Options{Addrs: testenv.RedisCluster(t), Cluster: true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("everybody gets his own answer", func(t *testing.T) {
				r := newRig(t, opts(t), redisdb.BatchOptions{}, 12)
				failures := r.load(20_000, 200, func(i int) error {
					n, _, err := r.call(t.Context(), i%12, fmt.Sprint("user", i))
					if err == nil && n != 1 {
						err = fmt.Errorf("counted %d", n)
					}
					return err
				})
				if failures > 0 {
					t.Errorf("%d of 20000 calls failed", failures)
				}
				if flights, calls := r.watch.flights.Load(), r.watch.calls.Load(); calls < 2*flights {
					t.Errorf("%d calls took %d flights: nothing gathers", calls, flights)
				}
			})
			t.Run("calls of one player never share a flight and all count", func(t *testing.T) {
				r := newRig(t, opts(t), redisdb.BatchOptions{}, 4)
				seen := make([]atomic.Int64, 501)
				failures := r.load(500, 50, func(int) error {
					n, _, err := r.call(t.Context(), 0, "ann")
					seen[n].Add(1)
					return err
				})
				for n := 1; n <= 500; n++ {
					if seen[n].Load() != 1 {
						t.Fatalf("count %d came %d times, want once (%d failures)", n, seen[n].Load(), failures)
					}
				}
			})
			t.Run("scripts that the server forgot are loaded again", func(t *testing.T) {
				r := newRig(t, opts(t), redisdb.BatchOptions{}, 4)
				failures := r.load(2000, 20, func(i int) error {
					if i%500 == 250 {
						return r.db.EachPrimary(t.Context(), func(ctx context.Context, c *redis.Client) error { return c.ScriptFlush(ctx).Err() })
					}
					_, _, err := r.call(t.Context(), i%4, fmt.Sprint("user", i))
					return err
				})
				if failures > 0 {
					t.Errorf("%d calls failed, want none", failures)
				}
			})
		})
	}
}

func TestBatcher_bounds(t *testing.T) {
	t.Run("a full queue turns calls away at once", func(t *testing.T) {
		s := testenv.StartRedis(t, testenv.RedisOptions{})
		r := newRig(t, redisdb.Options{Addrs: []string{s.Addr()}, ReadTimeout: 500 * time.Millisecond}, redisdb.BatchOptions{MaxQueue: 10, MaxAge: 300 * time.Millisecond}, 1)
		if _, _, err := r.call(t.Context(), 0, "first"); err != nil {
			t.Fatal(err)
		}
		s.Pause()
		defer s.Resume()
		var overloaded, busy atomic.Int64
		r.load(200, 200, func(i int) error {
			_, _, err := r.call(t.Context(), 0, fmt.Sprint("user", i))
			switch {
			case errors.Is(err, redisdb.ErrOverloaded):
				overloaded.Add(1)
			case errors.Is(err, redisdb.ErrBusy):
				busy.Add(1)
			}
			return err
		})
		if overloaded.Load() < 100 || overloaded.Load()+busy.Load() != 200 {
			t.Errorf("got %d overloaded and %d busy of 200, want most overloaded and the rest busy", overloaded.Load(), busy.Load())
		}
	})
	t.Run("a caller who has gone away sends nothing", func(t *testing.T) {
		r := newRig(t, redisdb.Options{Addrs: []string{testenv.Redis(t)}}, redisdb.BatchOptions{}, 1)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := r.call(ctx, 0, "ann"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
	t.Run("after Close every call is refused", func(t *testing.T) {
		r := newRig(t, redisdb.Options{Addrs: []string{testenv.Redis(t)}}, redisdb.BatchOptions{}, 1)
		if err := r.b.Close(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.call(t.Context(), 0, "ann"); !errors.Is(err, redisdb.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	})
}

func TestBatcher_host(t *testing.T) {
	t.Run("a restarted server is another host, and calls go on", func(t *testing.T) {
		s := testenv.StartRedis(t, testenv.RedisOptions{})
		r := newRig(t, redisdb.Options{Addrs: []string{s.Addr()}}, redisdb.BatchOptions{}, 1)
		_, before, err := r.call(t.Context(), 0, "ann")
		if err != nil {
			t.Fatal(err)
		}
		s.Kill()
		s.Restart()
		_, after, err := r.call(t.Context(), 0, "bob")
		if err != nil || before == after || len(after) != 40 {
			t.Errorf("hosts are %q and %q, %v; want two run ids", before, after, err)
		}
	})
	t.Run("no call carries the run id of another server than it reaches", func(t *testing.T) {
		s := testenv.StartRedis(t, testenv.RedisOptions{})
		r := newRig(t, redisdb.Options{Addrs: []string{s.Addr()}}, redisdb.BatchOptions{MaxAge: 5 * time.Second}, 1)
		truth := redisdb.NewScript("truth", `
local id = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local time = redis.call('TIME')
return {'ok', string.format('%.0f', time[1] * 1000), ARGV[1] == id and 'same' or 'other'}`)
		head := &redisdb.Head{Script: truth, Keys: []string{r.keys.Pool(0)}}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for range 5 {
				time.Sleep(100 * time.Millisecond)
				s.Kill()
				s.Restart()
			}
			close(stop)
		})
		var same int
		for done := false; !done; {
			select {
			case <-stop:
				done = true
			default:
			}
			reply, err := r.b.Do(t.Context(), redisdb.Call{Head: head, Key: r.keys.Player(0, "ann")})
			if err == nil && reply.Result != "same" {
				t.Fatal("a call reached a server under the name of the one before")
			}
			if err == nil {
				same++
			}
		}
		wg.Wait()
		if same < 10 {
			t.Errorf("only %d calls came through", same)
		}
	})
}

func TestBatcher_cluster(t *testing.T) {
	t.Run("a slot that moves is followed", func(t *testing.T) {
		c := testenv.StartRedisCluster(t)
		r := newRig(t, redisdb.Options{Addrs: c.Addrs(), Cluster: true}, redisdb.BatchOptions{}, 3)
		slot := redisdb.Slot(r.keys.Pool(0))
		var failures atomic.Int64
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if _, _, err := r.call(context.Background(), 0, fmt.Sprint("user", i%50)); err != nil {
					failures.Add(1)
				}
			}
		})
		time.Sleep(200 * time.Millisecond)
		moveSlot(t, r.db, slot)
		time.Sleep(300 * time.Millisecond)
		close(stop)
		wg.Wait()
		if _, _, err := r.call(t.Context(), 0, "last"); err != nil {
			t.Errorf("after the move: %v", err)
		}
		if !strings.Contains(r.watch.reasons(), "moved") && !strings.Contains(r.watch.reasons(), "ask") {
			t.Errorf("retries were %s: the move was not met", r.watch.reasons())
		}
		if failures.Load() > 0 {
			t.Errorf("%d calls failed while the slot moved (%s)", failures.Load(), r.watch.reasons())
		}
	})
	t.Run("a primary that dies is replaced", func(t *testing.T) {
		c := testenv.StartRedisCluster(t)
		r := newRig(t, redisdb.Options{Addrs: c.Addrs(), Cluster: true}, redisdb.BatchOptions{}, 3)
		_, before, err := r.call(t.Context(), 0, "ann")
		if err != nil {
			t.Fatal(err)
		}
		c.Node(primaryOf(t, r.db, redisdb.Slot(r.keys.Pool(0))).Options().Addr).Kill()
		giveUp := time.Now().Add(30 * time.Second)
		for {
			_, after, err := r.call(t.Context(), 0, "ann")
			if err == nil && after != before {
				return
			}
			if time.Now().After(giveUp) {
				t.Fatalf("no other host answers after 30 s: %v (%s)", err, r.watch.reasons())
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
}

func TestBatcher_replicas(t *testing.T) {
	primary := testenv.StartRedis(t, testenv.RedisOptions{})
	replica := testenv.StartRedis(t, testenv.RedisOptions{ReplicaOf: primary.Addr()})
	r := newRig(t, redisdb.Options{Addrs: []string{primary.Addr()}}, redisdb.BatchOptions{Replicas: 1, WaitTimeout: 200 * time.Millisecond}, 1)
	safe := func(user string) bool {
		reply, err := r.b.Do(t.Context(), redisdb.Call{Head: r.heads[0], Key: r.keys.Player(0, user), Args: []any{user}})
		if err != nil {
			t.Fatal(err)
		}
		return reply.Safe
	}
	giveUp := time.Now().Add(10 * time.Second)
	for !safe("first") {
		if time.Now().After(giveUp) {
			t.Fatal("the replica never caught up")
		}
		time.Sleep(50 * time.Millisecond)
	}
	replica.Pause()
	if safe("second") {
		t.Error("a reply is called safe while the replica stands still")
	}
	replica.Resume()
	if r.watch.shorts.Load() == 0 {
		t.Error("nobody was told of the short wait")
	}
}

// primaryOf is the client of the node that serves a slot.
func primaryOf(t *testing.T, db *redisdb.DB, slot int) *redis.Client {
	t.Helper()
	cluster := db.Client().(*redis.ClusterClient)
	slots, err := cluster.ClusterSlots(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range slots {
		if s.Start <= slot && slot <= s.End {
			var found *redis.Client
			_ = cluster.ForEachMaster(t.Context(), func(_ context.Context, c *redis.Client) error {
				if c.Options().Addr == s.Nodes[0].Addr {
					found = c
				}
				return nil
			})
			if found != nil {
				return found
			}
		}
	}
	t.Fatalf("nobody serves slot %d", slot)
	return nil
}

// moveSlot gives a slot and its keys to another primary, key by key, as redis-cli does.
func moveSlot(t *testing.T, db *redisdb.DB, slot int) {
	t.Helper()
	ctx := t.Context()
	from := primaryOf(t, db, slot)
	to := primaryOf(t, db, (slot+redisdb.Slots/2)%redisdb.Slots)
	id := func(c *redis.Client) string {
		id, err := c.Do(ctx, "cluster", "myid").Text()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	do := func(c *redis.Client, args ...any) {
		if err := c.Do(ctx, args...).Err(); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
	fromID, toID := id(from), id(to)
	do(to, "cluster", "setslot", slot, "importing", fromID)
	do(from, "cluster", "setslot", slot, "migrating", toID)
	host, port, _ := strings.Cut(to.Options().Addr, ":")
	for {
		keys, err := from.ClusterGetKeysInSlot(ctx, slot, 5).Result()
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		args := []any{"migrate", host, port, "", 0, 1000, "keys"}
		for _, k := range keys {
			args = append(args, k)
		}
		do(from, args...)
		time.Sleep(10 * time.Millisecond) // long enough to meet a slot that is half here, half there
	}
	for _, c := range []*redis.Client{to, from} {
		do(c, "cluster", "setslot", slot, "node", toID)
	}
}
