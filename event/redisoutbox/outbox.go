// Package redisoutbox reads the outboxes that the scripts of a run write.
package redisoutbox

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/redisdb"
)

//go:embed trim.lua
var trimSource string

var trim = redis.NewScript(trimSource)

// ErrUnsafe says that entries are not yet on enough replicas to be sent on.
var ErrUnsafe = errors.New("outbox: not yet on enough replicas")

// Options says how safe an entry must be before it is read.
type Options struct {
	Replicas    int           // that must have an entry; 0: none
	WaitTimeout time.Duration // for them; default 200 ms
}

// Outbox reads and trims outboxes.
type Outbox struct {
	db   *redisdb.DB
	keys *redisdb.KeyCache
	opts Options
}

// New makes an Outbox.
func New(db *redisdb.DB, keys *redisdb.KeyCache, opts Options) *Outbox {
	if opts.WaitTimeout == 0 {
		opts.WaitTimeout = 200 * time.Millisecond
	}
	return &Outbox{db: db, keys: keys, opts: opts}
}

// Lease implements event.Outbox.
func (o *Outbox) Lease(ctx context.Context, run event.Run, shard int, owner string, ttl time.Duration) (bool, error) {
	return o.db.Lease(ctx, o.keys.Of(run).Lease(shard), owner, ttl)
}

// touch writes even where memory is full, since it begins with what frees some: outboxes must drain just then.
const touch = "redis.call('DEL', KEYS[1]) redis.call('SET', KEYS[1], '', 'PX', ARGV[1]) return 1"

// Read implements event.Outbox. Where replicas must have the entries, a write to the outbox's slot follows the
// read on the same connection, so that the WAIT behind it covers all that was read.
func (o *Outbox) Read(ctx context.Context, run event.Run, shard int, max int) ([]event.Entry, error) {
	keys := o.keys.Of(run)
	// The node's own client: a cluster's client sends a WAIT, which names no key, to any node it likes.
	node, err := o.db.Node(ctx, keys.Out(shard))
	if err != nil {
		return nil, err
	}
	pipe := node.Pipeline()
	read := pipe.XRangeN(ctx, keys.Out(shard), "-", "+", int64(max))
	var wait *redis.Cmd
	if o.opts.Replicas > 0 {
		pipe.Eval(ctx, touch, []string{keys.Touch(shard)}, time.Minute.Milliseconds())
		wait = pipe.Do(ctx, "wait", o.opts.Replicas, o.opts.WaitTimeout.Milliseconds())
	}
	if _, err := pipe.Exec(ctx); err != nil {
		o.db.Reload(ctx) // the slot may have moved
		return nil, err
	}
	if wait != nil {
		if n, err := wait.Int(); err != nil || n < o.opts.Replicas {
			return nil, errors.Join(ErrUnsafe, err)
		}
	}
	entries := make([]event.Entry, len(read.Val()))
	for i, m := range read.Val() {
		var err error
		if entries[i], err = decode(run.Source(shard), m); err != nil {
			return nil, fmt.Errorf("outbox %s entry %s: %w", run.Source(shard), m.ID, err)
		}
	}
	return entries, nil
}

// Trim implements event.Outbox.
func (o *Outbox) Trim(ctx context.Context, run event.Run, shard int, through event.Position, mark event.Mark) error {
	keys := o.keys.Of(run)
	names := []string{keys.Out(shard), keys.Pool(shard)}
	return trim.Run(ctx, o.db.Client(), names, through.Next().String(), mark.Epoch, mark.Seq, mark.Offset).Err()
}

// Waiting gives up to max entries from a position on, for whoever checks what was written, without waiting for replicas.
// One that can't be read has its position alone, and no kind.
func (o *Outbox) Waiting(ctx context.Context, run event.Run, shard int, from event.Position, max int) ([]event.Entry, error) {
	list, err := o.db.Client().XRangeN(ctx, o.keys.Of(run).Out(shard), from.String(), "+", int64(max)).Result()
	if err != nil {
		return nil, fmt.Errorf("outbox of %s: %w", run.Source(shard), err)
	}
	entries := make([]event.Entry, len(list))
	for i, m := range list {
		if entries[i], err = decode(run.Source(shard), m); err != nil {
			entries[i].Kind = ""
		}
	}
	return entries, nil
}
