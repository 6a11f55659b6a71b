package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/leaderboard"
	"github.com/shake-live/shake/reward"
)

// Readers are the names of those that read the log, as `shake replay --to` has them.
var Readers = []string{"ledger", "board", "inbox"}

// add makes a reader ready to read again.
func (p *replaying) add(ctx context.Context, name string) (err error) {
	r := &again{ReplayedReader: &ReplayedReader{}, name: name, stuck: map[event.Source]bool{}}
	p.done.Readers[name] = r.ReplayedReader
	switch name {
	case "ledger":
		r.handler = reward.NewLedger(p.ledger, func(a reward.Applied) { r.add(a.Tally); p.booked(a) })
		shards, err := p.ledger.Progress(ctx, p.campaign.ID, p.campaign.Run)
		if err != nil {
			return err
		}
		r.before = map[int]event.Cursor{}
		for shard, at := range shards {
			r.before[shard] = at.Cursor
		}
	case "inbox":
		// Nobody waits with an open page for a notice that was lost: the worker pushes it, as all that has no receipt.
		quiet := func(context.Context, []reward.Notice) {}
		r.handler = reward.NewNotifier(p.inbox, quiet, func(d reward.Delivered) { r.add(d.Tally) })
		if r.before, err = p.inbox.Progress(ctx, p.campaign.ID, p.campaign.Run); err != nil {
			return err
		}
	case "board":
		if r.Skipped, err = p.boardless(ctx); err != nil || r.Skipped != "" {
			return err
		}
		scale := func(context.Context, string, int64) (leaderboard.Scale, error) { return scaleOf(p.campaign), nil }
		r.handler = leaderboard.NewReader(p.board, scale, func(a leaderboard.Applied) { r.add(a.Tally) })
		if err := p.makeWhole(ctx, r); err != nil {
			return err
		}
		if r.before, err = p.board.Progress(ctx, p.campaign.ID, p.campaign.Run); err != nil {
			return err
		}
	default:
		return fmt.Errorf("no reader is called %q", name)
	}
	if p.DryRun {
		cursors := map[event.Source]event.Cursor{}
		for shard, c := range r.before {
			cursors[p.campaign.Life().Source(shard)] = c
		}
		r.reading = event.NewReading(cursors)
	}
	p.readers = append(p.readers, r)
	return nil
}

// boardless tells why a run has no live board, if it has none.
func (p *replaying) boardless(ctx context.Context) (string, error) {
	if p.campaign.SettledAt != nil {
		return "the run is settled: its final board counts, which is the ledger's", nil
	}
	gone, err := p.campaigns.WasRetired(ctx, p.campaign.ID, p.campaign.Run)
	if gone {
		return "its keys were removed from Redis", nil
	}
	return "", err
}

// rebuildTries bounds how often a board is begun anew because a worker builds it at the same time.
const rebuildTries = 5

// makeWhole builds a board that is lost, or is to be built anew, from the run's whole log: part of it would leave it with a
// part of the players.
func (p *replaying) makeWhole(ctx context.Context, r *again) error {
	built, err := p.board.Built(ctx, p.campaign.Life())
	if err != nil || built && !p.Rebuild {
		return err
	}
	r.Rebuilt = true
	if p.DryRun {
		return nil
	}
	if p.Rebuild {
		if err := p.board.Reset(ctx, p.campaign.Life()); err != nil {
			return err
		}
	}
	for try := 1; ; try++ {
		_, err := p.rebuildBoardOf(ctx, p.campaign)
		var gap *event.GapError
		if !errors.As(err, &gap) {
			return err
		}
		if try == rebuildTries {
			r.Problems = append(r.Problems, "it could not be built: "+err.Error())
			return nil
		}
		pause(ctx, time.Duration(try)*200*time.Millisecond)
	}
}
