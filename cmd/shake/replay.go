package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/shake-live/shake/internal/app"
)

// ReplayCmd is `shake replay`.
type ReplayCmd struct {
	target
	From     string   `required:"" enum:"outbox,kafka,claims,round-log" help:"What is replayed. outbox: what waits in Redis goes to Kafka, as a worker would carry it. kafka: readers read a run's log again, and take up what they lack. claims: a file with a claim in each line is paid, where a settle was lost. round-log: so are the claims that an api node wrote."`
	Campaign string   `help:"Of this campaign. outbox and kafka want one."`
	Number   int64    `name:"run" help:"Of this run. Default: the campaign's present one; of claims, all."`
	AllRuns  bool     `help:"outbox, kafka: of all runs of the campaign."`
	Shard    []string `placeholder:"N" help:"Of these shards; bank is one."`
	User     string   `help:"claims, round-log: of this user. Entries are ordered by shard, and without one of them the rest is a hole."`
	Since    string   `placeholder:"TIME" help:"kafka: from what was written then on. claims, round-log: settled then or later. RFC 3339, or how long ago, such as 2h."`
	Until    string   `placeholder:"TIME" help:"kafka: up to what was written then. claims, round-log: settled before."`
	Offset   []string `placeholder:"PARTITION:OFFSET" help:"kafka: where to begin in a partition. Default: where the run begins."`
	To       []string `default:"ledger,board,inbox" help:"kafka: which readers read again: ledger, board, inbox."`
	Rebuild  bool     `help:"kafka: the board forgets how far it is, and is built from the run's whole log."`
	DryRun   bool     `help:"Look what would be done, and change nothing."`
	Rate     *int     `help:"Claims (default 500) or entries (default 5000) a second at most, 1 to 100000."`
	JSON     bool     `help:"One JSON document."`
	Path     string   `arg:"" optional:"" name:"path" help:"round-log: its folder, as round_log.dir names it. claims: the file; - is standard input."`
}

// of tells whether the source is one of these.
func (c *ReplayCmd) of(sources ...string) bool { return slices.Contains(sources, c.From) }

// check refuses what can't be obeyed: a filter that is passed over in silence would replay what nobody asked for.
func (c *ReplayCmd) check() error {
	entries, claims := c.of("outbox", "kafka"), c.of("claims", "round-log")
	for _, bad := range []struct {
		is   bool
		text string
	}{
		{entries && c.Path != "", fmt.Sprintf("--from %s reads no file: unexpected %q", c.From, c.Path)},
		{entries && c.Campaign == "", "--from " + c.From + " wants --campaign"},
		{entries && c.User != "", "--user: entries of a shard go in order, so without those of other users there would be a hole"},
		{c.From == "claims" && c.Path == "", "--from claims wants the file; - is standard input"},
		{c.From == "round-log" && c.Path == "", "--from round-log wants its folder"},
		{c.From == "outbox" && (c.Since != "" || c.Until != ""), "--since, --until: an outbox is carried from its oldest entry on, or there would be a hole"},
		{!c.of("kafka") && len(c.Offset) > 0, "--offset goes with --from kafka"},
		{!c.of("kafka") && c.Rebuild, "--rebuild goes with --from kafka"},
		{!c.of("kafka") && !slices.Equal(c.To, app.Readers), "--to goes with --from kafka"},
		{c.Since != "" && len(c.Offset) > 0, "--since and --offset both say where to begin"},
		{c.Rebuild && !slices.Contains(c.To, "board"), "--rebuild goes with --to board"},
		{c.Rebuild && (c.Since != "" || c.Until != "" || len(c.Offset) > 0 || len(c.Shard) > 0), "--rebuild reads a run's whole log"},
		{claims && c.AllRuns, "--all-runs: claims are of all runs unless --run says which"},
		{c.AllRuns && c.Number != 0, "--all-runs and --run"},
		{c.Number < 0 || c.Number > 0 && c.Campaign == "", fmt.Sprintf("--run %d: want 1 or more, and --campaign", c.Number)},
		{c.rate(1) < 1 || c.rate(1) > 100_000, fmt.Sprintf("--rate %d: want 1 to 100000", c.rate(0))},
	} {
		if bad.is {
			return fmt.Errorf("%w: %s", errUsage, bad.text)
		}
	}
	for i, name := range c.To {
		if !slices.Contains(app.Readers, name) || slices.Contains(c.To[:i], name) {
			return fmt.Errorf("%w: --to %s: want some of %s, each once", errUsage, strings.Join(c.To, ","), strings.Join(app.Readers, ","))
		}
	}
	return nil
}

