package app

import (
	"context"
	"sync"
	"time"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/reward"
)

// worker is the role behind the doors: it relays, keeps pools, settles, and applies entries. Any number of
// workers share the work by leases and consumer groups.
type worker struct {
	*stack
	settled func(context.Context, *game.Campaign) // what else is to happen when a run is settled
	courier *reward.Courier                       // nil without a push service
	audits  *auditJob

	mu   sync.Mutex
	jobs map[string]*runJob // by campaign and run
	wg   sync.WaitGroup
}

func newWorker(s *stack) (*worker, error) {
	courier, err := s.newCourier()
	if err != nil {
		return nil, err
	}
	return &worker{stack: s, courier: courier, audits: newAuditJob(s), jobs: map[string]*runJob{}}, nil
}

// watchEvery is how often the worker looks for campaigns it does not know yet.
const watchEvery = time.Second

// run works until ctx ends, and returns when everything has come to rest.
func (w *worker) run(ctx context.Context) error {
	readers := w.readers()
	for _, r := range readers {
		w.wg.Go(func() { r.run(ctx) })
	}
	w.wg.Go(func() { w.watchLag(ctx, readers) })
	w.wg.Go(func() { w.watchMemory(ctx) })
	w.wg.Go(func() { w.pushAgain(ctx) })
	if w.cfg.Worker.RetireAfter > 0 {
		w.wg.Go(func() { w.retireOn(ctx) })
	}
	w.wg.Go(func() { w.audits.run(ctx) })
	if w.courier != nil {
		w.wg.Go(func() { w.handOver(ctx) })
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		if err := w.look(ctx); err != nil && ctx.Err() == nil {
			w.log.Warn("worker can't list the campaigns; those it knows go on", "err", err)
		}
		select {
		case <-ctx.Done():
			w.wg.Wait()
			return nil
		case <-tick.C:
		}
	}
}

// look begins a job for each run that is not settled and has none, and refreshes their copies, in case a publisher
// died between database and Redis. What is settled is left to the copies' own expiry.
func (w *worker) look(ctx context.Context) error {
	list, err := w.campaigns.Unsettled(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		if err := w.copies.Put(ctx, c); err != nil {
			return err
		}
		w.begin(ctx, c)
	}
	return nil
}

func (w *worker) begin(ctx context.Context, c *game.Campaign) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := c.Life().Source(0).String()
	if job := w.jobs[id]; job != nil {
		job.campaign.Store(c)
		return
	}
	job := newRunJob(w, c)
	w.jobs[id] = job
	w.wg.Go(func() {
		job.run(ctx)
		w.mu.Lock()
		delete(w.jobs, id)
		w.mu.Unlock()
	})
}
