package game

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/inventory"
)

// What a player can be told instead of a round or a result. They are answers, not faults.
var (
	ErrNotLive    = errors.New("campaign is not live")
	ErrNoChances  = errors.New("no chances left")
	ErrRoundOpen  = errors.New("another round is open")
	ErrTooEarly   = errors.New("round has not lasted long enough")
	ErrTooLate    = errors.New("round is over for too long")
	ErrPoolEmpty  = errors.New("pool takes no new rounds")
	ErrConflict   = errors.New("round was ended with other shakes")
	ErrNotYours   = errors.New("round belongs to somebody else")
	ErrPending    = errors.New("result is not safe yet") // the same call again settles it one way or the other
	ErrOld        = errors.New("result is not in the shard any more")
	ErrBusy       = errors.New("busy")
	ErrOverloaded = errors.New("overloaded")
)

// WrongNumberError says that a round's number is not the next one.
type WrongNumberError struct{ Next int64 }

func (e *WrongNumberError) Error() string { return fmt.Sprintf("next round is number %d", e.Next) }

// ShortError says that the shard can't pay a round in full: draw, and settle again.
type ShortError struct{ Need int64 }

func (e *ShortError) Error() string { return fmt.Sprintf("shard lacks coins: needs %d", e.Need) }

// SkewError says that the caller's idea of the elapsed time can't be right.
type SkewError struct{ ElapsedMS int64 }

func (e *SkewError) Error() string {
	return fmt.Sprintf("clock is off: %d ms have elapsed", e.ElapsedMS)
}

// Grace is how much later an end may come that came in time before and found too few coins in its shard: its player is
// asked to come again, and must not be late for that.
const Grace = 5 * time.Second

// StartRequest begins a round.
type StartRequest struct {
	User    string
	Number  int64
	Granted int64 // chances the player has been given
	Closed  bool  // the pool takes no new rounds; an open one may still be asked for again
}

// Started is an open round.
type Started struct {
	Number int64
	At     int64 // ms, by the shard's clock
	Epoch  int64
}

// SettleRequest ends a round with the coins that its facts are worth.
type SettleRequest struct {
	Token     Token
	Shakes    int64
	ElapsedMS int64
	Computed  int64
	Granted   int64
}

// Settled is a settled round and where it was written.
type Settled struct {
	Round event.Round
	At    event.Position
	Safe  bool // on as many replicas as wanted
}

// Standing is where a player stands in a run.
type Standing struct {
	Number int64    // of the last round started
	Open   *Started // the round that can still be ended
	Last   *Settled // the last settled one
	Extra  int64    // coins that claims have brought beside its total
}

// Rounds keeps the rounds of a run's players. Every method may be called twice with the same arguments: the
// second call changes nothing and gives the same answer.
type Rounds interface {
	// Start answers ErrNotLive, ErrNoChances, ErrRoundOpen, ErrPoolEmpty or a *WrongNumberError.
	Start(ctx context.Context, c *Live, r StartRequest) (Started, error)
	// Settle answers ErrTooEarly, ErrTooLate, ErrConflict, ErrOld, a *ShortError or a *SkewError.
	Settle(ctx context.Context, c *Live, r SettleRequest) (Settled, error)
	// Claim pays a round whose settle was lost, in full and once, and gives its coins. It answers ErrPending while that
	// can't be told yet, a *ShortError, or ErrNoCoins.
	Claim(ctx context.Context, c *Live, r ClaimRequest) (coins int64, err error)
	Standing(ctx context.Context, c *Live, user string) (Standing, error)
	// Now is the clock of the player's shard, as far as it is known without asking.
	Now(ctx context.Context, c *Live, user string) time.Time
}

// Levels tells how full pools are.
type Levels interface {
	Level(ctx context.Context, run inventory.Run) (inventory.Level, error)
}

// Coins brings coins to a shard.
type Coins interface {
	Draw(ctx context.Context, run inventory.Run, shard int, need int64) (int64, error)
}

// Observer hears what is worth counting beside the answers.
type Observer interface {
	// Short: a round found its shard without enough coins.
	Short(campaign string)
	// Inflated: a round told more shakes than can be; what is over did not count, and the ledger keeps both.
	Inflated(campaign string)
	// Claimed: a claim was answered with one of ClaimOutcomes.
	Claimed(outcome string)
}

// Archive is where results go that the shard has no more room for.
type Archive interface {
	// Settled gives the result of a player's round. ErrPending while it may be on its way, ErrNotFound if it was
	// never settled.
	Settled(ctx context.Context, run inventory.Run, user string, number int64) (Settled, error)
	// Last gives the player's last settled round of a run, and the coins that claims have brought beside its total, or
	// ErrNotFound.
	Last(ctx context.Context, run inventory.Run, user string) (last Settled, extra int64, err error)
}
