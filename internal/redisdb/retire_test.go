package redisdb_test

import (
	"context"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
)

// flying counts the goroutines of lanes in this process.
func flying(t *testing.T) int {
	t.Helper()
	var text strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&text, 2); err != nil {
		t.Fatal(err)
	}
	return strings.Count(text.String(), "redisdb.(*lane).run(")
}

// links counts the connections of lanes to a server: theirs alone ran a script last.
func links(t *testing.T, node *redis.Client) int {
	t.Helper()
	list, err := node.ClientList(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(list, "cmd=evalsha")
}

func TestBatcher_retire(t *testing.T) {
	t.Run("the lane of a primary that became a replica ends", func(t *testing.T) {
		c := testenv.StartRedisCluster(t)
		r := newRig(t, redisdb.Options{Addrs: c.Addrs(), Cluster: true}, redisdb.BatchOptions{Flights: 2, Sweep: 100 * time.Millisecond, MaxAge: 10 * time.Second}, 3)
		everywhere := func(when string) {
			t.Helper()
			for i := range 30 {
				if _, _, err := r.call(t.Context(), i%3, fmt.Sprint(when, i)); err != nil {
					t.Fatalf("%s: %v", when, err)
				}
			}
		}
		everywhere("before")
		if n := flying(t); n != 6 {
			t.Fatalf("%d flights for three primaries, want two each", n)
		}
		old := primaryOf(t, r.db, redisdb.Slot(r.keys.Pool(0)))
		addr := old.Options().Addr
		node := redis.NewClient(&redis.Options{Addr: addr})
		defer node.Close()
		if links(t, node) == 0 {
			t.Fatal("no link to the primary is seen")
		}
		failOver(t, old)
		everywhere("after")
		eventually(t, func() error {
			if goroutines, conns := flying(t), links(t, node); goroutines != 6 || conns != 0 {
				return fmt.Errorf("%d flights, %d links to the old primary; want 6 and none", goroutines, conns)
			}
			return nil
		})
		failOver(t, primaryOf(t, r.db, redisdb.Slot(r.keys.Pool(0))))
		everywhere("again")
	})
	t.Run("a call that picked a lane before it retired is sent by the next one", func(t *testing.T) {
		r := newRig(t, redisdb.Options{Addrs: []string{testenv.Redis(t)}}, redisdb.BatchOptions{}, 1)
		for i := range 5 {
			if _, _, err := r.call(t.Context(), 0, fmt.Sprint("before", i)); err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(10*time.Millisecond, r.b.RetireHalf())
			if n, _, err := r.call(t.Context(), 0, fmt.Sprint("after", i)); n != 1 || err != nil {
				t.Errorf("got %d, %v; want the call sent", n, err)
			}
		}
	})
	t.Run("calls go on while lanes retire all the time", func(t *testing.T) {
		r := newRig(t, redisdb.Options{Addrs: []string{testenv.Redis(t)}}, redisdb.BatchOptions{Flights: 2}, 4)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		retired := 0
		wg.Go(func() {
			for ; ctx.Err() == nil; retired++ {
				r.b.RetireAll()
				runtime.Gosched()
			}
		})
		failures := r.load(5000, 4, func(i int) error {
			n, _, err := r.call(t.Context(), i%4, fmt.Sprint("user", i))
			if err != nil || n != 1 {
				t.Errorf("call %d: counted %d, %v", i, n, err)
			}
			return err
		})
		stop()
		wg.Wait()
		if failures > 0 || retired < 100 {
			t.Errorf("%d of 5000 calls failed while lanes retired %d times", failures, retired)
		}
		eventually(t, func() error {
			if r.b.RetireAll(); flying(t) != 0 {
				return fmt.Errorf("%d flights of retired lanes", flying(t))
			}
			return nil
		})
	})
}

// failOver lets a primary's replica take over, without a loss.
func failOver(t *testing.T, primary *redis.Client) {
	t.Helper()
	info, err := primary.Info(t.Context(), "replication").Result()
	_, rest, found := strings.Cut(info, "slave0:ip=127.0.0.1,port=")
	port, _, _ := strings.Cut(rest, ",")
	if err != nil || !found {
		t.Fatalf("the primary has no replica: %v\n%s", err, info)
	}
	replica := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port})
	defer replica.Close()
	eventually(t, func() error {
		info, err := replica.Info(t.Context(), "replication").Result()
		if err == nil && !strings.Contains(info, "role:master") {
			// Refused until the two know each other for what they are.
			err = fmt.Errorf("the replica has not taken over: %v", replica.ClusterFailover(t.Context()).Err())
		}
		return err
	})
}

// eventually waits for check to give no error.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	giveUp := time.Now().Add(15 * time.Second)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(giveUp) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
