package redisdb_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
)

// A call that waited longer than MaxAge behind a server that stood still is answered, and never sent: neither behind
// a flight that was out, nor behind a link that was dialled.
func TestBatcher_age(t *testing.T) {
	for name, linked := range map[string]bool{"behind a flight": true, "behind a dial": false} {
		t.Run(name, func(t *testing.T) {
			s := testenv.StartRedis(t, testenv.RedisOptions{})
			r := newRig(t, redisdb.Options{Addrs: []string{s.Addr()}, ReadTimeout: 10 * time.Second},
				redisdb.BatchOptions{MaxAge: time.Second, WaitTimeout: 5 * time.Second}, 1)
			if linked {
				if _, _, err := r.call(t.Context(), 0, "before"); err != nil {
					t.Fatal(err)
				}
			}
			s.Pause()
			var wg sync.WaitGroup
			if linked {
				wg.Go(func() {
					if _, _, err := r.call(t.Context(), 0, "first"); err != nil {
						t.Errorf("the flight that was out came to %v, want its answer", err)
					}
				})
				time.Sleep(200 * time.Millisecond)
			}
			for i := range 20 {
				wg.Go(func() {
					if _, _, err := r.call(t.Context(), 0, fmt.Sprint("waits", i)); !errors.Is(err, redisdb.ErrBusy) {
						t.Errorf("got %v after a wait beyond MaxAge, want ErrBusy", err)
					}
				})
			}
			time.Sleep(1500 * time.Millisecond)
			s.Resume()
			wg.Wait()
			if n, _, err := r.call(t.Context(), 0, "after"); n != 1 || err != nil {
				t.Errorf("got %d, %v from a server that goes on", n, err)
			}
			for i := range 20 {
				key := r.keys.Player(0, fmt.Sprint("waits", i))
				if n, err := r.db.Client().Exists(t.Context(), key).Result(); n != 0 || err != nil {
					t.Fatalf("a call that was answered as busy was sent all the same (%v)", err)
				}
			}
		})
	}
}
