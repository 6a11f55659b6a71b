package access

import (
	"bytes"
	"context"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Turnstile stands between the sockets and the handlers. Reading a request's head and saying no costs a third of what
// saying yes does, so a herd that is only refused still takes the whole machine, and each call that was let in waits
// behind thousands of refusals each time it comes back from a store. So while the processor is behind, only so many
// requests at a time get from their socket to the handlers; the others wait in line, where they cost next to nothing.
//
// How far it is behind tells a canary. How many get through in a tick rises by additions and falls by a factor, as the
// load's limit does.
//
// Of those in line ends go before starts before the rest, and among them the newest first: who has just come is still
// there when the answer is, and waits little. Every eighth is the oldest, whatever it wants: it is refused if it waited
// too long, so that everybody is answered in the end, and refusing has its bounded share of the machine.
// (Newest first when overloaded: Ben Maurer, "Fail at Scale", ACM Queue 13(8), 2015.)
type Turnstile struct {
	maxWait time.Duration

	running atomic.Bool  // whether the ticker runs; it does while requests come
	passed  atomic.Int64 // in this tick
	most    atomic.Int64 // that may pass in a tick
	inLine  atomic.Int64

	lately int64 // how many passed in the last tick; the ticker's own

	mu    sync.Mutex
	count int // who left the line so far
	line  [drips + 1]deque
}

const (
	turnTick    = 2 * time.Millisecond
	turnLate    = 20 * time.Millisecond // how far behind the processor may be before fewer get through
	turnIdle    = 50                    // ticks without a request after which the ticker stops
	oldestEvery = 8
	fewBytes    = 16 // no phone sends so little at once

	drips     = classes // of those who do, behind all who don't
	anyNumber = 1 << 40
)

// NewTurnstile makes a turnstile; who waited longer than maxWait is refused.
func NewTurnstile(maxWait time.Duration) *Turnstile {
	t := &Turnstile{maxWait: maxWait}
	t.most.Store(anyNumber)
	return t
}

// Waiting is how many connections stand in line now.
func (t *Turnstile) Waiting() int64 { return t.inLine.Load() }

// Listener gives l's connections a place in line.
func (t *Turnstile) Listener(l net.Listener) net.Listener { return &turnListener{l, t} }

// ConnContext tells the handlers how long a connection waited; it is for http.Server.ConnContext.
func (t *Turnstile) ConnContext(ctx context.Context, c net.Conn) context.Context {
	if tls, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = tls.NetConn()
	}
	if c, ok := c.(*turnConn); ok {
		return context.WithValue(ctx, turnKey{}, c)
	}
	return ctx
}

type turnKey struct{}

// waitedTooLong tells whether the request's connection stood in line for longer than it should be served after.
func waitedTooLong(ctx context.Context) bool {
	c, ok := ctx.Value(turnKey{}).(*turnConn)
	return ok && time.Duration(c.waited.Load()) > c.t.maxWait
}

type turnListener struct {
	net.Listener
	t *Turnstile
}

// Accept implements net.Listener.
func (l *turnListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &turnConn{Conn: conn, t: l.t, ready: make(chan struct{}, 1)}, nil
}

// turnConn is a connection that waits for its turn when it has something to say.
type turnConn struct {
	net.Conn
	t      *Turnstile
	ready  chan struct{}
	since  time.Time    // when it joined the line
	waited atomic.Int64 // the last time, ns
}

// Read implements net.Conn.
func (c *turnConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && len(b) > 1 { // one byte is net/http watching whether the client is still there
		c.t.enter(c, b[:n])
	}
	return n, err
}

// enter returns when it is the connection's turn. The line moves with every tick, so its length, the number of
// connections, bounds the wait.
func (t *Turnstile) enter(c *turnConn, read []byte) {
	if !t.running.Load() && t.running.CompareAndSwap(false, true) {
		go t.run()
	}
	if t.inLine.Load() == 0 && t.passed.Add(1) <= t.most.Load() {
		c.waited.Store(0)
		return
	}
	c.since = time.Now()
	t.mu.Lock()
	t.line[classOf(read)].push(c)
	t.inLine.Add(1)
	t.mu.Unlock()
	<-c.ready
	c.waited.Store(int64(time.Since(c.since)))
}

// run lets the line move until nobody comes any more.
func (t *Turnstile) run() {
	tick := time.NewTicker(turnTick)
	defer tick.Stop()
	canary := newCanary()
	defer canary.close()
	for idle := 0; idle < turnIdle; idle++ {
		<-tick.C
		if behind, known := canary.look(time.Now()); known {
			t.adapt(behind)
		}
		if t.move() {
			idle = 0
		}
	}
	t.running.Store(false)
	if t.inLine.Load() > 0 && t.running.CompareAndSwap(false, true) { // who came in between found it running
		go t.run()
	}
}

