package inventory

import (
	"context"
	"errors"
	"time"

	"github.com/shake-live/shake/event"
)

// What a store answers when it does not do what it was asked. Nothing was changed, except with ErrUnsafe.
var (
	ErrBusy   = errors.New("pool is not open here, or did not answer in time") // ask again
	ErrStale  = errors.New("transfer number is not the next one")
	ErrEmpty  = errors.New("nothing left to send")
	ErrShort  = errors.New("less is left than is to be taken out")
	ErrLocked = errors.New("bank is locked by somebody else")
	ErrLost   = errors.New("somebody else has sealed or opened the pool")
	ErrUnsafe = errors.New("done, but not yet on enough replicas") // ask again: the repeat waits for them
	ErrGone   = errors.New("the log has it no longer")             // entries that a pool needs, so it stays closed
)

// Store keeps the pools. Every method may be called twice with the same arguments; the second call changes
// nothing and gives the same answer.
type Store interface {
	// Audit tells all that a pool counts, open or not.
	Audit(ctx context.Context, run Run, shard int) (Slice, error)

	// Fund brings coins into the bank from outside, or takes them out (ErrShort if they are not there), and tells what
	// came: whoever first carries a number out decides on its amount, and the last number gives its amount again.
	// ErrStale. The owner must hold the bank's lock (ErrLocked).
	Fund(ctx context.Context, run Run, owner string, f event.Funding) (amount int64, err error)
	// Debit takes want coins, or a part-th of what is left if that is more, or what is left if that is less,
	// out of the pool and gives the amount; the last number gives its amount again. ErrStale, ErrEmpty.
	Debit(ctx context.Context, run Run, shard, peer int, number, want, part int64) (amount int64, err error)
	// Credit puts the coins of a transfer from peer into the pool. ErrStale.
	Credit(ctx context.Context, run Run, shard int, from event.Transfer) error
	// Dry lets the shard pay less than computed, or takes that back. After until (unless zero): ErrLocked.
	Dry(ctx context.Context, run Run, shard int, dry bool, until time.Time) error
	// Lock takes or renews the bank's lock and tells when it ends; a ttl of zero gives it back. ErrLocked.
	Lock(ctx context.Context, run Run, owner string, ttl time.Duration) (until time.Time, err error)

	Reopening
}

// Reopening are the steps that give a pool to a new host. See Opener.
type Reopening interface {
	// Seal closes a pool whose host is another server than the one that answers, and claims its next epoch: at
	// least that much, above its last one, and above what was claimed before. A pool that is open here is left
	// alone: the epoch is 0. Nobody else can seal it for as long as hold says: ErrLocked. To renew a seal is to
	// prolong that; where it is no more, by whatever took its place, it is not set again: ErrLost.
	Seal(ctx context.Context, run Run, shard int, s Seal) (epoch int64, err error)
	// Restore sets a sealed pool and some of its players to what the log says. ErrLost.
	Restore(ctx context.Context, run Run, shard int, token string, r Restoration) error
	// Open hands the pool to the server that answers, in the claimed epoch, and sets its mark. ErrLost.
	Open(ctx context.Context, run Run, shard int, token string, epoch int64, mark event.Mark) error
}

// Order is a decision to move coins into a run's bank (or out of it: negative), made once under its id. It gets
// its number when it is stored, and is carried out by that number.
type Order struct {
	ID     string
	Amount int64
}

// Seal is a claim on a pool that is to be opened.
type Seal struct {
	Token string        // whose it is
	Least int64         // the claimed epoch at least
	Hold  time.Duration // nobody else can seal for so long
	Renew int64         // the epoch that Token has claimed, to prolong its hold; 0: claim one
	Force bool          // close a pool that is open here, too
}

// Slice is all that one pool counts.
type Slice struct {
	event.Source
	event.Position
	event.State
	Mark       event.Mark // where in the log the pool's next reopening may begin; zero: where the run began
	Exists     bool
	Open       bool                   // its host is the server that answers
	Host       string                 // run id of the server that it belongs to; "": it is sealed
	Seal       string                 // the last token that sealed it
	HeldUntil  time.Time              // while it is sealed: nobody else opens it before
	At         time.Time              // of the look, by the clock of its server
	ReopenedAt time.Time              // the beginning of its epoch
	Pending    int64                  // entries in its outbox
	Need       int64                  // a round here waits for so many coins; 0: none does
	Funding    event.Funding          // the last one; only the bank has any
	To         map[int]event.Transfer // the last transfer sent to each peer
	From       map[int]int64          // the number of the last transfer received from each peer
}

// Held tells whether somebody is at it who opens it, or moves it, and nobody else does meanwhile.
func (s *Slice) Held() bool { return s.Exists && s.Host == "" && s.HeldUntil.After(s.At) }

// Restoration is what entries of the log change in a pool, as values to set.
type Restoration struct {
	Position event.Position
	State    event.State
	Funding  event.Funding          // number 0: unchanged
	To       map[int]event.Transfer // changed ones
	From     map[int]int64          // changed ones
	Players  map[string]Player
}

// Player is what entries of the log say of one player.
type Player struct {
	Number    int64        // of the last round started or settled; 0: the entries have none but claims paid beside
	Open      bool         // that round is not settled
	StartedAt int64        // ms, of the open round
	Epoch     int64        // in which the open round was started
	Last      *event.Round // the last settled round, if one of the entries settled one
	LastAt    event.Position
	Extra     int64     // coins that claims paid beside the last round since it was settled; unchanged if neither Last nor Claims are set
	Claims    []Claimed // that the entries paid beside
}

// Claimed is a round that a claim paid beside the player's last one.
type Claimed struct {
	Epoch, Number int64 // of the round id
	Seq           int64 // of the entry that paid it
}
