package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/shake-live/shake/internal/app"
	"github.com/shake-live/shake/internal/config"
)

// PoolCmd is `shake pool …`.
type PoolCmd struct {
	Show   ShowPoolsCmd   `cmd:"" help:"Show where each pool of a run lies, whether it is open, and what it counts."`
	Reopen ReopenPoolsCmd `cmd:"" help:"Give closed pools to the servers that have them now, once, as workers do all the time. Twice does nothing."`
	Move   MovePoolsCmd   `cmd:"" help:"Move pools to another server of a Redis Cluster while people play. Broken off, the same command goes on."`
}

// pools says which pools are meant.
type pools struct {
	Shard  []string `placeholder:"N" help:"This shard alone, or bank; may be given several times."`
	Number int64    `name:"run" help:"Run of the campaign. Default: its present one."`
}

func (p *pools) of(campaign string) (of app.PoolsOf, err error) {
	of = app.PoolsOf{Campaign: campaign, Run: p.Number}
	if p.Number < 0 {
		return of, fmt.Errorf("%w: --run %d: want 1 or more", errUsage, p.Number)
	}
	for _, text := range p.Shard {
		n, err := strconv.Atoi(text)
		switch {
		case text == app.PoolName(-1):
			n = -1
		case err != nil || n < 0:
			return of, fmt.Errorf("%w: --shard %q: want a number, or bank", errUsage, text)
		}
		of.Shards = append(of.Shards, n)
	}
	return of, nil
}

// ShowPoolsCmd is `shake pool show CAMPAIGN`.
type ShowPoolsCmd struct {
	target
	pools
	JSON     bool   `help:"One JSON document."`
	Campaign string `arg:"" help:"Id of the campaign."`
}

// Run shows.
func (c *ShowPoolsCmd) Run(ctx context.Context, s *streams) error {
	of, err := c.of(c.Campaign)
	if err != nil {
		return err
	}
	shown, err := c.app().Pools(ctx, app.NewLog(s.err, config.Log{Level: "warn", Format: "text"}), of)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, shown)
	}
	return showPools(s.out, shown)
}

func showPools(out io.Writer, shown *app.ShownPools) error {
	fmt.Fprintf(out, "%s, run %d\n", shown.Campaign, shown.Run)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "POOL\tSLOT\tSERVER\tSTATE\tHOST\tEPOCH\tLEFT\tISSUED\tPENDING\tKEYS")
	for _, p := range shown.Pools {
		state, keys := "closed", "-"
		switch {
		case p.Open:
			state = "open"
		case !p.Exists:
			state = "absent"
		case p.HeldUntil != nil:
			state = "held until " + p.HeldUntil.Format(time.TimeOnly)
		}
		if p.Keys != nil {
			keys = strconv.FormatInt(*p.Keys, 10)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%.8s\t%d\t%d\t%d\t%d\t%s\n", p.Pool, p.Slot, p.Server, state, p.Host+"-",
			p.Epoch, p.Left, p.Issued, p.Pending, keys)
	}
	return w.Flush()
}

// ReopenPoolsCmd is `shake pool reopen CAMPAIGN`.
type ReopenPoolsCmd struct {
	target
	pools
	JSON     bool   `help:"One JSON document."`
	Fence    bool   `help:"Close those that are open first, for who does not trust them: their calls are busy meanwhile, and what Kafka has and they lack is set."`
	Campaign string `arg:"" help:"Id of the campaign."`
}

// Run reopens.
func (c *ReopenPoolsCmd) Run(ctx context.Context, s *streams) error {
	of, err := c.of(c.Campaign)
	if err != nil {
		return err
	}
	r, err := c.app().Reopen(ctx, app.NewLog(s.err, config.Log{Level: "warn", Format: "text"}), of, c.Fence)
	if err != nil {
		return err
	}
	switch {
	case c.JSON:
		if err := writeJSON(s.out, r); err != nil {
			return err
		}
	case len(r.Opened) == 0 && len(r.Closed) == 0:
		fmt.Fprintf(s.out, "%s, run %d: all are open, nothing was done\n", r.Campaign, r.Run)
	default:
		fmt.Fprintf(s.out, "%s, run %d: opened %s; %d entries were set that Kafka had and they lacked\n", r.Campaign, r.Run, listed(r.Opened), r.Applied)
		for _, p := range r.Closed {
			fmt.Fprintf(s.out, "%s stays closed: %s\n", p.Pool, p.Why)
		}
	}
	if n := len(r.Closed); n > 0 {
		return fmt.Errorf("%w: %d pools were not opened", errFinding, n)
	}
	return nil
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// MovePoolsCmd is `shake pool move CAMPAIGN`.
type MovePoolsCmd struct {
	target
	pools
	To       string        `required:"" placeholder:"SERVER" help:"Primary that takes them: HOST:PORT as the cluster names it, or its node id."`
	Pause    time.Duration `default:"2s" help:"Between two pools, so that players see one pause at a time."`
	DryRun   bool          `help:"Check, and change nothing."`
	Undo     bool          `help:"Take away what a move that was broken off left at the server. The pools stay where they are."`
	JSON     bool          `help:"One JSON document."`
	Campaign string        `arg:"" help:"Id of the campaign."`
}

// Run moves.
func (c *MovePoolsCmd) Run(ctx context.Context, s *streams) error {
	of, err := c.of(c.Campaign)
	switch {
	case err != nil:
		return err
	case of.Shards == nil:
		return fmt.Errorf("%w: want --shard: which pools are to be moved", errUsage)
	case c.DryRun && c.Undo:
		return fmt.Errorf("%w: --dry-run or --undo", errUsage)
	case c.Pause < 0:
		return fmt.Errorf("%w: --pause %s: want 0s or more", errUsage, c.Pause)
	}
	done, err := c.app().Move(ctx, app.NewLog(s.err, config.Log{Level: "warn", Format: "text"}), app.Moving{
		PoolsOf: of, To: c.To, Pause: c.Pause, DryRun: c.DryRun, Undo: c.Undo, Tell: tellMove(s.err),
	})
	if done == nil {
		return err
	}
	if c.JSON {
		if told := writeJSON(s.out, done); told != nil {
			return told
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errTold, err)
		}
		return nil
	}
	for _, p := range done.Pools {
		fmt.Fprintln(s.out, movedLine(p))
	}
	return err
}

func movedLine(p app.MovedPool) string {
	head := fmt.Sprintf("%s: slot %d, %d keys, about %d bytes", p.Pool, p.Slot, p.Keys, p.Bytes)
	switch p.Outcome {
	case "moved":
		return fmt.Sprintf("%s: moved from %s to %s; closed for %.0f ms, %.0f of them until it changed hands, %.0f to open it",
			head, p.From, p.To, p.PauseMS, p.CopyMS, p.OpenMS)
	case "there":
		return fmt.Sprintf("%s: slot %d is at %s, and the pool open", p.Pool, p.Slot, p.To)
	case "movable":
		return fmt.Sprintf("%s: can be moved from %s to %s", head, p.From, p.To)
	case "undone":
		return fmt.Sprintf("%s: slot %d stays at %s; %s has no copies of it", p.Pool, p.Slot, p.From, p.To)
	}
	return fmt.Sprintf("%s: %s: %s", p.Pool, p.Outcome, p.Why)
}

// tellMove tells of every step, and of counts now and then.
func tellMove(out io.Writer) func(string, int, int) {
	count := progress(out)
	return func(what string, done, all int) {
		if all == 0 {
			fmt.Fprintln(out, what)
			return
		}
		count(fmt.Sprintf("%s (of %d)", what, all), int64(done))
	}
}
