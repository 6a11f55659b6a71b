package access

import (
	"hash/maphash"
	"sync"
	"time"
)

// Limit is a token bucket for each of many keys: Rate a second on the long run, Burst at once.
type Limit struct {
	Rate  float64 // a second; 0: no limit
	Burst int
}

// limiter keeps the buckets by the generic cell rate algorithm: one time a key, the moment at which its bucket
// will be full again. Source: ITU-T I.371, annex A. A bucket that is full needs no memory, so what is kept is
// bounded by who was here within Burst/Rate seconds.
type limiter struct {
	interval time.Duration // between two requests at the full rate
	burst    int64         // how many intervals ahead of that a burst may be
	seed     maphash.Seed
	shards   [64]limitShard
}

type limitShard struct {
	mu      sync.Mutex
	fullAt  map[string]int64 // ns
	sweepAt int              // size at which full buckets are dropped
}

const minSweep = 1024

// newLimiter makes a limiter, or nil where there is no limit.
func newLimiter(l Limit) *limiter {
	if l.Rate <= 0 {
		return nil
	}
	interval := time.Duration(float64(time.Second) / l.Rate)
	k := &limiter{interval: interval, burst: int64(max(l.Burst, 1)), seed: maphash.MakeSeed()}
	for i := range k.shards {
		k.shards[i] = limitShard{fullAt: map[string]int64{}, sweepAt: minSweep}
	}
	return k
}

// allow takes one token from the key's bucket if there is one.
func (k *limiter) allow(key string, now time.Time) bool { return k.allowTo(100, key, now) }

// allowTo leaves the rest of the bucket, in percent, to whoever matters more.
func (k *limiter) allowTo(share int64, key string, now time.Time) bool {
	if k == nil {
		return true
	}
	s := &k.shards[maphash.String(k.seed, key)%uint64(len(k.shards))]
	t := now.UnixNano()
	s.mu.Lock()
	defer s.mu.Unlock()
	next := max(s.fullAt[key], t) + int64(k.interval)
	if next-t > int64(k.interval)*((k.burst*share+99)/100) {
		return false
	}
	s.fullAt[key] = next
	if len(s.fullAt) >= s.sweepAt {
		s.sweep(t)
	}
	return true
}

func (s *limitShard) sweep(now int64) {
	for key, full := range s.fullAt {
		if full <= now {
			delete(s.fullAt, key)
		}
	}
	s.sweepAt = max(minSweep, 2*len(s.fullAt))
}

// markets are the buckets of markets: those with a limit of their own, and the others, each of which has the common one.
type markets struct {
	common *limiter
	own    map[string]*limiter
}

func newMarkets(common Limit, own map[string]Limit) markets {
	m := markets{common: newLimiter(common), own: make(map[string]*limiter, len(own))}
	for market, l := range own {
		m.own[market] = newLimiter(l)
	}
	return m
}

// any tells whether there are limits at all.
func (m markets) any() bool { return m.common != nil || len(m.own) > 0 }

// allow takes one token from the market's bucket if there is one for this class: as with the load, the last of them are
// for ends, and those before for starts.
func (m markets) allow(c class, market string, now time.Time) bool {
	l, ok := m.own[market]
	if !ok {
		l = m.common
	}
	return l.allowTo(share[c], market, now)
}
