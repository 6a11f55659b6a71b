package redispool_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/inventory/redispool"
)

// journey is a run on a cluster of its own, whose shard 0 has players and is moved.
type journey struct {
	*relayed
	mover *inventory.Mover
	here  string // the server that has shard 0
	there string // another primary
}

const travellers = 250 // some batches

func newJourney(t *testing.T, cluster *testenv.Cluster) *journey {
	t.Helper()
	return journeyOf(t, redisdb.Options{Addrs: cluster.Addrs(), Cluster: true})
}

func journeyOf(t *testing.T, opts redisdb.Options) *journey {
	t.Helper()
	j := &journey{relayed: newRelayed(t, opts)}
	j.opener.Hold = time.Second
	j.run.Campaign = testenv.Namespace(t) // a slot of its own
	_, err := j.opener.Open(t.Context(), j.run, nil)
	j.must(err)
	j.mover = inventory.NewMover(j.opener, redispool.NewSlots(j.db, j.keys, 1))
	for i := range travellers {
		j.must(j.db.Client().HSet(t.Context(), j.keys.Of(j.run).Player(0, fmt.Sprint("u", i)), "n", i).Err())
	}
	j.must(j.pools.Dry(t.Context(), j.run, 0, true, time.Time{}))
	j.here = j.place().Server
	for j.db.WantReplicas(t.Context(), 1) != nil && t.Context().Err() == nil {
		time.Sleep(20 * time.Millisecond) // they have just joined
	}
	nodes, err := j.db.ClusterNodes(t.Context())
	j.must(err)
	for _, n := range nodes {
		if len(n.Slots) > 0 && n.Addr != j.here {
			j.there = n.Addr
		}
	}
	return j
}

func (j *journey) place() redisdb.Place {
	j.Helper()
	places, err := j.db.Places(j.Context(), []string{j.keys.Of(j.run).Pool(0)})
	j.must(err)
	return places[0]
}

// at wants the shard open at a server, with all that it had.
func (j *journey) at(server string) {
	j.Helper()
	s := j.audit(0)
	if place := j.place(); !s.Open || !s.Dry || place.Server != server {
		j.Errorf("the pool is %+v at %s, want it open as it was, at %s", s, place.Server, server)
	}
	for i := range travellers {
		if n, err := j.db.Client().HGet(j.Context(), j.keys.Of(j.run).Player(0, fmt.Sprint("u", i)), "n").Int(); err != nil || n != i {
			j.Fatalf("player %d has %d, %v", i, n, err)
		}
	}
	j.must(j.pools.Dry(j.Context(), j.run, 0, false, time.Time{})) // it counts again
	j.must(j.pools.Dry(j.Context(), j.run, 0, true, time.Time{}))
	for _, addr := range []string{j.here, j.there} {
		if n := j.count(addr); (n > 0) != (addr == server) {
			j.Errorf("%s has %d keys of the slot, and the shard is at %s", addr, n, server)
		}
	}
}

func (j *journey) direct(addr string) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: addr})
	j.Cleanup(func() { _ = c.Close() })
	return c
}

func (j *journey) count(addr string) int64 {
	j.Helper()
	n, err := j.direct(addr).ClusterCountKeysInSlot(j.Context(), j.place().Slot).Result()
	j.must(err)
	return n
}

func (j *journey) move(to string) (inventory.Moved, error) {
	return j.mover.Move(j.Context(), j.run, nil, 0, to)
}

func TestMover(t *testing.T) {
	cluster := testenv.StartRedisCluster(t)
	for name, test := range map[string]func(*testing.T, *journey){
		"there, again, and back":                               thereAndBack,
		"begun by others, key by key":                          begunByOthers,
		"broken off and undone":                                undone,
		"an opener that was quicker keeps the shard":           overtaken,
		"cancelled: the shard is open where it was":            cancelled,
		"no room, no cluster's server, somebody else's keys":   notMovable,
		"a worker that looks all the time does not come first": besideAWorker,
	} {
		t.Run(name, func(t *testing.T) { test(t, newJourney(t, cluster)) })
	}
	t.Run("with the rights of docs/security.md and a password", func(t *testing.T) { withRights(t, cluster) })
}

