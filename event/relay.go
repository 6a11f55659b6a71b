package event

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/shake-live/shake/internal/failpoint"
)

// Outbox is the relay's side of the entries that wait in a pool's store.
type Outbox interface {
	// Lease tells whether owner may relay this pool for the next ttl. It only saves double work: two relays at
	// one outbox send entries twice, and every reader takes them once.
	Lease(ctx context.Context, run Run, shard int, owner string, ttl time.Duration) (bool, error)
	// Read gives the oldest entries that wait, at most max of them, once enough replicas have them too.
	Read(ctx context.Context, run Run, shard int, max int) ([]Entry, error)
	// Trim forgets the entries up to and including through: the log has them. Unless it is zero, the mark is kept
	// beside the pool, where it is older than no copy of the pool, if all of this holds at that moment: the pool is
	// open on the server that answers, in the mark's epoch, and the entry that waits longest is the one that comes
	// right after the mark.
	Trim(ctx context.Context, run Run, shard int, through Position, mark Mark) error
}

// Mark is a place in a source's log: whoever has counted everything up to and including Position and reads on from
// Offset judges as if it had read from the beginning. Reopening a pool begins there. The zero Mark says nothing.
type Mark struct {
	Position
	Offset int64 // in the source's partition
}

// Cursor is where a reader stands that begins at the mark.
func (m Mark) Cursor() Cursor { return Cursor{Position: m.Position, Fence: m.Epoch} }

// RelayOptions bounds the relay. The zero value of a field means its default.
type RelayOptions struct {
	Owner    string        // a name nobody else uses
	Topic    string        // where entries go
	MaxBatch int           // entries at once, the same in all relays of a namespace (see once); default 256
	Lease    time.Duration // default 5 s
	Idle     time.Duration // pause after an empty read at most; default 50 ms. It adds to what a player waits for a notice
	Retry    time.Duration // pause after an error at most; default 2 s
	Observer RelayObserver // default nobody
	Log      *slog.Logger  // default slog.Default
}

// RelayObserver hears of the relay's work, for metrics.
type RelayObserver interface {
	Relayed(source Source, entries, rounds int, oldest time.Time)
	RelayFailed(source Source, err error)
}

// Relay carries entries from outboxes to the log. It needs no checkpoint of its own: what still waits is
// unacknowledged. The mark that it leaves beside a pool is for reopening that.
type Relay struct {
	outbox Outbox
	log    Producer
	opts   RelayOptions
}

