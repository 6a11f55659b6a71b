package redisdb

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// flight is one round trip to a primary: a script call for each batch, and one WAIT after the last.
type flight struct {
	lane    *lane
	link    *link
	calls   []*pending
	batches []*batch
	byHead  map[*Head]*batch
	keys    map[string]struct{}
	spare   []*batch // of flights before, for their memory

	retry []*pending    // of this flight, to be sent again
	pause time.Duration // before that
}

// batch is the calls of one script call.
type batch struct {
	head  *Head
	calls []*pending
	cmd   *redis.StringSliceCmd
	words []any // of the script call
}

// load takes what waits and fits; what does not fit keeps its place in line. Whoever has waited for MaxAge is
// answered: his client has given up or is about to, and what is sent for nobody holds up those behind.
func (f *flight) load() {
	for _, b := range f.batches {
		clear(b.calls)
		clear(b.words)
		f.spare = append(f.spare, b)
	}
	f.calls, f.batches = f.calls[:0], f.batches[:0]
	clear(f.byHead)
	clear(f.keys)
	l, now := f.lane, time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := l.queue[:0]
	for i, p := range l.queue {
		if len(f.calls) >= l.b.opts.MaxFlight {
			rest = append(rest, l.queue[i:]...)
			break
		}
		switch {
		case p.late(now):
			p.finish(Reply{}, ErrBusy)
		case !f.take(p):
			rest = append(rest, p)
		}
	}
	clear(l.queue[len(rest):])
	l.queue = rest
}

// take puts p into its batch, unless the batch is full or the flight has a call with the same key.
func (f *flight) take(p *pending) bool {
	if _, taken := f.keys[p.Key]; taken {
		return false
	}
	b := f.byHead[p.Head]
	if b == nil {
		b = f.batch(p.Head)
		f.byHead[p.Head] = b
		f.batches = append(f.batches, b)
	} else if len(b.calls) >= f.lane.b.opts.MaxBatch || b.calls[0].asking != p.asking {
		return false
	}
	f.keys[p.Key] = struct{}{}
	b.calls = append(b.calls, p)
	f.calls = append(f.calls, p)
	return true
}

// batch is an empty batch.
func (f *flight) batch(head *Head) *batch {
	n := len(f.spare)
	if n == 0 {
		return &batch{head: head}
	}
	b := f.spare[n-1]
	f.spare = f.spare[:n-1]
	*b = batch{head: head, calls: b.calls[:0], words: b.words[:0]}
	return b
}

// drop throws the link away.
func (f *flight) drop() {
	if f.link != nil {
		_ = f.link.close() // broken or no longer wanted
		f.link = nil
	}
}

// fly takes what waits, sends it and hands out the replies. Before that comes the link: who waits grows older while
// it is dialled.
func (f *flight) fly() {
	opts := f.lane.b.opts
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.lane.b.ctx), opts.MaxAge+opts.WaitTimeout)
	defer cancel()
	err := f.connect(ctx)
	if f.load(); len(f.calls) == 0 {
		return
	}
	if err != nil {
		opts.Observer.Flight(len(f.calls), 0, err)
		f.again(f.calls, "dial", 20*time.Millisecond)
		f.sendAgain(ctx)
		return
	}
	sent := time.Now()
	safe, err := f.send(ctx, f.batches)
	opts.Observer.Flight(len(f.calls), time.Since(sent), err)
	if again := f.reload(ctx); len(again) > 0 {
		var againSafe bool
		againSafe, err = f.send(ctx, again)
		safe = safe && againSafe
	}
	f.land(safe, err)
	f.sendAgain(ctx)
}

func (f *flight) connect(ctx context.Context) (err error) {
	if f.link == nil {
		if f.link, err = f.lane.b.db.dial(ctx, f.lane.addr); err == nil {
			f.lane.ahead.Store(int64(f.link.ahead))
		}
	}
	return err
}

