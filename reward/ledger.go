package reward

import (
	"context"
	"fmt"

	"github.com/shake-live/shake/event"
)

// Applied is what one batch did to the ledger.
type Applied struct {
	event.Tally
	Rounds int   // rounds granted, those of no coins included
	Grants int   // rounds that paid
	Coins  int64 // paid by them

	Held            []Record  // overflow: somebody should look
	Refused         []Record  // rounds that came twice
	RefusedFundings []Funding // fundings that came twice
}

func (a *Applied) grant(paid int64) {
	a.Rounds++
	if paid > 0 {
		a.Grants++
		a.Coins += paid
	}
}

// Book stores the ledger.
type Book interface {
	// Apply books a batch in one transaction. On a gap it books what comes before it, and everything of
	// other sources, and returns that together with a *event.GapError. On any other error it booked nothing.
	Apply(ctx context.Context, entries []event.Entry) (Applied, error)
	// SkipDead passes over an entry that nobody could read, so that the next one is no gap.
	SkipDead(ctx context.Context, s event.Source, p event.Position, reason string) error
	// PutBack books an entry that was passed over, and moves no cursor; see event.Returner. One that was not passed over
	// is booked as a batch of its own.
	PutBack(ctx context.Context, e event.Entry, note string) (Applied, event.Return, error)
}

// Ledger is the consumer that books entries.
type Ledger struct {
	book  Book
	watch func(Applied)
}

// NewLedger tells watch about each batch: metrics hang there, and the log line for what is held or refused.
func NewLedger(book Book, watch func(Applied)) *Ledger {
	return &Ledger{book: book, watch: watch}
}

// Handle books a batch.
func (l *Ledger) Handle(ctx context.Context, entries []event.Entry) error {
	applied, err := l.book.Apply(ctx, entries)
	l.watch(applied)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// SkipDead passes over an entry that went to the dead letters.
func (l *Ledger) SkipDead(ctx context.Context, s event.Source, p event.Position, reason string) error {
	if err := l.book.SkipDead(ctx, s, p, reason); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// PutBack implements event.Returner.
func (l *Ledger) PutBack(ctx context.Context, e event.Entry, note string) (event.Return, error) {
	applied, r, err := l.book.PutBack(ctx, e, note)
	l.watch(applied)
	if err != nil {
		return r, fmt.Errorf("ledger: %w", err)
	}
	return r, nil
}
