package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// maxFlagged bounds one list.
const maxFlagged = 10_000

// FairPlayCmd is `shake fairplay CAMPAIGN`.
type FairPlayCmd struct {
	target
	JSON     bool   `help:"One JSON document."`
	Limit    int    `default:"100" help:"Rounds at most, up to 10000."`
	Campaign string `arg:"" help:"Id of the campaign."`
}

// Run lists. What it lists is no finding of a check: the code is 0.
func (c *FairPlayCmd) Run(ctx context.Context, s *streams) error {
	if c.Limit < 1 || c.Limit > maxFlagged {
		return fmt.Errorf("%w: --limit %d: want 1 to %d", errUsage, c.Limit, maxFlagged)
	}
	list, err := c.app().FairPlay(ctx, c.Campaign, c.Limit)
	if err != nil {
		return fmt.Errorf("campaign %q: %w", c.Campaign, err)
	}
	if c.JSON {
		return writeJSON(s.out, map[string]any{"judgements": list})
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AT\tROUND\tDEVICE\tSCORE\tREASONS\tSHAKES\tBEATS\tVARIATION\tRATE")
	for _, j := range list {
		words := make([]string, len(j.Reasons))
		for i, reason := range j.Reasons {
			words[i] = string(reason)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.2f\t%s\t%d\t%d\t%.4f\t%.1f\n", j.At.Format(time.RFC3339), j.Round, dash(j.Device), j.Score,
			dash(strings.Join(words, ",")), j.Shakes, j.Beats, j.Variation, j.Rate)
	}
	return w.Flush()
}

// dash keeps a column for what is empty.
func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