func (c *ReplayCmd) rate(otherwise int) int {
	if c.Rate != nil {
		return *c.Rate
	}
	return otherwise
}

// Run replays. What stays open is a finding: run it again.
func (c *ReplayCmd) Run(ctx context.Context, s *streams) error {
	if err := c.check(); err != nil {
		return err
	}
	now := time.Now()
	since, err := moment("--since", c.Since, now)
	if err != nil {
		return err
	}
	until, err := moment("--until", c.Until, now)
	if err != nil {
		return err
	}
	shards, err := shardsOf(c.Shard)
	if err != nil {
		return err
	}
	if c.of("claims", "round-log") {
		return c.claims(ctx, s, app.ClaimFilter{Campaign: c.Campaign, Run: c.Number, User: c.User, Shards: shards, Since: since, Until: until})
	}
	offsets, err := offsetsOf(c.Offset)
	if err != nil {
		return err
	}
	const entriesASecond = 5000
	return c.entries(ctx, s, app.ReplayEntries{
		Campaign: c.Campaign, Run: c.Number, AllRuns: c.AllRuns, Shards: shards, Rate: c.rate(entriesASecond), DryRun: c.DryRun, To: c.To,
		Since: since, Until: until, Offsets: offsets, Rebuild: c.Rebuild, Progress: progress(s.err),
	})
}

// shardsOf reads shards; bank is -1, as in entries.
func shardsOf(list []string) (shards []int, err error) {
	for _, text := range list {
		n, err := strconv.Atoi(text)
		if text == "bank" {
			n, err = -1, nil
		} else if err == nil && n < 0 {
			err = strconv.ErrRange
		}
		if err != nil {
			return nil, fmt.Errorf("%w: --shard %q: want a number from 0 on, or bank", errUsage, text)
		}
		shards = append(shards, n)
	}
	return shards, nil
}

// offsetsOf reads where to begin.
func offsetsOf(list []string) (map[int32]int64, error) {
	offsets := map[int32]int64{}
	for _, text := range list {
		partition, offset, ok := strings.Cut(text, ":")
		p, err1 := strconv.ParseUint(partition, 10, 31)
		o, err2 := strconv.ParseUint(offset, 10, 63)
		if _, twice := offsets[int32(p)]; !ok || err1 != nil || err2 != nil || twice {
			return nil, fmt.Errorf("%w: --offset %q: want PARTITION:OFFSET, each partition once", errUsage, text)
		}
		offsets[int32(p)] = int64(o)
	}
	return offsets, nil
}

func (c *ReplayCmd) claims(ctx context.Context, s *streams, f app.ClaimFilter) error {
	const claimsASecond = 500
	r := app.Replay{
		Filter: f, Rate: c.rate(claimsASecond), DryRun: c.DryRun,
		Progress: func(r app.Replayed) { fmt.Fprintf(s.err, "%d claims\n", r.Records) },
	}
	switch {
	case c.From == "round-log":
		r.RoundLog = c.Path
	case c.Path == "-":
		r.Claims = os.Stdin
	default:
		file, err := os.Open(c.Path)
		if err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		defer file.Close()
		r.Claims = io.Reader(file)
	}
	done, err := c.app().Replay(ctx, warnings(s), r)
	if err != nil {
		return err
	}
	if c.JSON {
		err = writeJSON(s.out, done)
	} else {
		c.print(s, done)
	}
	switch {
	case err != nil:
		return err
	case done.Open() > 0:
		return fmt.Errorf("%w: %d claims are open: run it again", errFinding, done.Open())
	case c.From == "claims" && done.Damaged+done.Outcomes["invalid"] > 0: // somebody gathered them by hand
		return fmt.Errorf("%w: %d lines are no claims of ours", errFinding, done.Damaged+done.Outcomes["invalid"])
	}
	return nil
}