// adapt sets how many may pass in a tick by how far the processor was behind.
func (t *Turnstile) adapt(behind time.Duration) {
	most := t.most.Load()
	switch {
	case behind > turnLate:
		most = max(1, min(most, t.lately)*7/8)
	case t.inLine.Load() > 0:
		most += max(1, most/16)
	case most < anyNumber:
		most += most // nobody waits: the machine has caught up
	}
	t.most.Store(most)
}

// move begins a tick, and tells whether anybody came in the last one.
func (t *Turnstile) move() bool {
	most, waiting := t.most.Load(), t.inLine.Load()
	t.lately = min(t.passed.Swap(0), most)
	for range min(most, waiting) {
		t.mu.Lock()
		c := t.next()
		t.mu.Unlock()
		t.inLine.Add(-1)
		t.passed.Add(1)
		c.ready <- struct{}{}
	}
	return t.lately > 0 || waiting > 0
}

// canary is a pipe to ourselves. What comes through it has waited as long as an answer of a store does: behind all
// sockets that the runtime has been told of before, and then for a processor.
type canary struct {
	r, w *os.File
	sent atomic.Int64 // ns; 0: it has come back
	took atomic.Int64 // ns
	told bool         // whether the one under way was told of already
}

func newCanary() *canary {
	r, w, err := os.Pipe()
	if err != nil {
		return &canary{} // no file is left for it: there is no line then
	}
	c := &canary{r: r, w: w}
	go func() {
		defer func() { _ = r.Close() }()
		for b := make([]byte, 1); ; {
			if _, err := r.Read(b); err != nil {
				return
			}
			c.took.Store(time.Now().UnixNano() - c.sent.Swap(0))
		}
	}()
	return c
}

// look tells how long a canary took if one came back since the last look, or is overdue, each once; then it sends the
// next. So what is done about a delay shows before the next is known.
func (c *canary) look(now time.Time) (took time.Duration, known bool) {
	if sent := c.sent.Load(); sent != 0 {
		under := time.Duration(now.UnixNano() - sent)
		known = under > turnLate && !c.told
		c.told = c.told || known
		return under, known
	}
	took, known = time.Duration(c.took.Load()), !c.told && c.w != nil
	c.told = false
	if c.w != nil {
		c.sent.Store(now.UnixNano())
		_, _ = c.w.Write([]byte{1}) // one byte always fits
	}
	return took, known
}

func (c *canary) close() {
	if c.w != nil {
		_ = c.w.Close()
	}
}

// next takes who has the next turn out of the line, in which somebody is.
func (t *Turnstile) next() *turnConn {
	if t.count++; t.count%oldestEvery == 0 {
		return t.oldest()
	}
	for k := range t.line {
		if c := t.line[k].newest(); c != nil {
			return c
		}
	}
	return nil
}

func (t *Turnstile) oldest() *turnConn {
	var first *deque
	for k := range t.line {
		if q := &t.line[k]; q.len() > 0 && (first == nil || q.front().since.Before(first.front().since)) {
			first = q
		}
	}
	return first.oldest()
}

// classOf guesses from the first bytes what is asked for. It decides who goes first and nothing else. What is no
// beginning of a request is the rest of one that had its turn, or TLS: it goes first, or all are alike.
func classOf(head []byte) class {
	if len(head) < fewBytes {
		return drips
	}
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	line = bytes.TrimSuffix(line, []byte(" HTTP/1.1"))
	switch {
	case bytes.HasPrefix(line, []byte("PUT ")):
		return starts
	case bytes.HasPrefix(line, []byte("GET ")) && !bytes.HasSuffix(line, []byte("/me")):
		return reads
	case bytes.HasPrefix(line, []byte("GET ")), bytes.HasPrefix(line, []byte("POST ")) && !bytes.HasSuffix(line, []byte("/end")):
		return starts
	}
	return ends
}

// deque is a ring of connections.
type deque struct {
	ring []*turnConn // its length is a power of two
	head int         // of the oldest
	n    int
}

func (q *deque) len() int { return q.n }

func (q *deque) front() *turnConn { return q.ring[q.head] }

func (q *deque) push(c *turnConn) {
	if q.n == len(q.ring) {
		bigger := make([]*turnConn, max(64, 2*q.n))
		for i := range q.n {
			bigger[i] = q.ring[(q.head+i)%len(q.ring)]
		}
		q.ring, q.head = bigger, 0
	}
	q.ring[(q.head+q.n)%len(q.ring)] = c
	q.n++
}

func (q *deque) newest() *turnConn {
	if q.n == 0 {
		return nil
	}
	q.n--
	return q.take((q.head + q.n) % len(q.ring))
}

func (q *deque) oldest() *turnConn {
	i := q.head
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	return q.take(i)
}

func (q *deque) take(i int) *turnConn {
	c := q.ring[i]
	q.ring[i] = nil
	return c
}
