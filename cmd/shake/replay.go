package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/shake-live/shake/internal/app"
	"github.com/shake-live/shake/internal/config"
)

// ReplayCmd is `shake replay`.
type ReplayCmd struct {
	target
	From   string `required:"" enum:"round-log" help:"What is replayed: round-log, the claims that an api node wrote."`
	DryRun bool   `help:"Look what each claim would do, and pay nothing."`
	Rate   int    `default:"500" help:"Claims a second at most, 1 to 100000."`
	JSON   bool   `help:"One JSON document."`
	Dir    string `arg:"" help:"Folder of the round log, as round_log.dir names it."`
}

// Run replays. What stays open is a finding: run it again.
func (c *ReplayCmd) Run(ctx context.Context, s *streams) error {
	if c.Rate < 1 || c.Rate > 100_000 {
		return fmt.Errorf("%w: --rate %d: want 1 to 100000", errUsage, c.Rate)
	}
	done, err := c.app().Replay(ctx, app.NewLog(s.err, config.Log{Level: "warn", Format: "text"}), app.Replay{
		RoundLog: c.Dir, Rate: c.Rate, DryRun: c.DryRun,
		Progress: func(r app.Replayed) { fmt.Fprintf(s.err, "%d claims\n", r.Records) },
	})
	if err != nil {
		return err
	}
	if c.JSON {
		err = writeJSON(s.out, done)
	} else {
		c.print(s, done)
	}
	if err == nil && done.Open() > 0 {
		err = fmt.Errorf("%w: %d claims are open: run it again", errFinding, done.Open())
	}
	return err
}

func (c *ReplayCmd) print(s *streams, done app.Replayed) {
	fmt.Fprintf(s.out, "%d claims of %d files, %d damaged lines\n", done.Records, done.Files, done.Damaged)
	for _, outcome := range slices.Sorted(maps.Keys(done.Outcomes)) {
		fmt.Fprintf(s.out, "%9d %s\n", done.Outcomes[outcome], outcome)
	}
	fmt.Fprintf(s.out, "%9d coins\n", done.Coins)
	for _, text := range done.Errors {
		fmt.Fprintln(s.err, "failed:", text)
	}
}
