package letters

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shake-live/shake/event"
)

// Outcome is what came of a sending.
type Outcome string

// What can come of it.
const (
	Sent      Outcome = "counted"   // it counts for its group from now on
	Counted   Outcome = "already"   // it did before
	Void      Outcome = "void"      // it never will: its host had lost the source
	Buried    Outcome = "buried"    // nobody can read it still: it is a letter anew
	Gap       Outcome = "gap"       // its reader has not come so far: entries before it are missing
	Other     Outcome = "other"     // another entry was put back in its place
	NoReader  Outcome = "no_reader" // its group is none of ours
	Before    Outcome = "resent"    // it was sent before, and nobody asked for it again
	WouldSend Outcome = "would_send"
	WouldBury Outcome = "would_bury"
)

// Outcomes are all of them.
var Outcomes = []Outcome{Sent, Counted, Void, Buried, Gap, Other, NoReader, Before, WouldSend, WouldBury}

// Open tells whether the letter still wants somebody.
func (o Outcome) Open() bool {
	switch o {
	case Buried, Gap, Other, NoReader, WouldBury:
		return true
	}
	return false
}

// Order says what is to be sent.
type Order struct {
	IDs    []ID   // these, or
	Filter Filter // all that it lets through, the oldest first
	Max    int    // letters at most
	Every  time.Duration
	DryRun bool
	Again  bool // also what was sent before
	By     Who

	Progress func(done, of int)
}

// Result is one letter of an order.
type Result struct {
	Letter
	Outcome   Outcome
	Successor string // the letter that it was buried in anew
	Why       string // of an outcome that is open
}

// Resend sends letters again, one after the other, each to the group that buried it. It ends at the first error of a
// system; what was done until then is done, and the same order again goes on behind it. more tells how many letters the
// filter let through beyond Max.
func (d *Desk) Resend(ctx context.Context, o Order) (results []Result, more int64, err error) {
	list, more, err := d.gather(ctx, o)
	if err != nil {
		return nil, 0, err
	}
	next := time.Now()
	for i, l := range list {
		if err := until(ctx, next); err != nil {
			return results, more, err
		}
		next = time.Now().Add(o.Every)
		r, err := d.resend(ctx, l, o)
		if err != nil {
			return results, more, fmt.Errorf("resend %s: %w", l.ID, err)
		}
		results = append(results, r)
		if o.Progress != nil {
			o.Progress(i+1, len(list))
		}
	}
	return results, more, nil
}

func (d *Desk) gather(ctx context.Context, o Order) (list []Letter, more int64, err error) {
	if len(o.IDs) == 0 {
		f := o.Filter
		f.Waiting = f.Waiting || !o.Again
		return d.List(ctx, f, o.Max, true, nil)
	}
	seen := map[ID]bool{}
	for _, id := range o.IDs {
		if seen[id] {
			continue
		}
		seen[id] = true
		l, err := d.Letter(ctx, id)
		if err != nil {
			return nil, 0, err
		}
		list = append(list, l)
	}
	n := min(len(list), o.Max)
	return list[:n], int64(len(list) - n), nil
}

func until(ctx context.Context, at time.Time) error {
	t := time.NewTimer(max(0, time.Until(at)))
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (d *Desk) resend(ctx context.Context, l Letter, o Order) (Result, error) {
	r := Result{Letter: l}
	reader, ours := d.Readers[l.Group()]
	e, unread := l.Entry()
	switch {
	case !l.Waits() && !o.Again:
		r.Outcome, r.Why = Before, "sent before: "+string(l.Resends[len(l.Resends)-1].Outcome)
		return r, nil
	case !ours:
		r.Outcome, r.Why = NoReader, fmt.Sprintf("group %q is none of ours", l.Group())
		return r, nil
	case unread != nil && o.DryRun:
		r.Outcome, r.Why = WouldBury, unread.Error()
		return r, nil
	case o.DryRun:
		r.Outcome = WouldSend
		return r, nil
	case unread != nil:
		again, err := d.bury(ctx, l, unread)
		if err != nil {
			return r, err
		}
		r.Outcome, r.Why, r.Successor = Buried, unread.Error(), again
	default:
		returned, err := reader.PutBack(ctx, e, d.note(l, o.By))
		var gap *event.GapError
		switch {
		case errors.As(err, &gap):
			r.Outcome, r.Why = Gap, err.Error()
			return r, nil // nothing has happened, so it waits on
		case errors.Is(err, event.ErrOther):
			r.Outcome, r.Why = Other, err.Error()
		case err != nil:
			return r, err
		default:
			r.Outcome = Outcome(returned)
		}
	}
	return r, d.Store.Resent(ctx, Resend{
		Letter: l.ID, At: d.Clock.Now(), By: o.By, Edit: l.Edited(), Outcome: r.Outcome, Successor: r.Successor,
	})
}

// note tells where an entry came from that was put back.
func (d *Desk) note(l Letter, by Who) string {
	text := fmt.Sprintf("letter %s, sent again by %s", l.ID, by.Name)
	if n := len(l.Edits); n > 0 {
		text += fmt.Sprintf(", edited by %s: %s", l.Edits[n-1].By.Name, l.Edits[n-1].Why)
	}
	return text
}

// bury makes a letter anew of what was sent and can't be read.
func (d *Desk) bury(ctx context.Context, l Letter, reason error) (successor string, err error) {
	m := l.Message
	m.Value = l.Value()
	letter := []event.Message{event.Letter(m, d.Topic, l.Group(), reason)}
	letter[0].Headers[event.HeaderAgain] = l.ID.String()
	if err := d.Send.Produce(ctx, letter...); err != nil {
		return "", err
	}
	if letter[0].Offset < 0 { // it lies there, and Kafka no longer knows where
		return d.Topic, nil
	}
	return ID{d.Topic, letter[0].Partition, letter[0].Offset}.String(), nil
}
