package redisdb

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Errors of Do. All of them mean that the same call may be sent again.
var (
	ErrOverloaded = errors.New("redis: queue is full")     // nothing was sent
	ErrFenced     = errors.New("redis: shard is not open") // nothing was changed
	ErrBusy       = errors.New("redis: can't do it now")   // no answer in time, or refused: it may or may not have happened
	ErrClosed     = errors.New("redis: batcher is closed") // nothing was sent
)

// BatchOptions bounds the flights. The zero value of a field means its default.
type BatchOptions struct {
	MaxBatch    int           // calls in one script call; default 64: longer scripts hold up their primary for over a millisecond
	MaxFlight   int           // calls in one flight; default 1024
	MaxQueue    int           // calls waiting for one primary; default 16384, about a second's work
	MaxAge      time.Duration // a call that has waited so long is not sent any more and gets ErrBusy; default 1 s
	Flights     int           // flights under way to one primary; default 1: the next one gathers meanwhile
	Replicas    int           // that must have a flight's writes before its replies count as safe; default 0
	WaitTimeout time.Duration // for the replicas; default 200 ms
	Sweep       time.Duration // how often lanes of addresses that are no primary's any more are ended; default 10 s
	Observer    Observer      // told about flights; default nobody
}

// Observer hears of flights, for metrics. Its methods are called from many goroutines.
type Observer interface {
	Flight(calls int, took time.Duration, err error) // one round trip to a primary
	Batch(script string, calls int)                  // one script call
	Retry(reason string)                             // calls went back to the queue
	Refused(reason string)                           // a server takes no writes for now; its calls were answered as busy
	Short()                                          // fewer replicas than wanted had a flight in time
}

func (o BatchOptions) withDefaults() BatchOptions {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&o.MaxBatch, 64)
	def(&o.MaxFlight, 1024)
	def(&o.MaxQueue, 16384)
	def(&o.Flights, 1)
	if o.MaxAge == 0 {
		o.MaxAge = time.Second
	}
	if o.WaitTimeout == 0 {
		o.WaitTimeout = 200 * time.Millisecond
	}
	if o.Sweep == 0 {
		o.Sweep = 10 * time.Second
	}
	if o.Observer == nil {
		o.Observer = deaf{}
	}
	return o
}

type deaf struct{}

func (deaf) Flight(int, time.Duration, error) {}
func (deaf) Batch(string, int)                {}
func (deaf) Retry(string)                     {}
func (deaf) Refused(string)                   {}
func (deaf) Short()                           {}

// Batcher is the group commit: while one flight to a primary is out, the next batch gathers. A quiet night
// waits for nobody, and the cost of a call falls as load rises.
type Batcher struct {
	db   *DB
	opts BatchOptions

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.RWMutex
	lanes  map[string]*lane // by address
	closed bool
}

// NewBatcher starts with no connection; each primary gets its lane with the first call for it.
func NewBatcher(db *DB, opts BatchOptions) *Batcher {
	b := &Batcher{db: db, opts: opts.withDefaults(), lanes: map[string]*lane{}}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	if db.cluster != nil { // a single server's address never changes
		b.wg.Go(b.sweep)
	}
	return b
}

// Do sends the call with the next flight to its primary and waits for the answer: a call waits until ctx's deadline or
// for MaxAge, whatever comes first, to be sent, and then for its flight, which has bounds of its own. It does not wait on
// ctx, whose timer cost a start or an end 4 % of their CPU: a call that is under way can't be taken back anyway.
func (b *Batcher) Do(ctx context.Context, call Call) (Reply, error) {
	if err := ctx.Err(); err != nil {
		return Reply{}, err
	}
	p := &pending{Call: call, until: time.Now().Add(b.opts.MaxAge), done: make(chan struct{})}
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(p.until) {
		p.until = deadline
	}
	if err := b.enqueue(ctx, p); err != nil {
		return Reply{}, err
	}
	<-p.done
	return p.reply, p.err
}

// Now is the clock of the primary that holds key, as far as we know it without asking.
func (b *Batcher) Now(ctx context.Context, key string) time.Time {
	now := time.Now()
	if l, err := b.lane(ctx, key); err == nil {
		now = now.Add(time.Duration(l.ahead.Load()))
	}
	return now
}

// Warm reaches the primaries of these keys and loads the scripts there, so that the first player waits for neither.
func (b *Batcher) Warm(ctx context.Context, keys []string, scripts ...*Script) error {
	warm := map[*lane]bool{}
	for _, key := range keys {
		l, err := b.lane(ctx, key)
		if err == nil && !warm[l] {
			warm[l] = true
			err = l.warm(ctx, scripts)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Close lets flights land, answers what still waits with ErrClosed and ends the connections.
func (b *Batcher) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	b.wg.Wait()
	return nil
}

func (b *Batcher) enqueue(ctx context.Context, p *pending) error {
	addr, err := b.db.primary(ctx, p.Head.Keys[0])
	if err != nil {
		return errors.Join(ErrBusy, err)
	}
	return b.enqueueAt(addr, p)
}

// enqueueAt puts p in line for an address. A lane that retired since it was picked is out of the map by the time
// that it can be asked for again, so this comes to an end.
func (b *Batcher) enqueueAt(addr string, p *pending) error {
	for {
		l, err := b.laneAt(addr)
		if err == nil {
			err = l.add(p)
		}
		if !errors.Is(err, errRetired) {
			return err
		}
	}
}

// lane is the queue of the primary that holds key.
func (b *Batcher) lane(ctx context.Context, key string) (*lane, error) {
	addr, err := b.db.primary(ctx, key)
	if err != nil {
		return nil, errors.Join(ErrBusy, err)
	}
	return b.laneAt(addr)
}

func (b *Batcher) laneAt(addr string) (*lane, error) {
	b.mu.RLock()
	l := b.lanes[addr]
	closed := b.closed
	b.mu.RUnlock()
	if l != nil || closed {
		return l, closedErr(closed)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if l = b.lanes[addr]; l != nil || b.closed {
		return l, closedErr(b.closed)
	}
	l = newLane(b, addr)
	b.lanes[addr] = l
	for range b.opts.Flights {
		b.wg.Go(l.run)
	}
	return l, nil
}

// sweep ends lanes of addresses that are no primary's any more, until the batcher closes: a node that left or was
// failed over would keep its goroutines and connection for ever.
func (b *Batcher) sweep() {
	tick := time.NewTicker(b.opts.Sweep)
	defer tick.Stop()
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(b.ctx, b.opts.Sweep)
		if primaries, err := b.db.primaries(ctx); err == nil {
			b.retireBut(primaries)
		}
		cancel()
	}
}

// retireBut ends all lanes but these. One in which somebody waits has its turn with the next sweep; one that is
// needed after all, as by a slot on its way to a node that has none yet, is made anew.
func (b *Batcher) retireBut(keep map[string]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for addr, l := range b.lanes {
		if !keep[addr] && l.retire() {
			delete(b.lanes, addr)
		}
	}
}

func closedErr(closed bool) error {
	if closed {
		return ErrClosed
	}
	return nil
}

// pending is a call on its way.
type pending struct {
	Call
	until  time.Time // not to be sent later
	asking bool      // send ASKING first: the slot is on its way to this primary

	done  chan struct{}
	reply Reply
	err   error
}

// late tells whether p is too old to be sent.
func (p *pending) late(now time.Time) bool { return now.After(p.until) }

func (p *pending) finish(r Reply, err error) {
	p.reply, p.err = r, err
	close(p.done)
}
