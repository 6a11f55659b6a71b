package app

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/ops/reconcile"
)

// auditJob checks runs on a schedule, on one worker at a time, and says so when one differs.
type auditJob struct {
	*stack
	mu    sync.Mutex                 // one check at a time in a process: each may take a processor
	last  map[string]time.Time       // by campaign, run and check
	known map[string]map[string]bool // findings that were told already
}

// Names of checks, as metrics have them.
const (
	checkCounters = "counters"
	checkRounds   = "rounds"
)

const (
	auditEvery = time.Second
	// auditLease is how long a worker that checks may be silent before another one takes over.
	auditLease = 10 * time.Second
	// toldFindings bounds the error lines of one check; the metric counts all.
	toldFindings = 10
)

func newAuditJob(s *stack) *auditJob {
	return &auditJob{stack: s, last: map[string]time.Time{}, known: map[string]map[string]bool{}}
}

// run checks what is due until ctx ends.
func (j *auditJob) run(ctx context.Context) {
	if j.cfg.Reconcile.Counters == 0 && j.cfg.Reconcile.Rounds == 0 {
		return
	}
	for ctx.Err() == nil {
		if j.lease(ctx) {
			holding, release := context.WithCancel(ctx)
			var wg sync.WaitGroup
			wg.Go(func() {
				for pause(holding, auditLease/3); holding.Err() == nil; pause(holding, auditLease/3) {
					j.lease(holding)
				}
			})
			j.look(ctx)
			release()
			wg.Wait()
		}
		pause(ctx, auditEvery)
	}
}

func (j *auditJob) lease(ctx context.Context) bool {
	mine, err := j.redis.Lease(ctx, j.cfg.Namespace+":reconcile", j.owner, auditLease)
	return err == nil && mine // without Redis there is nothing to check
}

// look checks every run whose time has come.
func (j *auditJob) look(ctx context.Context) {
	list, err := j.campaigns.Unsettled(ctx)
	if err != nil {
		return // the worker tells of that
	}
	for _, c := range list {
		for check, every := range map[string]time.Duration{
			checkCounters: time.Duration(j.cfg.Reconcile.Counters), checkRounds: time.Duration(j.cfg.Reconcile.Rounds),
		} {
			if every > 0 {
				j.metrics.Checks(c.ID, check)
			}
			if every > 0 && j.due(c, check, every) && ctx.Err() == nil {
				j.check(ctx, c, check)
			}
		}
	}
}

// due tells whether a check is, and counts it as made. The first one comes a period after the run was seen first.
func (j *auditJob) due(c *game.Campaign, check string, every time.Duration) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	key := fmt.Sprint(c.ID, ".", c.Run, " ", check)
	now := j.clock.Now()
	last, seen := j.last[key]
	if seen && now.Sub(last) < every {
		return false
	}
	j.last[key] = now
	return seen
}

// check makes one check and tells what is new about it.
func (j *auditJob) check(ctx context.Context, c *game.Campaign, check string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	checker := j.checker(reconcile.Options{MaxPlayers: j.cfg.Reconcile.MaxPlayers})
	do := checker.Quick
	if check == checkRounds {
		do = checker.Check
	}
	report, err := do(ctx, subjectOf(c))
	if err != nil {
		if ctx.Err() == nil {
			j.metrics.Unreconciled(c.ID, check)
			j.log.Warn("run could not be checked; it is tried again", "campaign", c.ID, "run", c.Run, "check", check, "err", err)
		}
		return
	}
	j.metrics.Reconciled(c.ID, check, report.Differences(), j.clock.Now(), report.Took)
	j.tell(c, check, report)
}

// tell logs each finding when it is first found, and once when all are gone.
func (j *auditJob) tell(c *game.Campaign, check string, r *reconcile.Report) {
	key := fmt.Sprint(c.ID, ".", c.Run, " ", check)
	before, now, told := j.known[key], map[string]bool{}, 0
	for _, f := range r.Findings {
		id := fmt.Sprint(f.Kind, f.Shard, f.User, f.Rounds)
		now[id] = true
		if before[id] || told == toldFindings {
			continue
		}
		told++
		j.log.Error("reconcile found a difference", "campaign", c.ID, "run", c.Run, "kind", f.Kind, "shard", f.Shard, "user", f.User,
			"rounds", strings.Join(f.Rounds, " "), "want", f.Want, "got", f.Got)
	}
	if told == toldFindings {
		j.log.Error("reconcile found more differences", "campaign", c.ID, "run", c.Run, "differences", len(r.Findings)+r.More)
	}
	if len(before) > 0 && len(now) == 0 {
		j.log.Info("reconcile finds no difference any more", "campaign", c.ID, "run", c.Run, "check", check)
	}
	j.known[key] = now
}
