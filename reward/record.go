package reward

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/shake-live/shake/event"
)

// State is what the ledger did with a round.
type State string

const (
	Granted State = "granted" // paid
	Held    State = "held"    // kept, and nothing paid until somebody has reviewed it
	Refused State = "refused" // the same round from another position: never stored, never paid
)

// Record is one round as the ledger keeps it.
type Record struct {
	event.Round
	ID       string // the round id
	Source   event.Source
	Position event.Position // of the entry that settled it
	State    State
	Reason   string // why it is held or refused, or that it came by its claim
}

// ReasonClaim is how the reason of a round begins that its claim has paid: what a claim brought is told from what an end
// brought without a column that nearly no row needs.
const ReasonClaim = "claimed"

// ClaimReason is the reason of a round that its claim has paid.
func ClaimReason(lost event.Lost) string {
	return fmt.Sprintf("%s: its settle at %s was lost", ReasonClaim, lost.Position)
}

// Kind is the kind of the movement that pays the round.
func (r Record) Kind() string {
	if strings.HasPrefix(r.Reason, ReasonClaim) {
		return KindClaim
	}
	return KindGrant
}

// Booked is what the ledger has of one round, and how far it has read the round's shard: both as of one moment.
type Booked struct {
	Found bool
	State State
	Paid  int64
	Read  event.Position // zero before anything was read
	Dead  int64          // entries of the shard, from the position on that was asked for, that nobody could read
}

// RoundID is a round id taken apart.
type RoundID struct {
	Campaign string
	Run      int64
	Epoch    int64
	User     string
	Number   int64
}

// ParseRoundID reads campaign.run.epoch.user.number. Only the user may have dots in it.
func ParseRoundID(id string) (RoundID, error) {
	head := strings.SplitN(id, ".", 4)
	if len(head) < 4 || head[0] == "" {
		return RoundID{}, fmt.Errorf("round %q: want campaign.run.epoch.user.number", id)
	}
	dot := strings.LastIndexByte(head[3], '.')
	if dot < 1 {
		return RoundID{}, fmt.Errorf("round %q: no user or no number", id)
	}
	run, err1 := strconv.ParseInt(head[1], 10, 64)
	epoch, err2 := strconv.ParseInt(head[2], 10, 64)
	number, err3 := strconv.ParseInt(head[3][dot+1:], 10, 64)
	r := RoundID{Campaign: head[0], Run: run, Epoch: epoch, User: head[3][:dot], Number: number}
	if err1 != nil || err2 != nil || err3 != nil || r.String() != id {
		return RoundID{}, fmt.Errorf("round %q: run, epoch and number must be whole numbers", id)
	}
	return r, nil
}

// String puts the id together again.
func (r RoundID) String() string {
	return event.Round{StartEpoch: r.Epoch, User: r.User, Number: r.Number}.
		ID(event.Source{Campaign: r.Campaign, Run: r.Run})
}

// RunOf reads campaign and run from the front of a round's or funding's id.
func RunOf(ref string) (campaign string, run int64, err error) {
	parts := strings.SplitN(ref, ".", 3)
	if len(parts) == 3 {
		run, err = strconv.ParseInt(parts[1], 10, 64)
	}
	if len(parts) < 3 || err != nil {
		return "", 0, fmt.Errorf("ref %q: want campaign.run and more", ref)
	}
	return parts[0], run, nil
}
