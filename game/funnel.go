package game

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/shake-live/shake/internal/clock"
)

// CacheOptions bounds a funnel. The zero value of a field means its default.
type CacheOptions struct {
	TTL      time.Duration // a copy is fresh for so long; default 1 s
	MaxWait  time.Duration // for a refresh, before the stale copy has to do; default 50 ms
	Flight   time.Duration // a refresh may take; default 2 s
	Backoff  time.Duration // after a refresh that failed; default 500 ms
	MaxKeys  int           // distinct keys kept; default 4096
	Observer CacheObserver // default nobody
}

// CacheObserver hears which layer answered and how old a stale copy was.
type CacheObserver interface {
	Answered(layer string)                // process, redis, origin, stale, or none
	Stale(name string, age time.Duration) // the age of the copy that had to do
}

func (o CacheOptions) withDefaults() CacheOptions {
	for d, v := range map[*time.Duration]time.Duration{
		&o.TTL: time.Second, &o.MaxWait: 50 * time.Millisecond, &o.Flight: 2 * time.Second, &o.Backoff: 500 * time.Millisecond,
	} {
		if *d == 0 {
			*d = v
		}
	}
	if o.MaxKeys == 0 {
		o.MaxKeys = 4096
	}
	if o.Observer == nil {
		o.Observer = deaf{}
	}
	return o
}

type deaf struct{}

func (deaf) Append(string) {}

func (deaf) Answered(string)             {}
func (deaf) Stale(string, time.Duration) {}
func (deaf) Short(string)                {}
func (deaf) Inflated(string)             {}
func (deaf) Claimed(string)              {}

// ErrUnavailable says that there is no copy and the origin did not answer in time.
var ErrUnavailable = errors.New("configuration is not available")

// funnel is a cache whose every key has one refresh under way at most. Who comes while a refresh runs waits for
// it until MaxWait after its start, and then takes the stale copy. A copy that never was fails closed.
// Nobody waits who cannot gain by it, so a hung origin costs one goroutine a key and no memory besides.
//
// What is published raises the key's edition: copies of an earlier one are stale from then on, and a refresh that
// began before can't bring them back.
type funnel[T any] struct {
	load    func(ctx context.Context, key string) (T, error)
	opts    CacheOptions
	clock   clock.Clock
	group   singleflight.Group // by key and edition
	mu      sync.Mutex
	edition int64 // the last one of any key
	copies  map[string]*copyOf[T]
}

// copyOf is what is known of one key. A definite answer can be an error.
type copyOf[T any] struct {
	value   T
	err     error
	known   bool
	of      int64     // the edition that the value is of
	at      time.Time // when the value came, or the key was first asked for
	edition int64
	started time.Time // of the refresh under way for this edition; zero if none is
	retryAt time.Time // no refresh before, after one that failed
}

func newFunnel[T any](load func(context.Context, string) (T, error), c clock.Clock, opts CacheOptions) *funnel[T] {
	return &funnel[T]{load: load, opts: opts.withDefaults(), clock: c, copies: map[string]*copyOf[T]{}}
}

// definite tells whether an error is an answer that holds as long as a value does.
func definite(err error) bool { return errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnusable) }

func (f *funnel[T]) fresh(c *copyOf[T], now time.Time) bool {
	return c.known && c.of == c.edition && now.Sub(c.at) < f.opts.TTL
}

// get gives the value of a key as fresh as the bounds allow.
func (f *funnel[T]) get(ctx context.Context, key string) (T, error) {
	wait, edition, value, err, done := f.look(key)
	if done {
		return value, err
	}
	flight := f.fly(key, edition)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-flight:
	case <-timer.C:
	case <-ctx.Done():
		return value, ctx.Err()
	}
	return f.settle(key)
}

// peek gives the value that is known, however old.
func (f *funnel[T]) peek(key string) (value T, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.copies[key]; c != nil && c.known && c.err == nil {
		return c.value, true
	}
	return value, false
}