func thereAndBack(t *testing.T, j *journey) {
	before := j.audit(0)
	moved, err := j.move(j.there)
	j.must(err)
	if moved.Keys < travellers+2 || moved.Bytes < travellers*50 || moved.Pause <= 0 || moved.From != j.here || moved.To != j.there {
		t.Errorf("got %+v", moved)
	}
	if s := j.audit(0); s.Epoch != before.Epoch+1 || s.Host == before.Host {
		t.Errorf("the pool is %+v and was %+v, want the next epoch on another host", s, before)
	}
	j.at(j.there)
	again, err := j.move(j.there)
	if j.must(err); !again.Arrived || again.Pause != 0 || j.audit(0).Epoch != before.Epoch+1 {
		t.Errorf("the second time it came to %+v", again)
	}
	if _, err = j.move(j.here); err != nil {
		t.Fatal(err)
	}
	j.at(j.here)
}

func begunByOthers(t *testing.T, j *journey) {
	from, to, slot := j.direct(j.here), j.direct(j.there), j.place().Slot
	fromID, toID := from.ClusterMyID(t.Context()).Val(), to.ClusterMyID(t.Context()).Val()
	j.must(to.Do(t.Context(), "cluster", "setslot", slot, "importing", fromID).Err())
	j.must(from.Do(t.Context(), "cluster", "setslot", slot, "migrating", toID).Err())
	host, port, _ := strings.Cut(j.there, ":")
	for i := range 10 {
		j.must(from.Migrate(t.Context(), host, port, j.keys.Of(j.run).Player(0, fmt.Sprint("u", i)), 0, time.Second).Err())
	}
	nodes, err := j.db.ClusterNodes(t.Context())
	j.must(err)
	for _, n := range nodes {
		if len(n.Slots) > 0 && n.Addr != j.here && n.Addr != j.there {
			if _, err := j.move(n.Addr); !errors.Is(err, redisdb.ErrNotMovable) || !strings.Contains(err.Error(), toID) {
				t.Errorf("to a third server: got %v, want it refused, with where it is going", err)
			}
		}
	}
	if _, err := j.mover.Undo(t.Context(), j.run, 0, j.there); !errors.Is(err, inventory.ErrHalf) {
		t.Errorf("undo: got %v, want ErrHalf: some keys are there alone", err)
	}
	moved, err := j.move(j.there)
	if j.must(err); !moved.Half {
		t.Errorf("got %+v", moved)
	}
	j.at(j.there)
}

func undone(t *testing.T, j *journey) {
	trip, err := redispool.NewSlots(j.db, j.keys, 1).Plan(t.Context(), j.run, 0, j.there)
	j.must(err)
	defer trip.Close()
	j.must(trip.Prepare(t.Context()))
	j.must(trip.Copy(t.Context(), func(int, int) {}))
	if n := j.count(j.there); n < travellers {
		t.Fatalf("%d keys were copied", n)
	}
	for range 2 {
		_, err = j.mover.Undo(t.Context(), j.run, 0, j.there)
		j.must(err)
		j.at(j.here)
	}
	_, err = j.move(j.there)
	j.must(err)
	j.at(j.there)
}

// once does something when the first keys are copied.
func (j *journey) once(do func()) {
	did := false
	j.mover.Tell = func(string, int, int) {
		if !did {
			did = true
			do()
		}
	}
}

func overtaken(t *testing.T, j *journey) {
	j.once(func() { // the mover sleeps until a worker opens the shard
		j.must(j.db.Client().HSet(t.Context(), j.keys.Of(j.run).Pool(0), "seal", "somebody", "seal_until", 0).Err())
		done, err := j.opener.Open(t.Context(), j.run, nil)
		if j.must(err); len(done.Pools) != 1 {
			t.Errorf("opened %v", done.Pools)
		}
	})
	if _, err := j.move(j.there); !errors.Is(err, inventory.ErrLost) {
		t.Errorf("got %v, want ErrLost", err)
	}
	j.at(j.here)
}

