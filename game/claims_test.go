package game_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/gametest"
	"github.com/shake-live/shake/inventory"
)

// nothing is a ledger that has read the beginning of the second epoch, and has no round.
type nothing struct{ read event.Position }

func (n nothing) Booked(context.Context, game.Claim) (game.Booked, error) {
	return game.Booked{Read: n.read}, nil
}

// outcomes is an observer of claims.
type outcomes struct{ heard []string }

func (o *outcomes) Short(string)           {}
func (o *outcomes) Inflated(string)        {}
func (o *outcomes) Claimed(outcome string) { o.heard = append(o.heard, outcome) }

// afterLoss is a node that can redeem what ann's round 1 brought before every pool lost it.
func afterLoss(t *testing.T) (at *table, s *game.Service, claim game.Result, heard *outcomes) {
	t.Helper()
	at, heard = newTable(t), &outcomes{}
	open := at.begin("ann", 1)
	claim, err := at.End(t.Context(), "demo", "ann", 1, open.Token, 60)
	at.must(err)
	life := at.c.Life()
	for _, pool := range life.Pools() {
		at.model.Rewind(life, pool, 0) // all is lost, and the log has nothing but how the pools were opened
		epoch, err := at.model.Seal(t.Context(), life, pool, inventory.Seal{Token: "again", Least: 2})
		at.must(err)
		at.must(at.model.Open(t.Context(), life, pool, "again", epoch, event.Mark{}))
	}
	_, err = inventory.NewKeeper(at.model, life, "test").Fund(t.Context(), event.Funding{Number: 1, Amount: at.c.Pool})
	at.must(err)
	s = game.New(game.Deps{
		Catalog: game.NewCatalog(newCopies(), at.origin, keyring(t, "new", "test"), at.clock, game.CacheOptions{}),
		Rounds:  at.rounds, Levels: sums{at.model}, Coins: at.coins, Archive: noArchive{}, Book: nothing{event.Position{Epoch: 2, Seq: 1}}, Observer: heard,
	})
	return at, s, claim, heard
}

// The coins lie in the bank: the claim draws them as an end does. The run's master key is not the current one any more.
func TestRedeem_drawsFromTheBank(t *testing.T) {
	at, s, lost, heard := afterLoss(t)
	for range 2 {
		got, err := s.Redeem(t.Context(), "ann", lost.Claim)
		at.must(err)
		if got != (game.Redeemed{Coins: lost.Coins}) || lost.Coins < 1 {
			t.Errorf("got %+v, want the %d coins of %s", got, lost.Coins, lost.ID)
		}
	}
	me, err := s.Me(t.Context(), "demo", "ann")
	at.must(err)
	if me.Coins != lost.Coins || me.Last == nil || me.Last.ID != lost.ID || me.NextNumber != 2 {
		t.Errorf("got %+v with last %+v, want round %s back", me, me.Last, lost.ID)
	}
	all, err := inventory.Audit(t.Context(), at.model, at.c.Life())
	at.must(err)
	if level := inventory.LevelOf(at.c.Life(), all, noon); level.Issued != lost.Coins {
		t.Errorf("%d coins are issued, want %d", level.Issued, lost.Coins)
	}
	if want := []string{"granted", "granted"}; !slices.Equal(heard.heard, want) {
		t.Errorf("heard of %v, want %v", heard.heard, want)
	}
}

// While no coins come the wait is bounded, and the claim stays good.
func TestRedeem_isPendingWhileNoCoinsCome(t *testing.T) {
	at, s, lost, heard := afterLoss(t)
	at.coins.err = inventory.ErrBusy
	began := time.Now()
	if _, err := s.Redeem(t.Context(), "ann", lost.Claim); !errors.Is(err, game.ErrPending) || time.Since(began) > time.Second {
		t.Errorf("got %v after %s, want ErrPending after a quarter of a second", err, time.Since(began))
	}
	at.coins.err = nil
	got, err := s.Redeem(t.Context(), "ann", lost.Claim)
	if at.must(err); got.Coins != lost.Coins {
		t.Errorf("got %+v, want %d coins", got, lost.Coins)
	}
	if want := []string{"pending", "granted"}; !slices.Equal(heard.heard, want) {
		t.Errorf("heard of %v, want %v", heard.heard, want)
	}
}

// A round log has everybody's claims, and who looks before he pays is told the same.
func TestReplay(t *testing.T) {
	at, s, lost, heard := afterLoss(t)
	if _, err := s.Redeem(t.Context(), "bob", lost.Claim); !errors.Is(err, game.ErrNotYours) {
		t.Errorf("sent by bob: got %v, want ErrNotYours", err)
	}
	for _, step := range []struct {
		dry  bool
		want string
	}{{true, "lost"}, {true, "lost"}, {false, "granted"}, {false, "granted"}} {
		got, outcome, err := s.Replay(t.Context(), lost.Claim, step.dry)
		if at.must(err); got.Coins != lost.Coins || outcome != step.want {
			t.Errorf("dry %v: got %+v %s, want %d coins %s", step.dry, got, outcome, lost.Coins, step.want)
		}
	}
	if _, outcome, err := s.Replay(t.Context(), lost.Claim+"A", false); !errors.Is(err, game.ErrClaimInvalid) || outcome != "invalid" {
		t.Errorf("of a damaged one: got %s, %v, want invalid", outcome, err)
	}
	if want := []string{"not_yours"}; !slices.Equal(heard.heard, want) {
		t.Errorf("heard of %v, want %v: only what players sent", heard.heard, want)
	}
}

var _ game.Rounds = (*gametest.Model)(nil)
