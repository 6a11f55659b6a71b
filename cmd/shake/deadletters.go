package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/shake-live/shake/event/letters"
	"github.com/shake-live/shake/internal/app"
	"github.com/shake-live/shake/internal/config"
)

// DeadLettersCmd is `shake deadletters …`.
type DeadLettersCmd struct {
	List    ListLettersCmd   `cmd:"" help:"List dead letters, the newest first."`
	Inspect InspectLetterCmd `cmd:"" help:"Show one letter: headers, value, and all that was done about it."`
	Edit    EditLetterCmd    `cmd:"" help:"Change what is sent again, on record. The letter itself stays as it is."`
	Resend  ResendLettersCmd `cmd:"" help:"Send letters again, the oldest first, each to the group that buried it and to no other."`
}

// letterFilter chooses letters.
type letterFilter struct {
	Group    string `help:"Of this consumer group, with or without the namespace: ledger, notices, board."`
	Campaign string `help:"Of this campaign."`
	Number   int64  `name:"run" help:"Of this run; goes with --campaign."`
	Reason   string `help:"Whose reason has this text in it."`
	Since    string `placeholder:"TIME" help:"Buried at this time or later: RFC 3339, or how long ago, such as 2h."`
	Until    string `placeholder:"TIME" help:"Buried before this time."`
}

func (f *letterFilter) filter() (g letters.Filter, err error) {
	g = letters.Filter{Group: f.Group, Campaign: f.Campaign, Run: f.Number, Reason: f.Reason}
	if f.Number < 0 || f.Number > 0 && f.Campaign == "" {
		return g, fmt.Errorf("%w: --run %d: want 1 or more, and --campaign", errUsage, f.Number)
	}
	now := time.Now()
	if g.Since, err = moment("--since", f.Since, now); err != nil {
		return g, err
	}
	g.Until, err = moment("--until", f.Until, now)
	return g, err
}

// moment reads a time: RFC 3339, or how long before now.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%w: %s %q: want a time such as 2026-11-21T20:00:00Z, or how long ago, such as 90m", errUsage, flag, text)
	}
	return t, nil
}

// ListLettersCmd is `shake deadletters list`.
type ListLettersCmd struct {
	target
	letterFilter
	Waiting bool `help:"Only those that nobody has sent again yet."`
	Oldest  bool `help:"The oldest first."`
	Limit   int  `default:"50" help:"Letters at most, up to 10000."`
	JSON    bool `help:"One JSON document."`
}

// Run lists. What it lists is no finding of a check: the code is 0.
func (c *ListLettersCmd) Run(ctx context.Context, s *streams) error {
	if c.Limit < 1 || c.Limit > letters.MaxLetters {
		return fmt.Errorf("%w: --limit %d: want 1 to %d", errUsage, c.Limit, letters.MaxLetters)
	}
	f, err := c.filter()
	if err != nil {
		return err
	}
	f.Waiting = c.Waiting
	tell := progress(s.err)
	list, more, err := c.app().Letters(ctx, warnings(s), app.LetterQuery{
		Filter: f, Limit: c.Limit, Oldest: c.Oldest, Progress: func(n int64) { tell("dead letters read", n) },
	})
	if err != nil {
		return err
	}
	order := "newest first"
	if c.Oldest {
		order = "oldest first"
	}
	docs := make([]letters.Doc, len(list))
	for i := range list {
		docs[i] = list[i].Doc()
	}
	if c.JSON {
		return writeJSON(s.out, map[string]any{"order": order, "letters": docs, "more": more})
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tAT\tGROUP\tSOURCE\tPOSITION\tKIND\tBYTES\tSTATE\tREASON")
	for _, d := range docs {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", d.ID, d.At.Format(time.RFC3339), dash(d.Group), dash(d.Key), dash(d.Position), dash(d.Kind), d.Bytes,
			state(d), short(d.Reason))
	}
	fmt.Fprintf(w, "%d letters, %s", len(docs), order)
	if more > 0 {
		fmt.Fprintf(w, ", and %d more", more)
	}
	fmt.Fprintln(w)
	return w.Flush()
}

func warnings(s *streams) *slog.Logger {
	return app.NewLog(s.err, config.Log{Level: "warn", Format: "text"})
}

// state is a letter's in a few words.
func state(d letters.Doc) string {
	switch {
	case d.Next != "":
		return "resent: buried as " + d.Next
	case d.Outcome != "":
		return "resent: " + string(d.Outcome)
	case d.Again != "":
		return d.State + ", again"
	}
	return d.State
}