// look answers at once if it can; else it tells how long a refresh of which edition is worth waiting for.
func (f *funnel[T]) look(key string) (wait time.Duration, edition int64, value T, err error, done bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, c := f.clock.Now(), f.copies[key]
	if c == nil {
		if len(f.copies) >= f.opts.MaxKeys && !f.evict() {
			return 0, 0, value, ErrUnavailable, true
		}
		c = f.add(key, now)
	}
	switch {
	case f.fresh(c, now):
		f.opts.Observer.Answered("process")
		return 0, 0, c.value, c.err, true
	case now.Before(c.retryAt), !c.started.IsZero() && now.Sub(c.started) >= f.opts.MaxWait:
		value, err = f.stale(key, c, now)
		return 0, 0, value, err, true
	case !c.started.IsZero():
		return f.opts.MaxWait - now.Sub(c.started), c.edition, value, nil, false
	}
	return f.opts.MaxWait, c.edition, value, nil, false
}

func (f *funnel[T]) add(key string, now time.Time) *copyOf[T] {
	c := &copyOf[T]{at: now, edition: f.edition}
	f.copies[key] = c
	return c
}

// nothing tells whether the copy is worth nothing: a definite no, or a refresh that failed.
func (c *copyOf[T]) nothing() bool { return c.started.IsZero() && (!c.known || c.err != nil) }

// evictTries bounds the search for a copy worth nothing; where made-up keys fill the cache, the first will do.
const evictTries = 64

// evict makes room for one key, so that made-up ones can't keep a true one out.
func (f *funnel[T]) evict() bool {
	tries := 0
	for key, c := range f.copies { // in random order
		if c.nothing() {
			delete(f.copies, key)
			return true
		}
		if tries++; tries == evictTries {
			return false
		}
	}
	return false
}

// settle answers after the wait, with whatever is known by then.
func (f *funnel[T]) settle(key string) (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, c := f.clock.Now(), f.copies[key]
	if c != nil && f.fresh(c, now) {
		return c.value, c.err
	}
	return f.stale(key, c, now)
}

func (f *funnel[T]) stale(key string, c *copyOf[T], now time.Time) (value T, err error) {
	if c == nil || !c.known {
		f.opts.Observer.Answered("none")
		return value, ErrUnavailable
	}
	f.opts.Observer.Answered("stale")
	if c.err == nil { // the observer keeps names, and made-up ones are without end
		f.opts.Observer.Stale(key, now.Sub(c.at))
	}
	return c.value, c.err
}

// fly begins the one refresh of a key's edition, or joins it.
func (f *funnel[T]) fly(key string, edition int64) <-chan singleflight.Result {
	return f.group.DoChan(key+" "+strconv.FormatInt(edition, 10), func() (any, error) {
		f.refresh(key, edition)
		return nil, nil
	})
}

func (f *funnel[T]) refresh(key string, edition int64) {
	f.update(key, func(c *copyOf[T]) {
		if c.edition == edition {
			c.started = f.clock.Now()
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), f.opts.Flight)
	defer cancel()
	value, err := f.load(ctx, key)
	f.update(key, func(c *copyOf[T]) { f.land(c, edition, value, err) })
}

// land takes in what a refresh brought, unless one of a later edition was quicker.
func (f *funnel[T]) land(c *copyOf[T], edition int64, value T, err error) {
	failed := err != nil && !definite(err)
	if c.edition == edition {
		c.started = time.Time{}
		if failed {
			c.retryAt = f.clock.Now().Add(f.opts.Backoff)
		}
	}
	if !failed && (!c.known || edition >= c.of) {
		c.value, c.err, c.known, c.of, c.at = value, err, true, edition, f.clock.Now()
	}
}

func (f *funnel[T]) update(key string, change func(*copyOf[T])) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.copies[key]; c != nil {
		change(c)
	}
}

// renew fetches a key now, because something was published. Who asks meanwhile waits for it within the bound.
func (f *funnel[T]) renew(ctx context.Context, key string) {
	f.mu.Lock()
	c := f.copies[key]
	if c == nil {
		c = f.add(key, f.clock.Now())
	}
	f.edition++
	edition := f.edition
	c.edition, c.started, c.retryAt = edition, time.Time{}, time.Time{}
	f.mu.Unlock()
	select {
	case <-f.fly(key, edition):
	case <-ctx.Done():
	}
}

// sweep forgets keys that are definitely nothing and were not asked for lately, so that made-up ids don't stay in
// the cache.
func (f *funnel[T]) sweep() {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.clock.Now()
	for key, c := range f.copies {
		if c.nothing() && now.Sub(c.at) > 10*f.opts.TTL {
			delete(f.copies, key)
		}
	}
}
