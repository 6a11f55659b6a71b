package reconcile

import (
	"fmt"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/reward"
)

// pool is what one look knows of one pool and its readers.
type pool struct {
	source        event.Source
	before, after inventory.Slice // audits around what is read of Redis
	open          bool            // both of them found it open, so that it is compared
	stop          event.Position  // where the history ends for this look; zero: at the log's end

	ledger   reward.Shard
	notified event.Cursor
	board    event.Position

	// The history, as far as it was read.
	cursor     event.Cursor
	state      event.State
	stateKnown bool // the entry before was read, so the next one must follow from it
	relayed    int64
	rounds     int64
	coins      int64
	repeats    int64
	voids      int64
	gaps       []gap
	dead       []event.Position
	unseen     event.State // what entries that nobody can read changed, as the next one that can be read shows
	unread     bool        // the entry before is such a one
	letters    map[event.Position]*letter
	last       *letter          // of the entry before, if it was put back
	passed     []event.Position // entries that the history knows, and the ledger has passed over
	told       event.State      // left and issued, as the last entry says that the ledger has
	funding    event.Funding
	to         map[int]event.Transfer
	from       map[int]int64

	atLedger       event.State // where the ledger's cursor stands
	unseenAtLedger event.State
	toldAtLedger   event.State
	unseenRounds   int64 // of the entries in passed
	roundsAtLedger int64
	counted        event.Position // the last one at which the ledger's counters are right
	known          bool           // there is such a one
	right          bool           // they are right at the cursor

	stuck   bool // the history stopped at missing for want of the next entry; see readPartition
	missing event.Position
	broken  bool // an entry does not follow from the one before
}

// gap is entries that are nowhere.
type gap struct {
	after  event.Position
	before event.Position // the next one that is there
	stored bool           // that one is in the log: so the hole is the log's, else the outbox's
}

func (g gap) has(p event.Position) bool { return g.after.Before(p) && p.Before(g.before) }

// settle decides from the audits what can be compared.
func (p *pool) settle() error {
	p.open = p.before.Open && p.after.Open
	if p.open && p.before.Epoch != p.after.Epoch {
		return fmt.Errorf("%s: %w", p.source, ErrMoved)
	}
	if p.open {
		p.stop = p.after.Position
	}
	p.compare()
	return nil
}

// reached tells whether the history was read as far as it is compared.
func (p *pool) reached() bool { return p.open && !p.cursor.Position.Before(p.stop) }

// beyond tells whether a position is none of this look's.
func (p *pool) beyond(at event.Position) bool { return p.open && p.stop.Before(at) }

func (p *pool) lost(at event.Position) bool {
	for _, g := range p.gaps {
		if g.has(at) {
			return true
		}
	}
	for _, d := range p.dead {
		if d == at {
			return true
		}
	}
	return false
}

// compare holds the ledger's counters beside the history at its present place.
func (p *pool) compare() {
	at, c := p.cursor.Position, p.ledger.Count
	if !p.ledger.Position.Before(at) {
		p.atLedger, p.unseenAtLedger, p.roundsAtLedger, p.toldAtLedger = p.state, p.unseen, p.rounds-p.unseenRounds, p.told
	}
	s, u := p.state, p.unseen
	same := c.Left == p.told.Left && c.Issued == p.told.Issued && c.Funded == s.Funded-u.Funded && c.Sent == s.Sent-u.Sent &&
		c.Received == s.Received-u.Received && c.Granted+c.Held+c.Refused == s.Issued-u.Issued &&
		(c.Rounds == p.rounds-p.unseenRounds || len(p.gaps) > 0)
	if same {
		p.counted, p.known = at, true
		p.right = p.right || at == p.ledger.Position
	}
}

// after is the state that an entry must leave behind.
func follow(s event.State, e *event.Entry) event.State {
	s.Dry = e.State.Dry
	switch e.Kind {
	case event.KindEnd, event.KindClaim:
		paid := e.Paid()
		s.Left, s.Issued = s.Left-paid, s.Issued+paid
	case event.KindFund:
		s.Left, s.Funded = s.Left+e.Funding.Amount, s.Funded+e.Funding.Amount
	case event.KindDebit:
		s.Left, s.Sent = s.Left-e.Transfer.Amount, s.Sent+e.Transfer.Amount
	case event.KindCredit:
		s.Left, s.Received = s.Left+e.Transfer.Amount, s.Received+e.Transfer.Amount
	}
	return s
}

// clear tells whether nothing of the pool's history is in doubt.
func (p *pool) clear() bool {
	return len(p.gaps) == 0 && len(p.dead) == 0 && len(p.passed) == 0 && !p.broken
}

func (p *pool) figures() Shard {
	s := Shard{
		Shard: p.source.Shard, Open: p.open, Position: p.cursor.Position, State: p.state, Rounds: p.rounds, Coins: p.coins,
		Voids: p.voids, Repeats: p.repeats, Pending: p.cursor.Seq - p.relayed,
		LedgerAt: p.ledger.Position, Lag: max(0, p.cursor.Seq-p.ledger.Seq), Granted: p.ledger.Granted, Held: p.ledger.Held, Refused: p.ledger.Refused,
		Dead: p.ledger.Dead, DeadCoins: p.unseenAtLedger.Issued, NoticesAt: p.notified.Position,
	}
	s.LagCoins = p.state.Issued - p.atLedger.Issued
	return s
}

func stateText(s event.State) string {
	return fmt.Sprintf("left %d, issued %d, funded %d, sent %d, received %d", s.Left, s.Issued, s.Funded, s.Sent, s.Received)
}
