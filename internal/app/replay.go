package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/roundlog"
)

// Replay says what is to be sent again.
type Replay struct {
	RoundLog string // folder of a node's round log
	Rate     int    // claims a second at most
	DryRun   bool   // look, and pay nothing

	Progress func(Replayed) // called every few seconds; nil: nobody
}

// Replayed is what a replay has done.
type Replayed struct {
	Files    int            `json:"files"`
	Records  int            `json:"records"` // claims read
	Damaged  int            `json:"damaged"` // lines that were torn or damaged
	Outcomes map[string]int `json:"outcomes"`
	Coins    int64          `json:"coins"` // of claims that were granted now, or are lost and would be
	DryRun   bool           `json:"dry_run"`
	Errors   []string       `json:"errors,omitempty"` // the first ones of those that failed
}

// Open are the claims that were neither granted nor in the ledger.
func (r Replayed) Open() (n int) {
	for _, outcome := range []string{"pending", "held", "pool_empty", "failed"} {
		n += r.Outcomes[outcome]
	}
	return n
}

const (
	progressEvery = 2 * time.Second
	maxErrors     = 10
)

// Replay sends the claims of a node's round log, one after the other, the way that players' claims go: what the ledger has
// stays as it is, what was lost is paid once. Again it does nothing more.
func (t Target) Replay(ctx context.Context, log *slog.Logger, r Replay) (done Replayed, err error) {
	if info, err := os.Stat(r.RoundLog); err != nil || !info.IsDir() {
		return done, errors.Join(err, fmt.Errorf("round log %q: want a folder: %w", r.RoundLog, fs.ErrNotExist))
	}
	err = t.with(ctx, log, true, func(s *stack) error {
		plays := game.New(game.Deps{
			Catalog: s.catalog, Rounds: s.rounds, Levels: s.view, Coins: newDraws(s.pools), Archive: archive{s.ledger}, Book: book{s.ledger},
		})
		done, err = replay(ctx, plays.Replay, r)
		return err
	})
	return done, err
}

type replayer func(ctx context.Context, claim string, dry bool) (game.Redeemed, string, error)

func replay(ctx context.Context, send replayer, r Replay) (Replayed, error) {
	done := Replayed{Outcomes: map[string]int{}, DryRun: r.DryRun}
	next, told := time.Now(), time.Now()
	report, err := roundlog.Read(ctx, r.RoundLog, func(claim string) error {
		wait(ctx, time.Until(next))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		next = next.Add(time.Second / time.Duration(r.Rate))
		if now := time.Now(); next.Before(now.Add(-time.Second)) {
			next = now.Add(-time.Second) // what was missed is made up for by a second's worth at most
		}
		one, outcome, err := send(ctx, claim, r.DryRun)
		done.Records++
		done.Outcomes[outcome]++
		if outcome == "granted" || outcome == "lost" {
			done.Coins += one.Coins
		}
		if outcome == "failed" && len(done.Errors) < maxErrors {
			done.Errors = append(done.Errors, err.Error())
		}
		if r.Progress != nil && time.Since(told) > progressEvery {
			told = time.Now()
			r.Progress(done)
		}
		return nil
	})
	done.Files, done.Damaged = report.Files, report.Damaged
	return done, err
}

// wait waits, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	if d > 0 {
		pause(ctx, d)
	}
}
