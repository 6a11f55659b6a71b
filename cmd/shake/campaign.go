package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/shake-live/shake/admin"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/internal/app"
	"github.com/shake-live/shake/internal/config"
)

// CampaignCmd is `shake campaign …`.
type CampaignCmd struct {
	Apply ApplyCmd `cmd:"" help:"Check, store, fund and publish a campaign's file. The same file twice changes nothing."`
	List  ListCmd  `cmd:"" help:"List all campaigns."`
	Show  ShowCmd  `cmd:"" help:"Show one campaign."`

	Retire RetireCmd `cmd:"" help:"Remove the keys of settled runs from Redis now. Ledger, wallets, boards and inboxes stay."`
}

// ApplyCmd is `shake campaign apply FILE`.
type ApplyCmd struct {
	target
	JSON bool   `help:"One JSON document."`
	File string `arg:"" type:"existingfile" help:"YAML file of the campaign."`
}

// Run applies.
func (c *ApplyCmd) Run(ctx context.Context, s *streams) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	spec, err := admin.ParseSpec(text)
	if err != nil {
		return fmt.Errorf("%w: %w", admin.ErrInvalid, err)
	}
	campaign, changed, err := c.app().Apply(ctx, app.NewLog(s.err, config.Log{Level: "warn", Format: "text"}), spec)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, map[string]any{"changed": changed, "campaign": campaign})
	}
	what := "unchanged"
	if changed {
		what = "applied"
	}
	fmt.Fprintf(s.out, "%s: %s, version %d, run %d, %d coins in %d shards\n", campaign.ID, what, campaign.Version, campaign.Run, campaign.Pool, campaign.Shards)
	return nil
}

// ListCmd is `shake campaign list`.
type ListCmd struct {
	target
	JSON bool `help:"One JSON document."`
}

// Run lists.
func (c *ListCmd) Run(ctx context.Context, s *streams) error {
	list, err := c.app().List(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, map[string]any{"campaigns": list})
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tMARKET\tSTAGE\tRUN\tVERSION\tSTARTS\tENDS\tPOOL\tPAID")
	for _, one := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%s\t%d\t%d\n", one.ID, one.Market, one.Stage, one.Run, one.Version,
			one.StartsAt.Format(time.RFC3339), one.EndsAt.Format(time.RFC3339), one.Pool, one.Booked.Coins)
	}
	return w.Flush()
}

// ShowCmd is `shake campaign show ID`.
type ShowCmd struct {
	target
	JSON bool   `help:"One JSON document."`
	ID   string `arg:"" help:"Id of the campaign."`
}

// Run shows.
func (c *ShowCmd) Run(ctx context.Context, s *streams) error {
	one, err := c.app().Show(ctx, c.ID)
	if err != nil {
		return fmt.Errorf("campaign %q: %w", c.ID, err)
	}
	if c.JSON {
		return writeJSON(s.out, one)
	}
	show(s.out, one)
	return nil
}

// RetireCmd is `shake campaign retire ID`.
type RetireCmd struct {
	target
	JSON   bool   `help:"One JSON document."`
	Number int64  `name:"run" help:"One run alone; it must be settled."`
	ID     string `arg:"" help:"Id of the campaign."`
}

// Run retires.
func (c *RetireCmd) Run(ctx context.Context, s *streams) error {
	runs, keys, err := c.app().Retire(ctx, app.NewLog(s.err, config.Log{Level: "warn", Format: "text"}), c.ID, c.Number)
	if err != nil {
		return fmt.Errorf("campaign %q: %w", c.ID, err)
	}
	if c.JSON {
		return writeJSON(s.out, map[string]any{"runs": runs, "keys": keys})
	}
	fmt.Fprintf(s.out, "%s: %d runs retired, %d keys removed\n", c.ID, runs, keys)
	return nil
}

func show(out io.Writer, c app.Shown) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(out, "%-11s "+format+"\n", append([]any{name}, args...)...)
	}
	line("id", "%s (%s, market %s): %s", c.ID, c.Game, c.Market, c.Name)
	line("stage", "%s, run %d, version %d", c.Stage, c.Run, c.Version)
	line("window", "%s to %s, warm-up from %s", c.StartsAt.Format(time.RFC3339), c.EndsAt.Format(time.RFC3339), c.WarmupAt.Format(time.RFC3339))
	line("round", "%d ms, ends from %d ms on, until %d ms after", c.RoundMS, c.EarlyMS, c.LateMS)
	line("chances", "%d a player", c.Chances)
	line("pool", "%d coins in %d shards, floor %d", c.Pool, c.Shards, c.Floor)
	line("booked", "%d rounds, %d coins paid, %d held for a review", c.Booked.Rounds, c.Booked.Coins, c.Booked.Held)
	line("caps", "%d coins a round, %d a player (0: none), %d shakes a second", c.RoundCap, c.PlayerCap, c.ShakeRate)
	f := c.FairPlay.Filled(c.ShakeRate)
	line("fair play", "%s: from %d beats, variation %v, intervals of %d ms, %v beats a second, %d accounts a device, score %v",
		f.Mode, f.MinBeats, f.MinVariation, f.MinIntervalMS, f.MaxRate, f.MaxAccounts, f.MinScore)
	for _, p := range c.Curve {
		line("curve", "from %d shakes: probability %v, %d to %d coins", p.From, p.Probability, p.Min, p.Max)
	}
}

// VerifyCmd is `shake verify ROUND`.
type VerifyCmd struct {
	target
	JSON  bool   `help:"One JSON document."`
	Round string `arg:"" help:"Round id: campaign.run.epoch.user.number."`
}

// Run derives.
func (c *VerifyCmd) Run(ctx context.Context, s *streams) error {
	if _, err := game.ParseRoundID(c.Round); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	d, err := c.app().Verify(ctx, c.Round)
	if err != nil {
		return fmt.Errorf("round %s: %w", c.Round, err)
	}
	if c.JSON {
		err = writeJSON(s.out, d)
	} else {
		for _, line := range d.Lines() {
			fmt.Fprintln(s.out, line)
		}
	}
	if err == nil && !d.OK {
		return fmt.Errorf("%w: %s", errFinding, c.Round)
	}
	return err
}

func writeJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
