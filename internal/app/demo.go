package app

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/admin"
	"github.com/shake-live/shake/game"
)

// DemoID is the campaign that `shake dev` plays, run after run.
const DemoID = "demo"

// Demo are the flags that shape the demo campaign.
type Demo struct {
	Market  string
	Warmup  time.Duration
	Live    time.Duration
	Round   time.Duration
	Late    time.Duration
	Chances int64
	Pool    int64
	Floor   int64
	Shards  int
}

// demoPause is how long a settled run stays to be looked at before the next one warms up.
const demoPause = 5 * time.Second

// demo keeps the demo campaign going.
type demo struct {
	*App
	plan Demo
}

// spec is the next run, beginning now.
func (d *demo) spec(now time.Time) admin.Spec {
	late := admin.Length(d.plan.Late)
	starts := now.Add(d.plan.Warmup)
	return admin.Spec{
		ID: DemoID, Game: "shake", Market: d.plan.Market, Name: "Shake demo",
		WarmupAt: admin.Moment{Time: now}, StartsAt: admin.Moment{Time: starts}, EndsAt: admin.Moment{Time: starts.Add(d.plan.Live)},
		Round: admin.Length(d.plan.Round), Late: &late, Chances: d.plan.Chances, Pool: d.plan.Pool, Floor: d.plan.Floor,
		Shards: d.plan.Shards, ShakeRate: game.DefaultShakeRate, Curve: demoCurve(d.plan.Round),
	}
}

// demoCurve pays more the more of a round one shakes: a quarter, half, three quarters and all of what counts.
func demoCurve(round time.Duration) []game.Piece {
	full := int64(round.Seconds() * game.DefaultShakeRate)
	curve := []game.Piece{{From: 1, Probability: 0.3, Min: 1, Max: 5}}
	for _, p := range []game.Piece{
		{From: full / 4, Probability: 0.5, Min: 1, Max: 10},
		{From: full / 2, Probability: 0.7, Min: 5, Max: 20},
		{From: full * 3 / 4, Probability: 0.85, Min: 10, Max: 50},
		{From: full, Probability: 1, Min: 20, Max: 100},
	} {
		if p.From > curve[len(curve)-1].From { // very short rounds have fewer steps
			curve = append(curve, p)
		}
	}
	return curve
}

// begin takes up every run that a stop has left, so that nobody finds its pool closed or its board empty, and starts
// the demo's first run where there is none.
func (d *demo) begin(ctx context.Context) error {
	left, err := d.campaigns.Unsettled(ctx)
	if err != nil {
		return err
	}
	g, taken := errgroup.WithContext(ctx)
	g.SetLimit(4) // each reads its part of the log
	for _, c := range left {
		g.Go(func() error {
			if err := d.office.Finish(taken, c); err != nil {
				return err
			}
			if _, err := d.rebuildBoardOf(taken, c); err != nil {
				return err
			}
			return d.Warm(taken, c.ID)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if slices.ContainsFunc(left, func(c *game.Campaign) bool { return c.ID == DemoID }) {
		return nil
	}
	if _, _, err = d.office.Apply(ctx, d.spec(d.clock.Now())); err != nil {
		return err
	}
	return d.Warm(ctx, DemoID)
}

// next starts the next run of the demo a while after one was settled.
func (d *demo) next(ctx context.Context, c *game.Campaign) {
	if c.ID != DemoID {
		return
	}
	d.worker.wg.Go(func() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(demoPause):
		}
		if _, _, err := d.office.Apply(ctx, d.spec(d.clock.Now())); err != nil && ctx.Err() == nil {
			d.log.Error("the demo's next run did not begin", "err", err)
		}
	})
}
