// Package event carries what happened from the outboxes of the shards to everybody who acts on it:
// entries, the relay that moves them to Kafka, and the consumers that apply them in order, once.
package event

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
)

// Version is the entry schema's version. Consumers accept this one and lower. An entry is written with the lowest
// version that has its kind, so that a new kind does not hide all others from consumers that don't know it yet.
const Version = 2

// Kind says what one script call did to a source.
type Kind string

const (
	KindOpen   Kind = "open"   // a new epoch began: first opening or reopening
	KindStart  Kind = "start"  // rounds were started
	KindEnd    Kind = "end"    // rounds were settled
	KindFund   Kind = "fund"   // coins came into the bank from outside (negative: withdrawn or returned)
	KindDebit  Kind = "debit"  // coins left for a peer
	KindCredit Kind = "credit" // coins arrived from a peer
	KindDry    Kind = "dry"    // the shard may pay less than computed from here on (or no longer)
	KindClaim  Kind = "claim"  // rounds whose settle was lost were paid by their claims

	// KindFence exists in Kafka only: a worker that reopens a source puts it into the log before it reads
	// the log's tail. Entries of earlier epochs that land behind a fence are void. It has no seq.
	KindFence Kind = "fence"
)

// Version is the lowest version of the schema that has the kind.
func (k Kind) Version() int {
	if k == KindClaim {
		return 2
	}
	return 1
}

// Entry is what one script call changed in one source, written to the source's outbox in the same step.
// All times are milliseconds since 1970 by the clock of the Redis primary; coins are whole numbers.
type Entry struct {
	V    int  `json:"v"`
	Kind Kind `json:"kind"`
	Source
	Position
	At    int64 `json:"at"`
	State State `json:"state"` // after the change

	Starts   []Start   `json:"starts,omitempty"`
	Rounds   []Round   `json:"rounds,omitempty"`
	Lost     []Lost    `json:"lost,omitempty"` // of a claim: what was lost of each of the rounds
	Transfer *Transfer `json:"transfer,omitempty"`
	Funding  *Funding  `json:"funding,omitempty"`
	Open     *Open     `json:"open,omitempty"`
}

// State is the count of a source's coins. At every moment Funded + Received = Left + Issued + Sent.
type State struct {
	Left     int64 `json:"left"`
	Issued   int64 `json:"issued"`   // paid to players, ever
	Funded   int64 `json:"funded"`   // from outside less what went back outside; only the bank has any
	Sent     int64 `json:"sent"`     // to peers, ever
	Received int64 `json:"received"` // from peers, ever
	Dry      bool  `json:"dry,omitempty"`
}

// Balanced tells whether the state's identity holds and nothing is negative.
func (s State) Balanced() bool {
	return s.Funded+s.Received == s.Left+s.Issued+s.Sent &&
		s.Left >= 0 && s.Issued >= 0 && s.Sent >= 0 && s.Received >= 0
}

// Net is what a shard has had to give away: received from peers less sent back.
func (s State) Net() int64 { return s.Received - s.Sent }

// Start is one started round.
type Start struct {
	User   string `json:"user"`
	Number int64  `json:"number"`
	At     int64  `json:"at"`
}

// Round is one settled round with all facts that its coins follow from.
type Round struct {
	User        string `json:"user"`
	Number      int64  `json:"number"`
	StartEpoch  int64  `json:"start_epoch"` // the epoch in the round id
	StartedAt   int64  `json:"started_at"`
	Shakes      int64  `json:"shakes"`     // as sent by the player
	ElapsedMS   int64  `json:"elapsed_ms"` // counted play time, at most the round's length
	Computed    int64  `json:"computed"`   // what the curve gives for the facts, within the per-round cap
	Paid        int64  `json:"paid"`       // what was debited: computed, less the per-player cap, less what a dry shard lacked
	Total       int64  `json:"total"`      // the player's coins in this run, this round included
	ChancesLeft int64  `json:"chances_left"`
	SettledAt   int64  `json:"settled_at"`
}

// ID is the round id: campaign.run.epoch.user.number.
func (r Round) ID(s Source) string {
	return fmt.Sprintf("%s.%d.%d.%s.%d", s.Campaign, s.Run, r.StartEpoch, r.User, r.Number)
}

