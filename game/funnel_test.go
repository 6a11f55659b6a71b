package game

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shake-live/shake/internal/clock"
)

// source is an origin that a test can slow down, break and count.
type source struct {
	loads  atomic.Int64
	flying atomic.Int64
	most   atomic.Int64

	mu    sync.Mutex
	value string
	err   error
	slow  time.Duration // until it answers; it gives up when asked to
	deaf  time.Duration // the same, and it does not give up
}

func (s *source) set(change func(*source)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// load reads what is there when it is asked and tells it when it is done, as a database does.
func (s *source) load(ctx context.Context, _ string) (string, error) {
	s.mu.Lock()
	value, err, slow, deaf := s.value, s.err, s.slow, s.deaf
	s.mu.Unlock()
	s.loads.Add(1)
	now := s.flying.Add(1)
	defer s.flying.Add(-1)
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
	}
	time.Sleep(deaf)
	select {
	case <-time.After(slow):
		return value, err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// heard is an observer that remembers.
type heard struct {
	mu    sync.Mutex
	layer map[string]int
	stale map[string]time.Duration
}

func (h *heard) Answered(layer string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.layer[layer]++
}

func (h *heard) Stale(name string, age time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stale[name] = age
}

type rig struct {
	*testing.T
	*source
	*heard
	f *funnel[string]
}

// inBubble gives a funnel with the bounds of production (1 s fresh, 50 ms wait, 2 s a flight, 500 ms backoff) in a
// bubble whose time is the test's.
func inBubble(t *testing.T, fn func(r rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := rig{T: t, source: &source{value: "one"}, heard: &heard{layer: map[string]int{}, stale: map[string]time.Duration{}}}
		r.f = newFunnel(r.load, clock.System{}, CacheOptions{MaxKeys: 100, Observer: r.heard})
		fn(r)
		synctest.Wait()
	})
}

// want asks for the key and checks answer and time taken.
func (r rig) want(key, value string, err error, took time.Duration) {
	r.Helper()
	began := time.Now()
	got, gotErr := r.f.get(r.Context(), key)
	if got != value || !errors.Is(gotErr, err) || time.Since(began) != took {
		r.Errorf("got %q, %v after %s, want %q, %v after %s", got, gotErr, time.Since(began), value, err, took)
	}
}

func TestFunnel_oneFlightForEverybody(t *testing.T) {
	inBubble(t, func(r rig) {
		r.set(func(s *source) { s.slow = 30 * time.Millisecond })
		for range 5 {
			var wg sync.WaitGroup
			for range 1000 {
				wg.Go(func() { r.want("demo", "one", nil, 30*time.Millisecond) })
			}
			wg.Wait()
			time.Sleep(time.Second)
		}
		if r.loads.Load() != 5 || r.most.Load() != 1 {
			r.Errorf("got %d loads, %d at once; want one for each of 5 crowds", r.loads.Load(), r.most.Load())
		}
	})
}

func TestFunnel_freshCopiesCostNothing(t *testing.T) {
	inBubble(t, func(r rig) {
		r.want("demo", "one", nil, 0)
		r.set(func(s *source) { s.value = "two" })
		time.Sleep(999 * time.Millisecond)
		r.want("demo", "one", nil, 0)
		time.Sleep(time.Millisecond)
		r.want("demo", "two", nil, 0)
		if r.loads.Load() != 2 || r.layer["process"] != 1 {
			r.Errorf("got %d loads and %v, want two loads and one answer from the process", r.loads.Load(), r.layer)
		}
	})
}

func TestFunnel_waitsNoLongerThanMaxWaitFromTheFlightsStart(t *testing.T) {
	inBubble(t, func(r rig) {
		r.want("demo", "one", nil, 0)
		time.Sleep(5 * time.Second)
		r.set(func(s *source) { s.value, s.slow = "two", 300*time.Millisecond })
		var wg sync.WaitGroup
		for i := range 10 { // who comes later has less to wait
			at := time.Duration(i) * 10 * time.Millisecond
			wg.Go(func() {
				time.Sleep(at)
				r.want("demo", "one", nil, max(0, 50*time.Millisecond-at))
			})
		}
		wg.Wait()
		if got, want := r.stale["demo"], 5090*time.Millisecond; got != want || r.layer["stale"] != 10 {
			r.Errorf("got age %s and %v, want %s and 10 stale answers", got, r.layer, want)
		}
		time.Sleep(220 * time.Millisecond)
		r.want("demo", "two", nil, 0)
		if r.loads.Load() != 2 {
			r.Errorf("got %d loads, want 2", r.loads.Load())
		}
	})
}

func TestFunnel_withoutACopyFailsClosed(t *testing.T) {
	inBubble(t, func(r rig) {
		r.set(func(s *source) { s.slow = time.Hour })
		r.want("demo", "", ErrUnavailable, 50*time.Millisecond)
		r.want("demo", "", ErrUnavailable, 0)
		r.set(func(s *source) { s.slow = 0 })
		time.Sleep(1950 * time.Millisecond) // the flight gives up
		r.want("demo", "", ErrUnavailable, 0)
		time.Sleep(500 * time.Millisecond) // and its backoff is over
		r.want("demo", "one", nil, 0)
		if r.layer["none"] != 3 {
			r.Errorf("got %v, want 3 answers from nowhere", r.layer)
		}
	})
}

func TestFunnel_goesOnWithTheStaleCopyWhileTheOriginFails(t *testing.T) {
	inBubble(t, func(r rig) {
		r.want("demo", "one", nil, 0)
		r.set(func(s *source) { s.err = errors.New("connection refused") })
		time.Sleep(time.Second)
		for range 600 { // for a minute
			r.want("demo", "one", nil, 0)
			time.Sleep(100 * time.Millisecond)
		}
		if n := r.loads.Load(); n < 100 || n > 121 {
			r.Errorf("got %d loads in a minute, want one in each backoff of 500 ms", n)
		}
		if r.stale["demo"] < time.Minute {
			r.Errorf("got age %s, want a minute", r.stale["demo"])
		}
	})
}

// An origin that hangs for a minute costs one goroutine, and everybody but those of the first 50 ms of each
// flight is answered at once.
func TestFunnel_hungOrigin(t *testing.T) {
	inBubble(t, func(r rig) {
		r.want("demo", "one", nil, 0)
		r.set(func(s *source) { s.slow = time.Hour })
		time.Sleep(time.Second)
		before, waited := runtime.NumGoroutine(), 0
		for range 6000 {
			began := time.Now()
			if got, err := r.f.get(r.Context(), "demo"); got != "one" || err != nil {
				r.Fatalf("got %q, %v, want the stale copy", got, err)
			}
			if took := time.Since(began); took > 50*time.Millisecond {
				r.Fatalf("took %s, want 50 ms at most", took)
			} else if took > 0 {
				waited++
			}
			if now := runtime.NumGoroutine(); now > before+3 { // the flight, its timer, and singleflight's
				r.Fatalf("got %d goroutines, want no more than %d", now, before+3)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n := r.loads.Load(); n > 1+60_000/2500+1 || waited > int(n) {
			r.Errorf("got %d loads and %d waits in a minute, want one of each in 2.5 s", n, waited)
		}
		time.Sleep(3 * time.Second)
	})
}

// One that does not even give up has a single goroutine for ever.
func TestFunnel_deafOrigin(t *testing.T) {
	inBubble(t, func(r rig) {
		r.want("demo", "one", nil, 0)
		r.set(func(s *source) { s.deaf = time.Minute })
		time.Sleep(time.Second)
		for range 500 {
			if got, err := r.f.get(r.Context(), "demo"); got != "one" || err != nil {
				r.Fatalf("got %q, %v, want the stale copy", got, err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if r.most.Load() != 1 || r.loads.Load() != 2 {
			r.Errorf("got %d loads, %d at once; want the first, and one that hangs", r.loads.Load(), r.most.Load())
		}
		time.Sleep(time.Minute)
	})
}

func TestFunnel_aWaiterCanGiveUp(t *testing.T) {
	inBubble(t, func(r rig) {
		r.set(func(s *source) { s.slow = time.Second })
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := r.f.get(ctx, "demo"); !errors.Is(err, context.DeadlineExceeded) {
			r.Errorf("got %v, want the caller's own deadline", err)
		}
		time.Sleep(time.Second)
		r.want("demo", "one", nil, 0) // the flight went on for the others
	})
}

func TestFunnel_cachesWhatIsDefinitelyNothing(t *testing.T) {
	for _, definite := range []error{ErrNotFound, ErrUnusable} {
		inBubble(t, func(r rig) {
			r.set(func(s *source) { s.value, s.err = "", fmt.Errorf("look: %w", definite) })
			for range 100 {
				r.want("nope", "", definite, 0)
			}
			if r.loads.Load() != 1 {
				r.Errorf("got %d loads of what is not there, want 1", r.loads.Load())
			}
			r.set(func(s *source) { s.slow = time.Hour })
			time.Sleep(time.Second)
			r.want("nope", "", definite, 50*time.Millisecond)
			if len(r.stale) > 0 {
				r.Errorf("the observer heard of %v: made-up names are without end", r.stale)
			}
			time.Sleep(3 * time.Second)
		})
	}
}

// However many made-up keys are asked for, a true one finds room at once, and memory is given back.
func TestFunnel_madeUpKeysCannotFillIt(t *testing.T) {
	inBubble(t, func(r rig) {
		r.f.load = func(ctx context.Context, key string) (string, error) {
			if key == "demo" || key == "late" {
				return r.load(ctx, key)
			}
			return "", ErrNotFound
		}
		r.want("demo", "one", nil, 0)
		for i := range 10_000 {
			r.want(fmt.Sprint("made-up-", i), "", ErrNotFound, 0)
			if len(r.f.copies) > 100 {
				r.Fatalf("keeps %d keys, want 100 at most", len(r.f.copies))
			}
		}
		r.want("late", "one", nil, 0)
		r.f.renew(r.Context(), "demo")
		if r.want("demo", "one", nil, 0); r.loads.Load() != 3 {
			r.Errorf("got %d loads of true keys, want 3: none was thrown out", r.loads.Load())
		}
		time.Sleep(11 * time.Second)
		if r.f.sweep(); len(r.f.copies) != 2 {
			r.Errorf("keeps %d keys after a sweep, want the two true ones", len(r.f.copies))
		}
	})
}

// When it is full of true keys, a further one is refused rather than another forgotten.
func TestFunnel_fullOfTrueKeys(t *testing.T) {
	inBubble(t, func(r rig) {
		for i := range 100 {
			r.want(fmt.Sprint("true-", i), "one", nil, 0)
		}
		r.want("one more", "", ErrUnavailable, 0)
		if r.loads.Load() != 100 {
			r.Errorf("got %d loads, want 100", r.loads.Load())
		}
	})
}

func TestFunnel_afterAPublishTheNextCallerHasIt(t *testing.T) {
	inBubble(t, func(r rig) {
		r.want("demo", "one", nil, 0)
		r.set(func(s *source) { s.value = "two" })
		r.want("demo", "one", nil, 0)
		r.f.renew(r.Context(), "demo")
		r.want("demo", "two", nil, 0)
	})
}

// While the new version is fetched, callers wait for it within the bound; they don't get the copy that was fresh
// before the publish as if it still were.
func TestFunnel_duringAPublishCallersWait(t *testing.T) {
	inBubble(t, func(r rig) {
		r.want("demo", "one", nil, 0)
		r.set(func(s *source) { s.value, s.slow = "two", 40*time.Millisecond })
		go r.f.renew(r.Context(), "demo")
		synctest.Wait()
		time.Sleep(10 * time.Millisecond)
		r.want("demo", "two", nil, 30*time.Millisecond)
	})
}

// A refresh that read before the publish and lands after it does not bring the old version back, whenever it lands.
func TestFunnel_aRefreshFromBeforeThePublishDoesNotCount(t *testing.T) {
	for name, slow := range map[string]time.Duration{"lands after the new one": 200 * time.Millisecond, "lands before the new one": 20 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r rig) {
				r.want("demo", "one", nil, 0)
				time.Sleep(time.Second)
				r.set(func(s *source) { s.slow = slow })
				go func() { _, _ = r.f.get(context.Background(), "demo") }() // reads "one"
				synctest.Wait()
				r.set(func(s *source) { s.value, s.slow = "two", 40*time.Millisecond })
				r.f.renew(r.Context(), "demo")
				for range 30 {
					r.want("demo", "two", nil, 0)
					time.Sleep(10 * time.Millisecond)
				}
				if r.loads.Load() != 3 {
					r.Errorf("got %d loads, want 3", r.loads.Load())
				}
			})
		})
	}
}

// A publish whose fetch fails leaves the old version as the stale copy it is: the next try comes after the backoff,
// not when the copy would have grown old.
func TestFunnel_aPublishThatCannotBeFetchedIsTriedAgain(t *testing.T) {
	inBubble(t, func(r rig) {
		r.f.opts.TTL = time.Hour
		r.want("demo", "one", nil, 0)
		r.set(func(s *source) { s.value, s.err = "two", errors.New("connection refused") })
		r.f.renew(r.Context(), "demo")
		r.want("demo", "one", nil, 0)
		r.set(func(s *source) { s.err = nil })
		time.Sleep(500 * time.Millisecond)
		r.want("demo", "two", nil, 0)
	})
}

func TestFunnel_aPublishOfAKeyNobodyAskedFor(t *testing.T) {
	inBubble(t, func(r rig) {
		r.f.renew(r.Context(), "demo")
		r.set(func(s *source) { s.slow = time.Hour })
		r.want("demo", "one", nil, 0)
	})
}

func TestFunnel_aPublishDoesNotWaitForAHungOrigin(t *testing.T) {
	inBubble(t, func(r rig) {
		r.set(func(s *source) { s.slow = time.Hour })
		ctx, cancel := context.WithTimeout(r.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		if r.f.renew(ctx, "demo"); time.Since(began) != 100*time.Millisecond {
			r.Errorf("took %s, want no longer than the caller's 100 ms", time.Since(began))
		}
		time.Sleep(3 * time.Second)
	})
}
