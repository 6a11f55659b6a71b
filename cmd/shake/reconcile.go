package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/shake-live/shake/internal/app"
	"github.com/shake-live/shake/internal/config"
	"github.com/shake-live/shake/ops/reconcile"
)

// ReconcileCmd is `shake reconcile CAMPAIGN`.
type ReconcileCmd struct {
	target
	JSON     bool   `help:"One JSON document."`
	Number   int64  `name:"run" help:"Run of the campaign. Default: its present one."`
	Counters bool   `help:"Compare the counters alone; no round is read."`
	Repair   bool   `help:"Plan what can be repaired without a doubt, and show it. Nothing is changed without --apply."`
	Apply    string `placeholder:"PLAN" help:"With --repair: carry out the plan of this id, if it is still what follows from what is found."`
	By       string `env:"USER" help:"With --apply: who repairs, for the record."`
	Campaign string `arg:"" help:"Id of the campaign."`
}

// Run compares.
func (c *ReconcileCmd) Run(ctx context.Context, s *streams) error {
	switch {
	case c.Apply != "" && !c.Repair:
		return fmt.Errorf("%w: --apply goes with --repair", errUsage)
	case c.Apply != "" && c.By == "":
		return fmt.Errorf("%w: --apply wants --by", errUsage)
	case c.Repair && c.Counters:
		return fmt.Errorf("%w: --repair needs the rounds, --counters does not read them", errUsage)
	case c.Number < 0:
		return fmt.Errorf("%w: --run %d: want 1 or more", errUsage, c.Number)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	report, err := c.app().Reconcile(ctx, app.NewLog(s.err, config.Log{Level: "warn", Format: "text"}), app.Reconciling{
		Campaign: c.Campaign, Run: c.Number, Quick: c.Counters, Repair: c.Repair, Apply: c.Apply,
		By: reconcile.Who{Name: c.By, Host: host}, Progress: progress(s.err),
	})
	other := errors.Is(err, reconcile.ErrOtherPlan)
	if err != nil && !other { // with that one, the report has the plan as it is now
		return err
	}
	tell := c.tell
	if c.JSON {
		tell = func(out io.Writer, r *reconcile.Report) error { return writeJSON(out, r) }
	}
	switch told := tell(s.out, report); {
	case told != nil:
		return told
	case other:
		return fmt.Errorf("%w: %w", errFinding, err)
	case !report.OK:
		return fmt.Errorf("%w: %s run %d has %d differences", errFinding, report.Campaign, report.Run, len(report.Findings)+report.More)
	}
	return nil
}

func (c *ReconcileCmd) tell(out io.Writer, r *reconcile.Report) error {
	if err := r.Write(out); err != nil || r.Plan == nil {
		return err
	}
	fmt.Fprintf(out, "\nplan %s: %d repairs\n", r.Plan.ID, len(r.Plan.Actions))
	if err := r.Plan.Write(out); err != nil {
		return err
	}
	if len(r.Plan.Actions) > 0 && len(r.Plan.Applied) == 0 {
		fmt.Fprintf(out, "to carry it out: --repair --apply %s\n", r.Plan.ID)
	}
	return nil
}

// progressEvery is how often somebody who waits is told how far it is.
const progressEvery = 2 * time.Second

func progress(out io.Writer) func(string, int64) {
	last := time.Now()
	return func(what string, n int64) {
		if now := time.Now(); now.Sub(last) >= progressEvery {
			last = now
			fmt.Fprintf(out, "%s: %d\n", what, n)
		}
	}
}