func cancelled(t *testing.T, j *journey) {
	ctx, cancel := context.WithCancel(t.Context())
	j.once(cancel)
	if _, err := j.mover.Move(ctx, j.run, nil, 0, j.there); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want it cancelled", err)
	}
	j.at(j.here)
}

func notMovable(t *testing.T, j *journey) {
	before := j.audit(0)
	refused := func(to, says string) {
		t.Helper()
		if _, err := j.move(to); !errors.Is(err, redisdb.ErrNotMovable) || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want it refused: %s", err, says)
		}
	}
	refused("127.0.0.1:1", "no server")
	to := j.direct(j.there)
	j.must(to.ConfigSet(t.Context(), "maxmemory", "1").Err())
	refused(j.there, "bytes left")
	j.must(to.ConfigSet(t.Context(), "maxmemory", "0").Err())
	foreign := "elsewhere:" + j.keys.Of(j.run).Pool(0)
	j.must(j.db.Client().Set(t.Context(), foreign, "", 0).Err())
	refused(j.there, foreign)
	j.must(j.db.Client().Del(t.Context(), foreign).Err())
	if s := j.audit(0); !s.Open || s.Epoch != before.Epoch {
		t.Errorf("a refusal changed the pool: %+v", s)
	}
}

// The rights stand in docs/security.md as they stand here.
const (
	rights      = "-@all +@read +@write +@scripting +@pubsub +@connection -@dangerous -script|flush -script|kill +info +wait +time"
	inACluster  = "+cluster|slots +cluster|shards +cluster|nodes +readonly +asking"
	ofTheMover  = "+cluster|info +cluster|countkeysinslot +cluster|getkeysinslot +cluster|setslot +migrate +restore-asking"
	testSecret  = "correct-horse-battery-staple"
	testAccount = "shake-operator"
)

func withRights(t *testing.T, cluster *testenv.Cluster) {
	for _, addr := range cluster.Addrs() {
		c := redis.NewClient(&redis.Options{Addr: addr})
		defer c.Close()
		args := []any{"acl", "setuser", testAccount, "reset", "on", ">" + testSecret, "resetchannels", "~t*:*", "&t*:*"}
		for _, word := range strings.Fields(rights + " " + inACluster + " " + ofTheMover) {
			args = append(args, word)
		}
		if err := c.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	j := journeyOf(t, redisdb.Options{Addrs: cluster.Addrs(), Cluster: true, Username: testAccount, Password: testSecret})
	_, err := j.move(j.there)
	j.must(err)
	j.at(j.there)
	for _, addr := range cluster.Addrs() {
		denied, err := j.direct(addr).ACLLog(t.Context(), 10).Result()
		if j.must(err); len(denied) > 0 {
			t.Errorf("%s denied what the mover asked for: %+v", addr, denied[0])
		}
	}
}

func besideAWorker(t *testing.T, j *journey) {
	ctx, stop := context.WithCancel(t.Context())
	worked := make(chan int, 1)
	go func() {
		opened := 0
		for ctx.Err() == nil {
			done, _ := j.opener.Open(ctx, j.run, nil) // a slot on its way may refuse; the next look goes on
			opened += len(done.Pools)
		}
		worked <- opened
	}()
	began := j.audit(0)
	j.mover.Tell = func(string, int, int) { time.Sleep(2 * j.opener.Hold / 3) } // longer than a hold in all
	_, err := j.move(j.there)
	stop()
	j.must(err)
	if opened := <-worked; opened != 0 || j.audit(0).Epoch != began.Epoch+1 {
		t.Errorf("the worker opened %d pools while one was moved; the epoch went from %d to %d", opened, began.Epoch, j.audit(0).Epoch)
	}
	j.at(j.there)
}
