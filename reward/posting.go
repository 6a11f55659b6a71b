package reward

import (
	"fmt"
	"maps"
	"strings"

	"github.com/shake-live/shake/event"
)

// Count is the coins of one source. Left and Issued are what its last entry reported; all the rest the
// ledger has counted itself, from the entries it took.
type Count struct {
	Left, Issued           int64
	Funded, Sent, Received int64
	Granted                int64 // coins paid
	Held                   int64 // coins of rounds that wait for a review
	Refused                int64 // coins of rounds that came twice
	Rounds                 int64 // rounds seen, refused ones included
}

// room is what the source may still grant: it cannot give away more than it got.
func (c Count) room() int64 { return c.Received - c.Sent - c.Granted }

// Shard is how far the ledger is in one source, and what it has counted there.
type Shard struct {
	event.Cursor
	Count
	Dead int64 // entries passed over because nobody could read them
}

// Funding is one movement of coins between the treasury and a run.
type Funding struct {
	event.Funding
	Source   event.Source
	Position event.Position
	At       int64 // ms
}

// ID is campaign.run.fund.number.
func (f Funding) ID() string {
	return fmt.Sprintf("%s.%d.fund.%d", f.Source.Campaign, f.Source.Run, f.Number)
}

// Posting is all that one batch changes in the ledger: worked out here, without a database, and written by
// the store in one transaction.
type Posting struct {
	Cursors  map[event.Source]event.Cursor
	Counts   map[event.Source]Count
	Rounds   []Record
	Released []Record // rows that were held, and are paid now
	Fundings []Funding
	Applied  Applied
}

// Post works out what a batch changes, given where the ledger is. known holds the ids of the batch's rounds
// and fundings that the ledger has already, from other positions: they pay nothing again.
func Post(cursors map[event.Source]event.Cursor, counts map[event.Source]Count,
	entries []event.Entry, known map[string]bool) Posting {
	reading := event.NewReading(maps.Clone(cursors))
	p := Posting{Cursors: reading.Cursors, Counts: maps.Clone(counts), Rounds: make([]Record, 0, rounds(entries))}
	seen := poster{Posting: &p, known: known, fresh: map[string]bool{}}
	for _, e := range entries {
		if reading.Take(e) && e.Kind != event.KindFence {
			seen.entry(e)
		}
	}
	p.Applied.Tally = reading.Tally
	return p
}

// PostBack works out what an entry changes that the ledger has passed over: all that it would have in its turn. The
// ledger is at a later place, whose left and issued stay. held are the rounds of the source that wait for a review, the
// oldest first: those that now find the coins are paid whose want they were held for.
func PostBack(at event.Cursor, count Count, e event.Entry, known map[string]bool, held []Record) Posting {
	p := Posting{Counts: map[event.Source]Count{e.Source: count}}
	seen := poster{Posting: &p, known: known, fresh: map[string]bool{}}
	if e.Kind != event.KindFence {
		seen.entry(e)
	}
	c := p.Counts[e.Source]
	if at.Position != e.Position {
		c.Left, c.Issued = count.Left, count.Issued
	}
	for _, r := range held {
		if r.Paid > c.room() {
			break // in the order in which they came, as if the entry had not been missing
		}
		c.Held, c.Granted = c.Held-r.Paid, c.Granted+r.Paid
		r.State, r.Reason = Granted, claimedPart(r.Reason)
		p.Released = append(p.Released, r)
		p.Applied.Grants++
		p.Applied.Coins += r.Paid
	}
	p.Counts[e.Source] = c
	p.Applied.Entries = 1
	return p
}

// claimedPart is what the reason of a held round says besides why it is held.
func claimedPart(reason string) string {
	if claimed, _, found := strings.Cut(reason, heldApart); found {
		return claimed
	}
	return ""
}

// heldApart stands between the two reasons of a claimed round that is held.
const heldApart = "; "

func rounds(entries []event.Entry) (n int) {
	for i := range entries {
		n += len(entries[i].Rounds)
	}
	return n
}

type poster struct {
	*Posting
	known map[string]bool
	fresh map[string]bool // ids of this batch
}

func (p *poster) entry(e event.Entry) {
	c := p.Counts[e.Source]
	c.Left, c.Issued = e.State.Left, e.State.Issued
	switch e.Kind {
	case event.KindFund:
		p.fund(&c, e)
	case event.KindDebit:
		c.Sent += e.Transfer.Amount
	case event.KindCredit:
		c.Received += e.Transfer.Amount
	case event.KindEnd:
		for _, r := range e.Rounds {
			p.settle(&c, e, r, "")
		}
	case event.KindClaim:
		for i, r := range e.Rounds {
			p.settle(&c, e, r, ClaimReason(e.Lost[i]))
		}
	}
	p.Counts[e.Source] = c
}

func (p *poster) fund(c *Count, e event.Entry) {
	f := Funding{Funding: *e.Funding, Source: e.Source, Position: e.Position, At: e.At}
	if p.twice(f.ID()) {
		p.Applied.RefusedFundings = append(p.Applied.RefusedFundings, f)
		return
	}
	c.Funded += f.Amount
	p.Fundings = append(p.Fundings, f)
}

func (p *poster) settle(c *Count, e event.Entry, r event.Round, reason string) {
	rec := Record{Round: r, ID: r.ID(e.Source), Source: e.Source, Position: e.Position, State: Granted, Reason: reason}
	c.Rounds++
	if p.twice(rec.ID) {
		c.Refused += r.Paid
		rec.State, rec.Reason = Refused, "settled at another position"
		p.Applied.Refused = append(p.Applied.Refused, rec)
		return
	}
	if r.Paid > 0 && r.Paid > c.room() {
		c.Held += r.Paid
		rec.State = Held
		if reason != "" {
			rec.Reason += heldApart
		}
		rec.Reason += fmt.Sprintf("paid %d with %d left of what the shard received", r.Paid, c.room())
		p.Applied.Held = append(p.Applied.Held, rec)
	} else {
		c.Granted += r.Paid
		p.Applied.grant(r.Paid)
	}
	p.Rounds = append(p.Rounds, rec)
}

// twice tells whether the id is the ledger's already, and remembers it.
func (p *poster) twice(id string) bool {
	if p.known[id] || p.fresh[id] {
		return true
	}
	p.fresh[id] = true
	return false
}