func (c *ReplayCmd) print(s *streams, done app.Replayed) {
	fmt.Fprintf(s.out, "%d claims of %d files, %d damaged lines, %d left out\n", done.Records, done.Files, done.Damaged, done.Skipped)
	for _, outcome := range slices.Sorted(maps.Keys(done.Outcomes)) {
		fmt.Fprintf(s.out, "%9d %s\n", done.Outcomes[outcome], outcome)
	}
	fmt.Fprintf(s.out, "%9d coins\n", done.Coins)
	for _, text := range done.Errors {
		fmt.Fprintln(s.err, "failed:", text)
	}
}

func (c *ReplayCmd) entries(ctx context.Context, s *streams, r app.ReplayEntries) error {
	replay := c.app().ReplayKafka
	if c.From == "outbox" {
		replay = c.app().ReplayOutbox
	}
	done, err := replay(ctx, warnings(s), r)
	if err != nil {
		if done != nil && len(done.Runs) > 0 { // one document is the error's
			_ = c.printEntries(s.err, done)
		}
		return err
	}
	if c.JSON {
		err = writeJSON(s.out, done)
	} else {
		err = c.printEntries(s.out, done)
	}
	if err == nil && done.Open() > 0 {
		err = fmt.Errorf("%w: in %d places somebody has to look", errFinding, done.Open())
	}
	return err
}

func (c *ReplayCmd) printEntries(out io.Writer, done *app.ReplayedEntries) error {
	did := map[string]string{"outbox": "carried to Kafka", "kafka": "read again"}[c.From]
	if done.DryRun {
		did = map[string]string{"outbox": "would be carried", "kafka": "would be read again"}[c.From]
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, run := range done.Runs {
		fmt.Fprintf(w, "%s run %d: %d entries %s, with %d rounds and %d coins\n", run.Campaign, run.Run, run.Entries, did, run.Rounds, run.Coins)
		if run.Skipped != "" {
			fmt.Fprintf(w, "left alone: %s\n", run.Skipped)
		}
		for _, p := range run.Pools {
			name := fmt.Sprint("shard ", p.Shard)
			if p.Shard < 0 {
				name = "bank"
			}
			if p.Entries > 0 {
				fmt.Fprintf(w, "  %s\t%d\t%s to %s\n", name, p.Entries, p.First, p.Last)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(run.Readers)) {
			tellReader(w, name, run.Readers[name])
		}
	}
	return w.Flush()
}

func tellReader(w io.Writer, name string, r *app.ReplayedReader) {
	if r.Skipped != "" {
		fmt.Fprintf(w, "  %s\tleft alone: %s\n", name, r.Skipped)
		return
	}
	rebuilt := ""
	if r.Rebuilt {
		rebuilt = ", built from nothing"
	}
	fmt.Fprintf(w, "  %s\t%d new\t%d it had\t%d void\t%d unreadable%s\n", name, r.Entries, r.Repeats, r.Voids, r.Dead, rebuilt)
	for _, list := range []struct {
		what  string
		lines []string
	}{{"hole", r.Gaps}, {"further than Kafka", r.Ahead}, {"problem", r.Problems}} {
		for _, line := range list.lines {
			fmt.Fprintf(w, "    %s: %s\n", list.what, line)
		}
	}
}