// Lost is what a claim said of the settle that was lost, and how it was made good.
type Lost struct {
	Position        // of the entry that was lost
	SettledAt int64 `json:"settled_at"` // then; the round's own is when it was paid
	// Beside says that the round did not become the player's last one: that one, or the one that is open, is another by
	// now. Extra is what rounds that were paid beside have brought since the last one was settled, this one included:
	// the player's coins are the last round's total and that.
	Beside bool  `json:"beside"`
	Extra  int64 `json:"extra"`
}

// Transfer is one side of a movement of coins between two sources of a run.
type Transfer struct {
	Peer   int   `json:"peer"`   // shard number or Bank
	Number int64 `json:"number"` // rises by one per pair and direction
	Amount int64 `json:"amount"`
}

// Funding is coins that came into the bank from outside, or (negative) went back. An amount of 0 says that coins were to
// go back and were not there any more.
type Funding struct {
	Number int64 `json:"number"` // rises by one per run
	Amount int64 `json:"amount"`
}

// Open says which server holds a source from now on.
type Open struct {
	Host     string   `json:"host"`     // the Redis run id
	Previous Position `json:"previous"` // the last position of the closed epoch that counts
}

// ErrPoison marks a message that no retry can make readable.
var ErrPoison = errors.New("unreadable entry")

// Encode gives the entry's JSON, the value of its Kafka message.
func (e Entry) Encode() ([]byte, error) {
	e.V = e.Kind.Version()
	return json.Marshal(e)
}

// Decode reads an entry and checks that it makes sense by itself.
func Decode(value []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(value, &e); err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrPoison, err)
	}
	if err := e.check(); err != nil {
		return Entry{}, fmt.Errorf("%w: %s %s: %w", ErrPoison, e.Source, e.Position, err)
	}
	return e, nil
}

func (e Entry) check() error {
	switch {
	case e.V < e.Kind.Version() || e.V > Version:
		return fmt.Errorf("version %d", e.V)
	case e.Campaign == "" || e.Run < 1 || e.Shard < Bank:
		return errors.New("no source")
	case e.Epoch < 1 || e.Seq < 0 || e.Seq == 0 && e.Kind != KindFence:
		return errors.New("no position")
	case !e.State.Balanced():
		return fmt.Errorf("state does not balance: %+v", e.State)
	}
	return e.checkBody()
}

func (e Entry) checkBody() error {
	var ok bool
	switch e.Kind {
	case KindStart:
		ok = len(e.Starts) > 0
	case KindEnd:
		ok = len(e.Rounds) > 0
	case KindClaim:
		ok = len(e.Rounds) > 0 && len(e.Rounds) == len(e.Lost)
	case KindDebit, KindCredit:
		ok = e.Transfer != nil && e.Transfer.Amount > 0 && e.Transfer.Number > 0
	case KindFund:
		ok = e.Funding != nil && e.Funding.Number > 0
	case KindOpen:
		ok = e.Open != nil && e.Open.Host != ""
	case KindDry, KindFence:
		ok = true
	default:
		return fmt.Errorf("unknown kind %q", e.Kind)
	}
	if !ok {
		return fmt.Errorf("%s entry without its body", e.Kind)
	}
	for _, r := range e.Rounds {
		if r.User == "" || r.Number < 1 || r.Paid < 0 || r.Paid > r.Computed || r.Total < r.Paid {
			return fmt.Errorf("round %s/%d does not add up", r.User, r.Number)
		}
	}
	for i, l := range e.Lost {
		if l.Epoch < 1 || l.Epoch >= e.Epoch || l.Seq < 1 || l.Extra < 0 || i >= len(e.Rounds) || l.Extra > e.Rounds[i].Total {
			return fmt.Errorf("claim of what was lost at %s does not add up", l.Position)
		}
	}
	return nil
}

// Paid is the sum of coins that the entry's rounds paid.
func (e Entry) Paid() int64 {
	var sum int64
	for _, r := range e.Rounds {
		sum += r.Paid
	}
	return sum
}
