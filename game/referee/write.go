package referee

import (
	"context"
	"time"
)

// write writes judgements until the judging is over. A batch that could not be written is tried again at the next
// tick: a round has one row, so nothing is written twice. While the store is away, judgements wait in their queue, and
// what does not fit there is dropped.
func (r *Referee) write() {
	tick := time.NewTicker(r.opts.Every)
	defer tick.Stop()
	batch, failing := make([]Judgement, 0, r.opts.Batch), false
	for {
		rows := r.rows
		if len(batch) == r.opts.Batch {
			rows = nil // full and not written: what comes waits for the tick
		}
		select {
		case j := <-rows:
			if batch = append(batch, j); failing || len(batch) < r.opts.Batch {
				continue
			}
		case <-tick.C:
		case <-r.judged:
			r.finish(batch)
			return
		}
		if failing = !r.flush(batch, failing); !failing {
			batch = batch[:0]
		}
	}
}

// finish writes what is left, and gives it up at the first failure.
func (r *Referee) finish(batch []Judgement) {
	for written := true; ; batch = batch[:0] {
		for len(batch) < r.opts.Batch && len(r.rows) > 0 {
			batch = append(batch, <-r.rows)
		}
		if len(batch) == 0 {
			return
		}
		if written = written && r.flush(batch, false); !written {
			r.Observer.Unjudged("rows", len(batch))
		}
	}
}

// flush writes a batch and tells whether it is written. Of failures in a row the first is logged.
func (r *Referee) flush(batch []Judgement, failing bool) bool {
	if len(batch) == 0 {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.opts.Timeout)
	defer cancel()
	err := r.Store.Keep(ctx, batch)
	if err != nil && !failing {
		r.Log.Warn("judgements can't be written for now; they wait, and those without room are dropped", "err", err)
	}
	return err == nil
}
