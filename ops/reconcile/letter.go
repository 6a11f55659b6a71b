package reconcile

import (
	"context"
	"fmt"

	"github.com/shake-live/shake/event"
)

// Readers as the records of dead letters name them.
const (
	ledgerReader  = "ledger"
	noticesReader = "notices"
	boardReader   = "board"
)

// letter is all that is on record about one entry that somebody could not read.
type letter struct {
	entry *event.Entry // what was put back, with whomever; nil: nothing was
	note  string
	state map[string]bool // by reader that passed over it: it was put back with this one
}

// misses tells whether the reader has passed over the entry, and not got it back.
func (l *letter) misses(reader string) bool {
	if l == nil {
		return false
	}
	back, passed := l.state[reader]
	return passed && !back
}

// sure tells whether the board must have the entry. It keeps no record of what it passes over.
func (l *letter) sure() bool { return l == nil || l.state[boardReader] }

// readLetters takes what is on record about entries that could not be read. What the ledger has got back stands in the
// history in their place, or else what another reader has.
func (l *look) readLetters(ctx context.Context, b Snapshot) error {
	list, err := b.Letters(ctx)
	if err != nil {
		return err
	}
	for _, r := range list {
		p := l.pool(r.Shard)
		if p == nil {
			continue
		}
		known := p.letters[r.At]
		if known == nil {
			known = &letter{state: map[string]bool{}}
			p.letters = put(p.letters, r.At, known)
		}
		known.state[r.Reader] = r.Back
		if !r.Back || known.entry != nil && r.Reader != ledgerReader {
			continue
		}
		e, err := event.Decode(r.Entry)
		if err == nil && (e.Source != p.source || e.Position != r.At) {
			err = fmt.Errorf("it is %s %s", e.Source, e.Position)
		}
		if err != nil {
			l.found(Finding{Identity: OfLedger, Kind: "ledger.letter", Shard: r.Shard, Want: "an entry that can be read", Got: "at " + r.At.String() + ": " + err.Error(),
				Detail: r.Note, Human: "the record of what was put back is damaged"})
			continue
		}
		known.entry, known.note = &e, r.Note
	}
	return nil
}

// part is what an entry by itself does to the state of its pool.
func part(e *event.Entry) event.State {
	after := follow(event.State{}, e)
	after.Left, after.Dry = 0, false
	return after
}

// miss notes what the ledger has not counted of an entry that the history knows.
func (p *pool) miss(e *event.Entry) {
	d := part(e)
	p.unseen.Issued += d.Issued
	p.unseen.Funded += d.Funded
	p.unseen.Sent += d.Sent
	p.unseen.Received += d.Received
	p.unseenRounds += int64(len(e.Rounds))
	p.passed = append(p.passed, e.Position)
}

// unfit says that something that was put back does not fit between its neighbours.
func (l *look) unfit(p *pool, of *letter, want, got string) *Finding {
	f := l.found(Finding{Identity: OfLedger, Kind: "ledger.letter", Shard: p.source.Shard, Want: want, Got: got, Detail: of.note,
		Human: "what was put back says something else than the pool: coins may have been granted that it never issued"})
	for i := range of.entry.Rounds {
		f.add(of.entry.Rounds[i].ID(of.entry.Source))
	}
	return f
}
