package access

import (
	"sync/atomic"
	"time"
)

// class says how much a request matters when not all can be served: an end carries a promise, a start can be made again
// in a moment, and a read can wait.
type class int

const (
	ends class = iota
	starts
	reads
	classes
)

// share is the part of the limit, in percent, up to which each class is let in: as load rises reads are turned away
// first, then starts, and ends at the limit itself.
var share = [classes]int64{ends: 100, starts: 80, reads: 60}

// load turns requests away at once when more are under way than can be served in good time: a quick no is better for
// everybody than a slow yes. How many that is depends on machine, stores and what is asked for, so it is found by
// additive increase and multiplicative decrease (Chiu and Jain 1989): while requests take longer on average than the
// target, the limit falls; while they don't and the limit is in the way, it rises. What is served now was let in when the
// limit was higher, so it would fall too far, were it not for Little's law: so many requests a second that are to take
// so long each are so many under way, and below that it does not fall.
//
// It never falls below min: calls for Redis fly in batches, so where a flight is slow by itself (a replica that lags) fewer
// requests are no faster, and the limit would fall for nothing.
type load struct {
	min    int64
	max    int64
	target time.Duration
	watch  func(limit int64)

	limit    atomic.Int64
	underWay atomic.Int64
	rate     atomic.Int64 // served a second, over about the last second

	// Since the last look at them:
	looked  atomic.Int64 // when that was, ns
	served  atomic.Int64
	took    atomic.Int64 // in all, ns
	refused atomic.Bool
}

const (
	lookEvery = 100 * time.Millisecond
	minServed = 8 // fewer say nothing of a window
)

// newLoad starts at the most, or at what a quick machine serves in a fifth of a second.
func newLoad(lowest, highest int, target time.Duration, watch func(int64)) *load {
	l := &load{min: int64(lowest), max: int64(highest), target: target, watch: watch}
	l.limit.Store(min(l.max, 4096))
	return l
}

// admit lets a request in, or not. Whoever is let in calls leave.
func (l *load) admit(c class, now time.Time) bool {
	limit := l.limit.Load()
	if l.underWay.Add(1) > max(1, limit*share[c]/100) {
		l.underWay.Add(-1)
		l.refused.Store(true)
		l.look(now)
		return false
	}
	return true
}

// leave ends a request that was let in at began.
func (l *load) leave(began, now time.Time) {
	l.underWay.Add(-1)
	l.took.Add(int64(now.Sub(began)))
	l.served.Add(1)
	l.look(now)
}

// look adapts the limit, once a window, in whatever request comes first after it.
func (l *load) look(now time.Time) {
	last := l.looked.Load()
	if now.UnixNano()-last < int64(lookEvery) || !l.looked.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	served, took, refused := l.served.Swap(0), l.took.Swap(0), l.refused.Swap(false)
	limit, rate := l.limit.Load(), l.rate.Load()
	rate += (served*int64(time.Second)/(now.UnixNano()-last) - rate) / 8
	l.rate.Store(rate)
	switch {
	case served < minServed:
		return
	case took/served > int64(l.target):
		limit = min(limit, max(limit*85/100, l.min, rate*int64(l.target)/int64(time.Second)))
	case refused:
		limit = min(l.max, limit+max(8, limit/16))
	}
	l.limit.Store(limit)
	l.watch(limit)
}
