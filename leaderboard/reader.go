package leaderboard

import (
	"context"
	"errors"
	"fmt"

	"github.com/shake-live/shake/event"
)

// Live is a board while the run is on.
type Live interface {
	// Apply takes entries of one run. Its scale is fixed by the first call; later ones keep it. On a gap it
	// takes what comes before it, and everything of other shards, and returns that with a *event.GapError.
	Apply(ctx context.Context, run event.Run, scale Scale, entries []event.Entry) (Applied, error)
	// SkipDead passes over an entry that nobody could read, so that the next one is no gap.
	SkipDead(ctx context.Context, s event.Source, p event.Position) error
	// PutBack raises the totals that an entry tells that was passed over, and moves no position. One that the board is
	// not at yet is applied as ever, or is a gap.
	PutBack(ctx context.Context, run event.Run, scale Scale, e event.Entry) (event.Return, error)
	// Built tells whether the board is whole: false before MarkBuilt, and once the server that it was built
	// on lost it or another took over.
	Built(ctx context.Context, run event.Run) (bool, error)
	// Reset forgets how far the board is in every shard, so that the run's log can be applied from its beginning.
	// A reader that came to an empty board before may have left it a fence that would make all of the log void.
	Reset(ctx context.Context, run event.Run) error
	// MarkBuilt says that everything up to now has been applied.
	MarkBuilt(ctx context.Context, run event.Run) error
}

// ErrNoBoard is the answer of Scales for a run that has no live board (any more): its entries are left out.
var ErrNoBoard = errors.New("run has no live board")

// Scales gives a run's scale, or ErrNoBoard.
type Scales func(ctx context.Context, campaign string, run int64) (Scale, error)

// Reader is the consumer that feeds live boards.
type Reader struct {
	live   Live
	scales Scales
	watch  func(Applied)
}

// NewReader tells watch about each run of each batch.
func NewReader(live Live, scales Scales, watch func(Applied)) *Reader {
	return &Reader{live: live, scales: scales, watch: watch}
}

// Handle feeds a batch to the boards of its runs. A gap in one does not hold up the others.
func (r *Reader) Handle(ctx context.Context, entries []event.Entry) error {
	var gaps error
	for _, of := range byRun(entries) {
		err := r.feed(ctx, of)
		var gap *event.GapError
		if errors.As(err, &gap) {
			gaps = errors.Join(gaps, err)
		} else if err != nil {
			return fmt.Errorf("board of %s.%d: %w", of[0].Campaign, of[0].Run, err)
		}
	}
	if gaps != nil {
		return fmt.Errorf("board: %w", gaps)
	}
	return nil
}

func (r *Reader) feed(ctx context.Context, entries []event.Entry) error {
	run := runOf(entries[0].Source)
	scale, err := r.scales(ctx, run.Campaign, run.Number)
	if errors.Is(err, ErrNoBoard) {
		return nil
	}
	if err != nil {
		return err
	}
	applied, err := r.live.Apply(ctx, run, scale, entries)
	r.watch(applied)
	return err
}

// SkipDead passes over an entry that went to the dead letters.
func (r *Reader) SkipDead(ctx context.Context, s event.Source, p event.Position, _ string) error {
	_, err := r.scales(ctx, s.Campaign, s.Run)
	if errors.Is(err, ErrNoBoard) {
		return nil
	}
	if err == nil {
		err = r.live.SkipDead(ctx, s, p)
	}
	if err != nil {
		return fmt.Errorf("board: %w", err)
	}
	return nil
}

func runOf(s event.Source) event.Run { return event.Run{Campaign: s.Campaign, Number: s.Run} }

// byRun splits a batch by run and keeps the order within each.
func byRun(entries []event.Entry) [][]event.Entry {
	var split [][]event.Entry
	at := map[event.Run]int{}
	for _, e := range entries {
		run := runOf(e.Source)
		i, ok := at[run]
		if !ok {
			i = len(split)
			at[run] = i
			split = append(split, nil)
		}
		split[i] = append(split[i], e)
	}
	return split
}
