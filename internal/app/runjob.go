package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shake-live/shake/admin"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/inventory"
)

// runJob is a worker's work for one run, from its publishing until it is settled: one relay for each pool, and,
// while it holds the run's lease, the keeper.
type runJob struct {
	*worker
	campaign atomic.Pointer[game.Campaign]
	life     inventory.Run
	keeper   *inventory.Keeper
	log      *slog.Logger
	failures int // of the keeper, in a row
}

// keeperLease is how long a keeper may be silent before another worker takes over; keeperSlow is how often the
// things are done that need no haste.
const (
	keeperLease = 3 * time.Second
	keeperSlow  = time.Second
)

func newRunJob(w *worker, c *game.Campaign) *runJob {
	j := &runJob{
		worker: w, life: c.Life(), keeper: inventory.NewKeeper(w.pools, c.Life(), w.owner+"/keep"),
		log: w.log.With("campaign", c.ID, "run", c.Run),
	}
	j.campaign.Store(c)
	w.metrics.Works(c.ID)
	return j
}

// run works until the run is settled or ctx ends. Before it returns, what is in the outboxes has been relayed,
// or drainLimit has passed.
func (j *runJob) run(ctx context.Context) {
	relaying, stopRelays := context.WithCancel(ctx)
	defer stopRelays()
	var relays sync.WaitGroup
	for _, shard := range j.life.Pools() {
		relays.Go(func() { j.relay.Run(relaying, j.life, shard) })
	}
	j.keepOn(ctx)
	stopRelays()
	relays.Wait()
	if ctx.Err() != nil {
		j.drainOutboxes()
	}
}

// drainLimit bounds the last relaying at the end of a process.
const drainLimit = 3 * time.Second

// drainOutboxes carries what waits into the log, so that a store that keeps nothing can be rebuilt from it.
func (j *runJob) drainOutboxes() {
	ctx, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	for _, shard := range j.life.Pools() {
		if err := j.relay.Drain(ctx, j.life, shard); err != nil {
			j.log.Warn("outbox is left as it is; the next worker goes on", "shard", shard, "err", err)
		}
	}
}

// keepOn looks after the pool, many times a second, until the run is settled or ctx ends.
func (j *runJob) keepOn(ctx context.Context) {
	defer j.metrics.NotKept(j.life.Campaign)
	tick := time.NewTicker(time.Duration(j.cfg.Worker.Look))
	defer tick.Stop()
	var slow time.Time
	for {
		now := j.clock.Now()
		mine, err := j.redis.Lease(ctx, j.keys.Of(j.life).Keeper(), j.owner, keeperLease)
		if err == nil && mine {
			haste := now.Sub(slow) < keeperSlow
			if !haste {
				slow = now
			}
			var done bool
			if done, err = j.keep(ctx, now, !haste); done {
				return
			}
		} else if err == nil {
			j.metrics.NotKept(j.life.Campaign) // who keeps it tells
		}
		j.note(ctx, err, slow.Equal(now))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// note logs the first failure of a row; the metric has them all. A row ends with a look that did everything.
func (j *runJob) note(ctx context.Context, err error, everything bool) {
	if err == nil || ctx.Err() != nil {
		if everything {
			j.failures = 0
		}
		return
	}
	j.failures++
	j.metrics.KeepFailed(j.life.Campaign)
	if j.failures == 1 {
		j.log.Warn("keeper could not do all it wanted and tries again", "err", err)
	}
}

// liveBoardKept is how long a live board stays beside the final one, for whoever wants to compare them.
const liveBoardKept = 7 * 24 * time.Hour

// keep does one look: open what is closed, mend, feed, tell the level; and slowly: fund, build boards, settle.
func (j *runJob) keep(ctx context.Context, now time.Time, slow bool) (done bool, err error) {
	report, err := j.keeper.Keep(ctx, now)
	if len(report.Slices) > 0 {
		j.metrics.Kept(report)
		err = errors.Join(err, j.levels.Publish(ctx, report.Level))
	}
	if report.Closed > 0 {
		opened, openErr := j.opener.Open(ctx, j.life, j.campaign.Load().Since)
		j.metrics.PoolsOpened(j.life.Campaign, len(opened.Pools))
		if len(opened.Pools) > 0 {
			j.log.Info("opened pools", "pools", len(opened.Pools), "entries_applied", opened.Applied)
		}
		err = errors.Join(err, openErr)
	}
	if err != nil || !slow {
		return false, err
	}
	return j.keepSlowly(ctx, report.Slices[0].At)
}

// keepSlowly is told the time by the bank's server, as rounds are.
func (j *runJob) keepSlowly(ctx context.Context, now time.Time) (done bool, err error) {
	if err := j.office.Fund(ctx, j.life); err != nil {
		return false, err
	}
	if err := j.rebuildBoard(ctx); err != nil {
		return false, err
	}
	c := j.campaign.Load()
	if now.Before(c.OverAt()) {
		return false, nil
	}
	// The job's copy may be a second old; settling goes by what is stored.
	if c, err = j.campaigns.Campaign(ctx, c.ID); err != nil {
		return false, err
	}
	if c.Run != j.life.Number || c.SettledAt != nil {
		return true, nil
	}
	err = j.office.Settle(ctx, c, j.books())
	if errors.Is(err, admin.ErrNotYet) {
		j.log.Debug("not settled yet", "why", err)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := j.board.Expire(ctx, j.life, liveBoardKept); err != nil {
		j.log.Warn("live board stays for good", "err", err) // the final one answers from here on
	}
	if j.cfg.Reconcile.Settled {
		j.wg.Go(func() { j.audits.check(ctx, c, checkRounds) })
	}
	if j.settled != nil {
		j.settled(ctx, c)
	}
	return true, nil
}
