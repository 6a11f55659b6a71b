package reward

import (
	"context"
	"fmt"

	"github.com/shake-live/shake/event"
)

// Delivered is what one batch did to the inboxes.
type Delivered struct {
	event.Tally
	Notices int      // written; one that was there already is not counted
	Fresh   []Notice // of the entries taken: what is to be pushed
}

// Mailbox stores notices.
type Mailbox interface {
	// Apply writes the notices of a batch in one transaction, with its own cursors; gaps as in Book.
	Apply(ctx context.Context, entries []event.Entry) (Delivered, error)
	// SkipDead passes over an entry that nobody could read, so that the next one is no gap.
	SkipDead(ctx context.Context, s event.Source, p event.Position, reason string) error
	// PutBack writes the notices of an entry that was passed over, as in Book.
	PutBack(ctx context.Context, e event.Entry, note string) (Delivered, event.Return, error)
}

// Notifier is the consumer that writes a notice for each round that paid, and pushes it.
type Notifier struct {
	mailbox Mailbox
	push    func(context.Context, []Notice)
	watch   func(Delivered)
}

// NewNotifier hands push the notices of each batch once they are written, and tells watch about the batch.
func NewNotifier(mailbox Mailbox, push func(context.Context, []Notice), watch func(Delivered)) *Notifier {
	return &Notifier{mailbox: mailbox, push: push, watch: watch}
}

// Handle writes the notices of a batch.
func (n *Notifier) Handle(ctx context.Context, entries []event.Entry) error {
	delivered, err := n.mailbox.Apply(ctx, entries)
	n.watch(delivered)
	n.push(ctx, delivered.Fresh)
	if err != nil {
		return fmt.Errorf("notices: %w", err)
	}
	return nil
}

// SkipDead passes over an entry that went to the dead letters.
func (n *Notifier) SkipDead(ctx context.Context, s event.Source, p event.Position, reason string) error {
	if err := n.mailbox.SkipDead(ctx, s, p, reason); err != nil {
		return fmt.Errorf("notices: %w", err)
	}
	return nil
}

// PutBack implements event.Returner.
func (n *Notifier) PutBack(ctx context.Context, e event.Entry, note string) (event.Return, error) {
	delivered, r, err := n.mailbox.PutBack(ctx, e, note)
	n.watch(delivered)
	n.push(ctx, delivered.Fresh)
	if err != nil {
		return r, fmt.Errorf("notices: %w", err)
	}
	return r, nil
}