// short keeps a reason to one line.
func short(text string) string {
	const width = 100
	if r := []rune(text); len(r) > width {
		return string(r[:width]) + "…"
	}
	return text
}

// InspectLetterCmd is `shake deadletters inspect ID`.
type InspectLetterCmd struct {
	target
	JSON bool   `xor:"form" help:"One JSON document."`
	Raw  bool   `xor:"form" help:"Only what would be sent, byte for byte: edit it in a file, and give that to edit --file."`
	ID   string `arg:"" help:"Id of the letter, as list shows it: TOPIC/PARTITION/OFFSET, or PARTITION/OFFSET."`
}

// Run shows.
func (c *InspectLetterCmd) Run(ctx context.Context, s *streams) error {
	if err := letters.CheckID(c.ID); err != nil {
		return letterError(err)
	}
	l, err := c.app().Letter(ctx, warnings(s), c.ID)
	if err != nil {
		return letterError(err)
	}
	switch {
	case c.Raw:
		_, err = s.out.Write(l.Value())
		return err
	case c.JSON:
		return writeJSON(s.out, l.Detail())
	}
	return tellLetter(s.out, l.Detail())
}

// letterError sorts errors about one letter: an id that is none is wrong usage.
func letterError(err error) error {
	if errors.Is(err, letters.ErrBadID) {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return err
}

func tellLetter(out io.Writer, d letters.Doc) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	readable := "yes"
	if !d.Readable {
		readable = "no: " + d.Unread
	}
	for _, line := range [][2]string{
		{"letter", d.ID.String()}, {"buried", d.At.Format(time.RFC3339) + " by " + dash(d.Group)}, {"source", dash(d.Key)}, {"position", dash(d.Position)},
		{"reason", d.Reason}, {"origin", dash(d.Origin)}, {"was before", dash(d.Again)}, {"state", state(d)}, {"can be read now", readable},
	} {
		fmt.Fprintf(w, "%s\t%s\n", line[0], line[1])
	}
	fmt.Fprintln(w, "\nheaders")
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		fmt.Fprintf(w, "  %s\t%q\n", name, d.Headers[name])
	}
	if err := w.Flush(); err != nil {
		return err
	}
	tellValue(out, "as it was buried", d.Buried)
	tellValue(out, "what would be sent now", d.Now)
	for _, e := range d.Edits {
		fmt.Fprintf(out, "\nedit %d, %s, by %s on %s: %s\n", e.Number, e.At.Format(time.RFC3339), e.By, e.Host, e.Why)
	}
	for _, r := range d.Resends {
		fmt.Fprintf(out, "\nsent again %s, by %s on %s, edit %d: %s %s\n", r.At.Format(time.RFC3339), r.By, r.Host, r.Edit, r.Outcome, r.Next)
	}
	return nil
}

func tellValue(out io.Writer, what string, v *letters.Value) {
	if v == nil {
		return
	}
	fmt.Fprintf(out, "\n%s (%s)\n%s\n", what, v.Form, v.Text)
	if v.More > 0 {
		fmt.Fprintf(out, "and %d bytes more: --raw has all\n", v.More)
	}
}

// by says who does something to letters.
type by struct {
	By string `required:"" env:"USER" help:"Who does it, for the record."`
}

func (b by) who() letters.Who {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return letters.Who{Name: b.By, Host: host}
}

// EditLetterCmd is `shake deadletters edit ID`.
type EditLetterCmd struct {
	target
	by
	File  string  `xor:"value" required:"" placeholder:"FILE" help:"File with the whole new value, byte for byte; - is standard input."`
	Value *string `xor:"value" required:"" placeholder:"TEXT" help:"The whole new value."`
	Why   string  `required:"" help:"Why, for the record."`
	JSON  bool    `help:"One JSON document."`
	ID    string  `arg:"" help:"Id of the letter."`
}

// Run edits.
func (c *EditLetterCmd) Run(ctx context.Context, s *streams) error {
	if err := letters.CheckID(c.ID); err != nil {
		return letterError(err)
	}
	value, err := c.value(s)
	if err != nil {
		return err
	}
	if len(value) == 0 || len(value) > letters.MaxValue {
		return fmt.Errorf("%w: the value has %d bytes: want 1 to %d", errUsage, len(value), letters.MaxValue)
	}
	l, err := c.app().EditLetter(ctx, warnings(s), c.ID, value, c.who(), c.Why)
	if err != nil {
		return letterError(err)
	}
	d := l.Detail()
	if c.JSON {
		err = writeJSON(s.out, d)
	} else {
		fmt.Fprintf(s.out, "%s: edit %d is what is sent now\n", d.ID, l.Edited())
	}
	if err == nil && !d.Readable {
		err = fmt.Errorf("%w: it is on record, but nobody can read it: %s", errFinding, d.Unread)
	}
	return err
}

