package reward

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// Kinds of movements in the book.
const (
	KindFund  = "fund"  // treasury -> run
	KindGrant = "grant" // run -> player
	KindClaim = "claim" // run -> player, for a round whose settle was lost
)

// Treasury is the account that funds come from and go back to.
const Treasury = "treasury"

// RunAccount holds what was funded and is not paid yet.
func RunAccount(campaign string, run int64) string { return fmt.Sprintf("run:%s.%d", campaign, run) }

// UserAccount is a player's.
func UserAccount(user string) string { return "user:" + user }

// ID names the one notice or entry of a kind that a round (or funding) gives rise to. It is both in letters
// that an URL takes as they are, so it is unique as the pair is, and the pair can be read from it.
func ID(kind, ref string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(kind + "." + ref))
}

// ParseID takes an id apart; kinds have no dot.
func ParseID(id string) (kind, ref string, err error) {
	text, err := base64.RawURLEncoding.DecodeString(id)
	kind, ref, ok := strings.Cut(string(text), ".")
	if err != nil || !ok {
		return "", "", fmt.Errorf("id %q: want letters that ID made", id)
	}
	return kind, ref, nil
}

// Entry is one line of a player's history.
type Entry struct {
	ID       string
	Kind     string
	Campaign string
	Run      int64
	Round    string // the round id, or the funding's
	Coins    int64
	At       time.Time
}

// Sums are a run's totals, counted from the rows themselves. With Settled rounds all booked,
// Funded = RunBalance + Granted, and UserDelta and ZeroSum are 0 at every moment.
type Sums struct {
	Rounds     int64 // rows, held ones included
	Granted    int64 // coins
	Held       int64 // coins
	HeldRounds int64
	Dead       int64 // entries that nobody could read
	Funded     int64 // coins, as booked fundings say
	RunBalance int64 // coins that the run's account has
	UserDelta  int64 // wallets of the run's winners less all their entries
	ZeroSum    int64 // all entries of the run
}
