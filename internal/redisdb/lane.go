package redisdb

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// lane is the queue of calls for one primary and the flights that empty it.
type lane struct {
	b     *Batcher
	addr  string
	ahead atomic.Int64 // the primary's clock less ours, ns

	mu    sync.Mutex
	queue []*pending
	ended error         // why it takes no more calls
	wake  chan struct{} // one token: the queue is not empty
	gone  chan struct{} // closed when it retires
}

// errRetired says that a lane ended after it was picked: there may be a new one by now.
var errRetired = errors.New("redis: lane has retired")

func newLane(b *Batcher, addr string) *lane {
	return &lane{b: b, addr: addr, wake: make(chan struct{}, 1), gone: make(chan struct{})}
}

func (l *lane) add(calls ...*pending) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.ended != nil:
		return l.ended
	case len(l.queue)+len(calls) > l.b.opts.MaxQueue:
		return ErrOverloaded
	}
	l.queue = append(l.queue, calls...)
	l.rouse()
	return nil
}

func (l *lane) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run flies until the batcher closes or the lane retires.
func (l *lane) run() {
	f := &flight{lane: l, byHead: map[*Head]*batch{}, keys: map[string]struct{}{}}
	defer f.drop()
	for {
		select {
		case <-l.b.ctx.Done():
			l.end()
			return
		case <-l.gone:
			return
		case <-l.wake:
		}
		for l.waited() && l.b.ctx.Err() == nil {
			f.fly()
		}
	}
}

// waited tells whether somebody waits for a flight.
func (l *lane) waited() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) > 0
}

func (l *lane) end() {
	l.mu.Lock()
	left := l.queue
	l.queue, l.ended = nil, ErrClosed
	l.mu.Unlock()
	for _, p := range left {
		p.finish(Reply{}, ErrClosed)
	}
}

// retire ends the lane unless somebody waits in it, and tells whether it did. Flights under way land first.
func (l *lane) retire() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) > 0 || l.ended != nil {
		return false
	}
	l.ended = errRetired
	close(l.gone)
	return true
}

// warm makes a call's first steps ahead of it, over a link of its own: the scripts stay in the server.
func (l *lane) warm(ctx context.Context, scripts []*Script) error {
	link, err := l.b.db.dial(ctx, l.addr)
	if err != nil {
		return err
	}
	defer link.close()
	l.ahead.Store(int64(link.ahead))
	return link.loadScripts(ctx, scripts)
}

// again puts calls that met a passing fault back in line after a pause, for the primary that holds them by then.
// Whoever has waited MaxAge gets ErrBusy: a bounded wait, and the player asks again.
func (l *lane) again(calls []*pending, pause time.Duration) {
	if pause > 0 {
		select {
		case <-time.After(pause):
		case <-l.b.ctx.Done():
		}
	}
	now := time.Now()
	for _, p := range calls {
		p.asking = false
		if p.late(now) {
			p.finish(Reply{}, ErrBusy)
		} else if err := l.b.enqueue(l.b.ctx, p); err != nil {
			p.finish(Reply{}, err)
		}
	}
}