// send makes the round trip. The WAIT is the last command on this connection after writes of this
// connection, which is what servers from 7.2 on ask for. safe tells whether enough replicas answered it.
func (f *flight) send(ctx context.Context, batches []*batch) (safe bool, err error) {
	opts := f.lane.b.opts
	pipe := f.link.client.Pipeline()
	for _, b := range batches {
		if b.calls[0].asking {
			pipe.Do(ctx, "asking")
		}
		b.cmd = redis.NewStringSliceCmd(ctx, b.args(f.link.host)...)
		_ = pipe.Process(ctx, b.cmd) // the error stands in the command after Exec
		opts.Observer.Batch(b.head.Script.Name, len(b.calls))
	}
	if opts.Replicas == 0 {
		_, err = pipe.Exec(ctx)
		return true, err
	}
	wait := pipe.Do(ctx, "wait", opts.Replicas, opts.WaitTimeout.Milliseconds())
	_, err = pipe.Exec(ctx)
	replicas, waitErr := wait.Int()
	if safe = waitErr == nil && replicas >= opts.Replicas; !safe {
		opts.Observer.Short()
	}
	return safe, err
}

// args lays out a script call as Script says.
func (b *batch) args(host string) []any {
	h := b.head
	more := b.calls[0].MoreKeys
	args := slices.Grow(b.words[:0], 5+len(h.Keys)+len(h.Args)+len(b.calls)*(1+len(b.calls[0].Args))+len(more))
	args = append(args, "evalsha", h.Script.sha, len(h.Keys)+len(b.calls)+len(more))
	for _, key := range h.Keys {
		args = append(args, key)
	}
	for _, p := range b.calls {
		args = append(args, p.Key)
	}
	for _, key := range more {
		args = append(args, key)
	}
	args = append(args, host)
	args = append(args, h.Args...)
	for _, p := range b.calls {
		args = append(args, p.Args...)
	}
	b.words = args
	return args
}

// reload loads the scripts that the server did not know and gives their batches, for another try.
func (f *flight) reload(ctx context.Context) (again []*batch) {
	var missing []*Script
	for _, b := range f.batches {
		if redis.HasErrorPrefix(b.cmd.Err(), "NOSCRIPT") {
			missing = append(missing, b.head.Script)
			again = append(again, b)
		}
	}
	if len(again) > 0 && f.link.loadScripts(ctx, missing) != nil {
		return nil
	}
	return again
}

// land hands out the replies of each batch; a broken link is thrown away, whatever it still said.
func (f *flight) land(safe bool, err error) {
	broken := false
	for _, b := range f.batches {
		if b.cmd.Err() == nil {
			f.deliver(b, safe)
		} else if f.fail(b) {
			broken = true
		}
	}
	var answer redis.Error
	if broken || err != nil && !errors.As(err, &answer) {
		f.drop()
	}
}

// deliver gives each call of a batch its result.
func (f *flight) deliver(b *batch, safe bool) {
	reply := b.cmd.Val()
	if len(reply) < 2 || reply[0] == "ok" && len(reply) != 2+len(b.calls) {
		for _, p := range b.calls {
			p.finish(Reply{}, errors.New("redis: "+b.head.Script.Name+" answered out of shape"))
		}
		return
	}
	now := f.clock(reply[1])
	for i, p := range b.calls {
		if reply[0] != "ok" {
			p.finish(Reply{Now: now}, ErrFenced)
			continue
		}
		p.finish(Reply{Result: reply[2+i], Now: now, Safe: safe}, nil)
	}
}

// clock reads the server's time and remembers how far it is ahead of ours.
func (f *flight) clock(ms string) time.Time {
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil {
		return time.Now()
	}
	now := time.UnixMilli(n).UTC()
	f.lane.ahead.Store(int64(time.Until(now)))
	return now
}

// loadScripts puts the scripts into the server's cache.
func (l *link) loadScripts(ctx context.Context, scripts []*Script) error {
	for _, s := range scripts {
		if err := l.client.ScriptLoad(ctx, s.source).Err(); err != nil {
			return err
		}
	}
	return nil
}
