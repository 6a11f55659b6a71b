package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"golang.org/x/sync/semaphore"
)

// producer gathers records in one lane per partition and carries them in flights: one request to a broker
// at a time, with a batch of every lane that the broker leads. While a flight is out the next one gathers,
// so a request carries more as load rises, and a lone record waits for nobody.
type producer struct {
	client sarama.Client
	opts   Options
	room   *semaphore.Weighted // bytes that may still be put

	life context.Context // ends with stop
	end  context.CancelFunc
	wake chan struct{}
	work sync.WaitGroup

	mu         sync.Mutex
	batchBytes int // maxBatchBytes, or less where a test wants many batches

	lanes    map[place]*lane
	busy     map[int32]bool // brokers that a flight is out to
	waiting  int            // records put and not yet settled
	draining chan struct{}  // closed when nothing waits any more; nil while the producer takes records
}

func newProducer(client sarama.Client, opts Options) *producer {
	p := &producer{
		client:     client,
		opts:       opts,
		room:       semaphore.NewWeighted(opts.MaxBuffered),
		wake:       make(chan struct{}, 1),
		batchBytes: maxBatchBytes,
		lanes:      map[place]*lane{},
		busy:       map[int32]bool{},
	}
	p.life, p.end = context.WithCancel(context.Background())
	p.work.Go(p.run)
	return p
}

// run starts flights whenever something changed.
func (p *producer) run() {
	for {
		select {
		case <-p.wake:
			p.launch()
		case <-p.life.Done():
			return
		}
	}
}

func (p *producer) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}

// put hands records over. It waits while too many bytes are on their way.
func (p *producer) put(ctx context.Context, records []record, bytes int64) error {
	if bytes > p.opts.MaxBuffered {
		return fmt.Errorf("%d bytes at once are more than may ever wait (%d)", bytes, p.opts.MaxBuffered)
	}
	if err := p.room.Acquire(ctx, bytes); err != nil {
		return fmt.Errorf("too much is waiting to be written: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.draining != nil {
		p.room.Release(bytes)
		return ErrClosed
	}
	for _, r := range records {
		l := p.lanes[r.place]
		if l == nil {
			l = &lane{place: r.place, id: noIdentity}
			p.lanes[r.place] = l
		}
		l.queue = append(l.queue, r)
	}
	p.waiting += len(records)
	p.wakeUp()
	return nil
}

// giveUp ends a call whose caller waits no longer. Its records that are not in a flight yet will not fly.
func (p *producer) giveUp(c *call, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !c.over() {
		c.err = err
		close(c.done)
	}
}

// unknown is the offset of a record that is not in the log, or nobody can tell where.
const unknown = -1

// settle is the end of a record's way.
func (p *producer) settle(r record, offset int64, err error) {
	p.room.Release(int64(r.size))
	p.waiting--
	if p.waiting == 0 && p.draining != nil {
		close(p.draining)
	}
	if r.call.over() {
		return
	}
	r.call.left--
	r.call.offsets[r.index] = offset
	r.call.err = err
	if r.call.over() {
		close(r.call.done)
	}
}

// flush takes no more records and waits until all are settled.
func (p *producer) flush() error {
	p.mu.Lock()
	p.draining = make(chan struct{})
	if p.waiting == 0 {
		close(p.draining)
	}
	drained := p.draining
	p.mu.Unlock()
	p.wakeUp()
	select {
	case <-drained:
		return nil
	case <-time.After(p.opts.CloseTimeout):
		return errors.New("kafka: closed with messages unwritten")
	}
}

// stop fails what still waits.
func (p *producer) stop() {
	p.end()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lanes {
		l.abandon(p, ErrClosed)
	}
}
