package leaderboard

import (
	"context"
	"errors"
	"fmt"

	"github.com/shake-live/shake/event"
)

// rebuildBatch is how many entries go to the board at once: a script call of a few hundred players stays
// well under a millisecond, and the primary has rounds to serve as well.
const rebuildBatch = 500

// Rebuild applies the run's whole log to its board and marks it built. from is where the run's log begins in
// each partition; a partition that is not in it is read from its oldest message. What nobody can read is asked of instead, which may be nil. The board may be read, and
// fed by the Reader, all the while: what it has already is a repeat.
func Rebuild(ctx context.Context, live Live, log event.Log, topic string, run event.Run, scale Scale, from map[int32]int64, instead event.Instead) error {
	if err := live.Reset(ctx, run); err != nil {
		return fmt.Errorf("rebuild board: %w", err)
	}
	partitions := map[int32]bool{}
	for _, pool := range run.Pools() { // the bank's, too: it settles no round, but whoever asks finds the board complete
		p, err := log.Partition(ctx, topic, run.Source(pool).String())
		if err != nil {
			return fmt.Errorf("rebuild board: %w", err)
		}
		partitions[p] = true
	}
	for p := range partitions {
		end, err := log.End(ctx, topic, p)
		if err != nil {
			return fmt.Errorf("rebuild board: %w", err)
		}
		replay := &replay{live: live, run: run, scale: scale, instead: instead}
		err = log.Scan(ctx, topic, p, from[p], end, func(m event.Message) error { return replay.message(ctx, m) })
		if err == nil {
			err = replay.flush(ctx)
		}
		if err != nil {
			return fmt.Errorf("rebuild board from partition %d: %w", p, err)
		}
	}
	return live.MarkBuilt(ctx, run)
}

// replay reads one partition for one run.
type replay struct {
	live  Live
	run   event.Run
	scale Scale
	batch []event.Entry

	instead event.Instead
}

func (r *replay) message(ctx context.Context, m event.Message) error {
	source, err := event.ParseSource(m.Key)
	if err != nil || runOf(source) != (event.Run{Campaign: r.run.Campaign, Number: r.run.Number}) {
		return nil
	}
	e, err := r.instead.Read(ctx, m)
	if err != nil && !errors.Is(err, event.ErrPoison) {
		return err
	}
	if err != nil {
		return r.dead(ctx, source, m)
	}
	if r.batch = append(r.batch, e); len(r.batch) < rebuildBatch {
		return nil
	}
	return r.flush(ctx)
}

// dead passes over what the reader sent to the dead letters when it came by.
func (r *replay) dead(ctx context.Context, s event.Source, m event.Message) error {
	p, err := event.ParsePosition(m.Headers[event.HeaderPosition])
	if err != nil {
		return nil
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	return r.live.SkipDead(ctx, s, p)
}

func (r *replay) flush(ctx context.Context) error {
	if len(r.batch) == 0 {
		return nil
	}
	_, err := r.live.Apply(ctx, r.run, r.scale, r.batch)
	r.batch = r.batch[:0]
	return err
}
