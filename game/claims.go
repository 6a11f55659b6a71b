package game

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shake-live/shake/event"
)

// Booked is what the ledger has of a claimed round, and how far it has read the round's shard: both as of one moment.
type Booked struct {
	Found bool  // the round is there
	Held  bool  // and its coins wait for a review
	Coins int64 // of it

	Read event.Position // how far the ledger is in the shard
	Dead bool           // an entry of the shard, at the claim's position or later, could not be read
}

// Book is the ledger, asked about claims.
type Book interface {
	Booked(ctx context.Context, c Claim) (Booked, error)
}

// ClaimRequest pays a round whose settle was lost.
type ClaimRequest struct {
	Claim   Claim
	Granted int64 // chances the player has been given
	Read    int64 // the seq up to which the ledger had read the shard when it lacked the round
}

// Redeemed is what became of a claim.
type Redeemed struct {
	Coins   int64 // that the round brought
	Already bool  // the ledger has it
	Lost    bool  // nothing was paid since nobody asked for it: it would be
}

// ErrOtherRun says that a claim is of a run that can't pay any more: it is settled, or the campaign began anew. What was
// paid in it is in the ledger.
var ErrOtherRun = fmt.Errorf("%w: the claim's run is over", ErrNotLive)

// ErrNoCoins says that no coin is left that a claim could be paid with. The claim stays good.
var ErrNoCoins = fmt.Errorf("%w: the claim stays good", ErrPoolEmpty)

// ErrHeld says that the claim's round is in the ledger, and that somebody has to review it.
var ErrHeld = fmt.Errorf("%w: held for a review", ErrPending)

// Redeem gives the player's claim to the ledger, or has it paid where its settle was lost. The same claim again gives the
// same coins and pays nothing more. It answers ErrClaimInvalid, ErrNotYours, ErrNotFound (the campaign), ErrOtherRun,
// ErrNoCoins, ErrBusy, or ErrPending while the round may be on its way: ask again.
func (s *Service) Redeem(ctx context.Context, user, text string) (Redeemed, error) {
	claim, err := s.catalog.keys.OpenClaim(text)
	if err == nil && claim.Round.User != user {
		err = ErrNotYours
	}
	var r Redeemed
	if err == nil {
		r, err = s.redeem(ctx, claim)
	}
	s.observer.Claimed(outcome(r, err))
	return r, err
}

// Replay does the same for a claim out of a node's round log, whoever's it is, and tells the outcome in a word of
// ClaimOutcomes. Where dry, it pays nothing: the outcome of what would be is "lost".
func (s *Service) Replay(ctx context.Context, text string, dry bool) (r Redeemed, outcomeOf string, err error) {
	claim, err := s.catalog.keys.OpenClaim(text)
	if err == nil && dry {
		r, _, _, err = s.find(ctx, claim)
	} else if err == nil {
		r, err = s.redeem(ctx, claim)
	}
	if r.Lost {
		return r, "lost", err
	}
	return r, outcome(r, err), err
}

// redeem has paid what was lost.
func (s *Service) redeem(ctx context.Context, claim Claim) (Redeemed, error) {
	r, c, read, err := s.find(ctx, claim)
	if err != nil || !r.Lost {
		return r, err
	}
	return s.pay(ctx, c, ClaimRequest{Claim: claim, Granted: c.Chances, Read: read})
}

// find decides by the ledger whether a claim's round was lost. Once the ledger has read the beginning of a later epoch, it
// has read all of the claim's epoch that counts, so what it lacks will never come: see docs/adr/0007-claims.md. read is
// the seq up to which it has.
func (s *Service) find(ctx context.Context, claim Claim) (r Redeemed, c *Live, read int64, err error) {
	if c, err = s.catalog.Get(ctx, claim.Campaign); err != nil {
		return r, nil, 0, err
	}
	b, err := s.book.Booked(ctx, claim)
	switch {
	case err != nil:
		err = fmt.Errorf("%w: %w", ErrBusy, err)
	case b.Found && b.Held:
		err = ErrHeld
	case b.Found:
		r = Redeemed{Coins: b.Coins, Already: true}
	case claim.Run > c.Run: // this node will hear of it within a second
		err = ErrBusy
	case claim.Run < c.Run || c.SettledAt != nil:
		err = ErrOtherRun
	case claim.Shard != int64(c.Life.ShardOf(claim.Round.User)):
		err = ErrClaimInvalid
	case b.Dead || b.Read.Epoch <= claim.At.Epoch:
		err = ErrPending
	default:
		r = Redeemed{Coins: claim.Round.Paid, Lost: true}
	}
	return r, c, b.Read.Seq, err
}

// pay has the coins debited. A shard that is short gets coins and another try, as with an end.
func (s *Service) pay(ctx context.Context, c *Live, r ClaimRequest) (Redeemed, error) {
	for giveUp := time.Now().Add(shortWait); ; {
		coins, err := s.rounds.Claim(ctx, c, r)
		var short *ShortError
		if !errors.As(err, &short) {
			return Redeemed{Coins: coins}, err
		}
		s.observer.Short(c.ID)
		if time.Now().After(giveUp) {
			return Redeemed{}, ErrPending
		}
		if err := s.supply(ctx, c, int(r.Claim.Shard), short.Need); err != nil {
			return Redeemed{}, err
		}
	}
}

// ClaimOutcomes are the words that an Observer hears of claims.
var ClaimOutcomes = []string{"granted", "already_granted", "pending", "held", "pool_empty", "over", "invalid", "not_yours", "failed"}

// outcome names what became of a claim.
func outcome(r Redeemed, err error) string {
	for _, o := range []struct {
		is   error
		name string
	}{
		{ErrHeld, "held"}, {ErrPending, "pending"}, {ErrNoCoins, "pool_empty"}, {ErrOtherRun, "over"}, {ErrClaimInvalid, "invalid"}, {ErrNotYours, "not_yours"},
	} {
		if errors.Is(err, o.is) {
			return o.name
		}
	}
	switch {
	case err != nil:
		return "failed"
	case r.Already:
		return "already_granted"
	}
	return "granted"
}