// NewRelay makes a relay.
func NewRelay(outbox Outbox, log Producer, opts RelayOptions) *Relay {
	if opts.MaxBatch == 0 {
		opts.MaxBatch = 256
	}
	if opts.Lease == 0 {
		opts.Lease = 5 * time.Second
	}
	if opts.Idle == 0 {
		opts.Idle = 50 * time.Millisecond
	}
	if opts.Retry == 0 {
		opts.Retry = 2 * time.Second
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	return &Relay{outbox: outbox, log: log, opts: opts}
}

// Drain relays all that waits in one outbox, whoever has its lease.
func (r *Relay) Drain(ctx context.Context, run Run, shard int) error {
	return r.Carry(ctx, run, shard, func([]Entry) (bool, error) { return true, nil })
}

// Carry relays batch by batch, whoever has the lease, until nothing waits any more. carried hears of each batch that the
// log has and the outbox has no more; it may take its time, and tells whether to go on.
func (r *Relay) Carry(ctx context.Context, run Run, shard int, carried func(batch []Entry) (more bool, err error)) error {
	var last Mark
	for {
		batch, err := r.once(ctx, run, shard, &last)
		if err != nil || len(batch) == 0 {
			return err
		}
		if more, err := carried(batch); err != nil || !more {
			return err
		}
	}
}

// Run relays one outbox until ctx ends, while it has the lease.
func (r *Relay) Run(ctx context.Context, run Run, shard int) {
	const busy = 2 * time.Millisecond
	pause, failures := busy, 0
	var last Mark
	for ctx.Err() == nil {
		n, err := r.leased(ctx, run, shard, &last)
		switch {
		case err != nil && ctx.Err() == nil:
			failures++
			pause = min(r.opts.Retry, busy<<min(failures, 16))
			r.failed(run.Source(shard), failures, err)
		case n > 0:
			pause, failures = busy, 0
		default:
			pause, failures = min(2*pause, r.opts.Idle), 0
		}
		if n < r.opts.MaxBatch {
			sleep(ctx, pause)
		}
	}
}

// failed logs the first of a row of failures; the metric has them all.
func (r *Relay) failed(source Source, row int, err error) {
	if r.opts.Observer != nil {
		r.opts.Observer.RelayFailed(source, err)
	}
	if row == 1 {
		r.opts.Log.Warn("relay stands still and keeps trying", "source", source.String(), "err", err)
	}
}

func (r *Relay) leased(ctx context.Context, run Run, shard int, last *Mark) (int, error) {
	mine, err := r.outbox.Lease(ctx, run, shard, r.opts.Owner, r.opts.Lease)
	if err != nil || !mine {
		return 0, err
	}
	batch, err := r.once(ctx, run, shard, last)
	return len(batch), err
}

// once reads, sends and, when the log has them all, trims. With that it marks where the batch before ended: last
// is the place p of that batch's last entry, known since the log acknowledged it. Why p, one batch late, is a
// true Mark (that is, all that counts behind it stands behind its offset, in order, and it counts itself):
//
//   - The Trim that keeps it finds the entry that follows p still waiting. So this relay has read it, after the
//     acknowledgement, and has sent its batch behind p's offset, whatever others did. Another relay may have sent the
//     same entries, before p's offset even, or p once more; but entries beyond that batch are read only when somebody
//     has trimmed it, so they come later. (For this all batches are equally long.)
//   - Producers that send again in silence change nothing: the offset is that of one of p's copies.
//   - No fence above p's epoch stands before the offset, which would make p void. Openers drain the outbox before
//     they fence, and entries were waiting in it, on enough replicas: so none of those had been given the pool. A
//     server that came back with an old outbox is another one, and the pool is not open there.
func (r *Relay) once(ctx context.Context, run Run, shard int, last *Mark) ([]Entry, error) {
	entries, err := r.outbox.Read(ctx, run, shard, r.opts.MaxBatch)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	messages := make([]Message, len(entries))
	rounds := 0
	for i, e := range entries {
		if messages[i], err = e.Message(r.opts.Topic); err != nil {
			return nil, err
		}
		rounds += len(e.Rounds)
	}
	failpoint.Hit("relay.read")
	if err := r.log.Produce(ctx, messages...); err != nil {
		return nil, fmt.Errorf("relay %s: %w", run.Source(shard), err)
	}
	failpoint.Hit("relay.produced")
	end, mark := len(entries)-1, *last
	*last = Mark{}
	if offset := messages[end].Offset; offset >= 0 {
		*last = Mark{Position: entries[end].Position, Offset: offset}
	}
	if r.opts.Observer != nil {
		r.opts.Observer.Relayed(run.Source(shard), len(entries), rounds, time.UnixMilli(entries[0].At))
	}
	return entries, r.outbox.Trim(ctx, run, shard, entries[end].Position, mark)
}

// Message is the entry as it goes into the log.
func (e Entry) Message(topic string) (Message, error) {
	value, err := e.Encode()
	if err != nil {
		return Message{}, fmt.Errorf("encode %s %s: %w", e.Source, e.Position, err)
	}
	headers := map[string]string{HeaderKind: string(e.Kind), HeaderPosition: e.Position.String()}
	return Message{Topic: topic, Key: e.Source.String(), Headers: headers, Value: value}, nil
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
