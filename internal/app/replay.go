package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/roundlog"
)

// ClaimFilter chooses claims. The zero value of a field lets all through.
type ClaimFilter struct {
	Campaign     string
	Run          int64
	User         string
	Shards       []int
	Since, Until time.Time // of the settle
}

// none tells whether everything gets through.
func (f *ClaimFilter) none() bool {
	return f.Campaign == "" && f.Run == 0 && f.User == "" && f.Shards == nil && f.Since.IsZero() && f.Until.IsZero()
}

// passes judges a claim by what it says of itself. What says nothing gets through: it is told to be invalid.
func (f *ClaimFilter) passes(text string) bool {
	if f.none() {
		return true
	}
	c, err := game.PeekClaim(text)
	at := time.UnixMilli(c.Round.SettledAt)
	return err != nil ||
		(f.Campaign == "" || c.Campaign == f.Campaign) && (f.Run == 0 || c.Run == f.Run) && (f.User == "" || c.Round.User == f.User) &&
			(f.Shards == nil || slices.Contains(f.Shards, int(c.Shard))) &&
			(f.Since.IsZero() || !at.Before(f.Since)) && (f.Until.IsZero() || at.Before(f.Until))
}

// Replay says which claims are to be sent again: those of a round log, or those of a text.
type Replay struct {
	RoundLog string    // folder of a node's round log
	Claims   io.Reader // or a claim in each line

	Filter ClaimFilter
	Rate   int  // claims a second at most
	DryRun bool // look, and pay nothing

	Progress func(Replayed) // called every few seconds; nil: nobody
}

// Replayed is what a replay of claims has done.
type Replayed struct {
	Files    int            `json:"files"`
	Records  int            `json:"records"` // claims read
	Damaged  int            `json:"damaged"` // lines that were torn or damaged
	Skipped  int            `json:"skipped"` // claims that the filter left out
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

// Replay sends claims, one after the other, the way that players' claims go: what the ledger has stays as it is, what was
// lost is paid once. Again it does nothing more.
func (t Target) Replay(ctx context.Context, log *slog.Logger, r Replay) (done Replayed, err error) {
	if r.Claims == nil {
		if info, err := os.Stat(r.RoundLog); err != nil || !info.IsDir() {
			return done, errors.Join(err, fmt.Errorf("round log %q: want a folder: %w", r.RoundLog, fs.ErrNotExist))
		}
	}
	if err := t.exists(); err != nil {
		return done, err
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
	pace, told := newPace(r.Rate), time.Now()
	one := func(claim string) error {
		if !r.Filter.passes(claim) {
			done.Skipped++
			return nil
		}
		if err := pace.wait(ctx, 1); err != nil {
			return err
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
	}
	var report roundlog.Report
	var err error
	if r.Claims != nil {
		report, err = roundlog.ReadClaims(ctx, r.Claims, one)
	} else {
		report, err = roundlog.Read(ctx, r.RoundLog, one)
	}
	done.Files, done.Damaged = report.Files, report.Damaged
	return done, err
}

// pace keeps to a rate. What was missed is made up for by a second's worth at most.
type pace struct {
	each time.Duration
	next time.Time
}

func newPace(rate int) *pace {
	return &pace{each: time.Second / time.Duration(max(rate, 1)), next: time.Now()}
}

// wait waits until it is time, and takes n.
func (p *pace) wait(ctx context.Context, n int) error {
	if d := time.Until(p.next); d > 0 {
		pause(ctx, d)
	}
	p.next = p.next.Add(time.Duration(n) * p.each)
	if least := time.Now().Add(-time.Second); p.next.Before(least) {
		p.next = least
	}
	return ctx.Err()
}