func (c *EditLetterCmd) value(s *streams) ([]byte, error) {
	if c.Value != nil {
		return []byte(*c.Value), nil
	}
	in := io.Reader(os.Stdin)
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUsage, err)
		}
		defer f.Close()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, letters.MaxValue+1))
}

// ResendLettersCmd is `shake deadletters resend`.
type ResendLettersCmd struct {
	target
	by
	letterFilter
	All    bool     `help:"All that wait, without any filter."`
	Max    int      `default:"100" help:"Letters at most, 1 to 10000."`
	Rate   int      `default:"50" help:"Letters a second at most, 1 to 10000."`
	Again  bool     `help:"Also those that were sent again before. What counts already stays as it is."`
	DryRun bool     `help:"Look what would be sent, and send nothing."`
	JSON   bool     `help:"One JSON document."`
	IDs    []string `arg:"" optional:"" name:"id" help:"Ids of letters. Without any, those that the filter lets through."`
}

// sent is what the document says of one letter.
type sent struct {
	ID        letters.ID      `json:"id"`
	Group     string          `json:"group"`
	Source    string          `json:"source"`
	Position  string          `json:"position"`
	Outcome   letters.Outcome `json:"outcome"`
	Successor string          `json:"successor,omitempty"`
	Why       string          `json:"why,omitempty"`
}

// Run resends. A letter that is still one, or that could not be sent, is a finding.
func (c *ResendLettersCmd) Run(ctx context.Context, s *streams) error {
	f, err := c.filter()
	if err != nil {
		return err
	}
	filtered := f != letters.Filter{}
	switch {
	case c.Max < 1 || c.Max > letters.MaxLetters:
		return fmt.Errorf("%w: --max %d: want 1 to %d", errUsage, c.Max, letters.MaxLetters)
	case c.Rate < 1 || c.Rate > 10_000:
		return fmt.Errorf("%w: --rate %d: want 1 to 10000", errUsage, c.Rate)
	case len(c.IDs) > 0 && (filtered || c.All):
		return fmt.Errorf("%w: want ids, or a filter, or --all", errUsage)
	case len(c.IDs) == 0 && filtered == c.All:
		return fmt.Errorf("%w: want ids, or a filter, or --all", errUsage)
	}
	for _, id := range c.IDs {
		if err := letters.CheckID(id); err != nil {
			return letterError(err)
		}
	}
	tell := progress(s.err)
	results, more, err := c.app().ResendLetters(ctx, warnings(s), c.IDs, letters.Order{
		Filter: f, Max: c.Max, Every: time.Second / time.Duration(c.Rate), DryRun: c.DryRun, Again: c.Again, By: c.who(),
		Progress: func(done, of int) { tell(fmt.Sprintf("letters of %d", of), int64(done)) },
	})
	if err != nil {
		for _, r := range results { // one document is the error's
			fmt.Fprintln(s.err, r.ID, r.Outcome, r.Successor)
		}
		return letterError(err)
	}
	if err := c.tell(s, results, more); err != nil {
		return err
	}
	open := 0
	for _, r := range results {
		if r.Outcome.Open() {
			open++
		}
	}
	if open > 0 {
		return fmt.Errorf("%w: %d letters want somebody", errFinding, open)
	}
	return nil
}

// tell tells what was done.
func (c *ResendLettersCmd) tell(s *streams, results []letters.Result, more int64) error {
	list, outcomes := []sent{}, map[letters.Outcome]int{}
	for _, r := range results {
		outcomes[r.Outcome]++
		list = append(list, sent{r.ID, r.Group(), r.Message.Key, r.Doc().Position, r.Outcome, r.Successor, r.Why})
	}
	if c.JSON {
		return writeJSON(s.out, map[string]any{"letters": list, "outcomes": outcomes, "more": more, "dry_run": c.DryRun})
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, r := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, dash(r.Group), dash(r.Source), dash(r.Position), r.Outcome, short(r.Successor+r.Why))
	}
	fmt.Fprintf(w, "%d letters, %d more\n", len(list), more)
	return w.Flush()
}
