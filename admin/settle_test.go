package admin_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shake-live/shake/admin"
	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/reward"
)

// closing is a desk whose show is over, with 100 coins won, and books that agree unless a test changes them.
type closing struct {
	*desk
	c       *game.Campaign
	ledger  func(map[int]reward.Shard)
	reader  func(map[int]event.Cursor)
	freeze  error
	frozen  int
	failing error // of the ledger
}

// The last round that could be open is over 40 s after the end: 10 s of play, and 30 s to be late.
const over = 2*time.Hour - 55*time.Minute + 40*time.Second

// margin is what settling leaves for ends that wait for coins, and for clocks.
const margin = game.Grace + 2*time.Second

func newClosing(t *testing.T) *closing {
	t.Helper()
	l := &closing{desk: newDesk(t), ledger: func(map[int]reward.Shard) {}, reader: func(map[int]event.Cursor) {}}
	l.c, _ = l.apply(show)
	l.clock.Advance(time.Hour + time.Minute)
	l.spend(l.c, "ann", 100)
	l.clock.Advance(over + margin - time.Hour - time.Minute)
	return l
}

func (l *closing) books() admin.Books {
	return admin.Books{
		Ledger: func(ctx context.Context, _ string, _ int64) (map[int]reward.Shard, error) {
			shards := map[int]reward.Shard{}
			for _, s := range l.audit(ctx) {
				shards[s.Shard] = reward.Shard{Cursor: event.Cursor{Position: s.Position}, Count: reward.Count{Granted: s.Issued}}
			}
			l.ledger(shards)
			return shards, l.failing
		},
		Readers: map[string]admin.Progress{"board": func(ctx context.Context, _ string, _ int64) (map[int]event.Cursor, error) {
			cursors := map[int]event.Cursor{}
			for _, s := range l.audit(ctx) {
				cursors[s.Shard] = event.Cursor{Position: s.Position}
			}
			l.reader(cursors)
			return cursors, nil
		}},
		Freeze: func(context.Context, *game.Campaign) error { l.frozen++; return l.freeze },
	}
}

func (l *closing) audit(ctx context.Context) []inventory.Slice {
	l.Helper()
	all, err := inventory.Audit(ctx, l.pools, l.c.Life())
	if err != nil {
		l.Fatal(err)
	}
	return all
}

// settle tries once; it goes by what is stored, as the worker does.
func (l *closing) settle() error {
	l.Helper()
	c, err := l.campaigns.Campaign(l.Context(), "show")
	if err != nil {
		l.Fatal(err)
	}
	return l.Settle(l.Context(), c, l.books())
}

func (l *closing) wantNotYet(reason string) {
	l.Helper()
	if err := l.settle(); !errors.Is(err, admin.ErrNotYet) || !strings.Contains(err.Error(), reason) {
		l.Errorf("got %v, want ErrNotYet because %s", err, reason)
	}
	if c, err := l.campaigns.Campaign(l.Context(), "show"); err != nil || c.SettledAt != nil {
		l.Errorf("got %+v, %v, want it not settled", c, err)
	}
}

// returned gives the rest back, which is the first step of settling.
func (l *closing) returned() {
	l.Helper()
	l.wantNotYet("the rest went back just now")
	l.wantLevel(l.c.Life(), 100, 0)
}

func (l *closing) wantSettled() {
	l.Helper()
	if err := l.settle(); err != nil {
		l.Fatalf("got %v, want it settled", err)
	}
	c, err := l.campaigns.Campaign(l.Context(), "show")
	if err != nil || c.SettledAt == nil || !c.SettledAt.Equal(l.clock.Now()) || c.Version != 2 || l.publisher.last() != 2 || l.frozen != 1 {
		l.Errorf("got %+v, %v, board frozen %d times; want version 2 settled now and published, and one frozen board", c, err, l.frozen)
	}
}

func TestSettle_returnsTheRestAndClosesTheBooks(t *testing.T) {
	l := newClosing(t)
	l.returned()
	l.wantSettled()
	l.wantLevel(l.c.Life(), 100, 0)
}

func TestSettle_notYet(t *testing.T) {
	t.Run("rounds may still end", func(t *testing.T) {
		l := newClosing(t)
		l.clock.Advance(-margin)
		l.wantNotYet("rounds may end until")
	})
	t.Run("a pool was reopened, and nobody is late for that", func(t *testing.T) {
		l := newClosing(t)
		l.pools.Fence(l.c.Life(), 2)
		l.wantNotYet("is not open")
		if err := l.Finish(t.Context(), l.c); err != nil { // opens it
			t.Fatal(err)
		}
		l.wantNotYet("rounds may end until")
		l.clock.Advance(30*time.Second + margin)
		l.wantNotYet("rounds may end until") // and who lost a result with the pool has time for a claim
		l.clock.Advance(30 * time.Second)
		l.returned()
		l.wantSettled()
	})
	for name, c := range map[string]struct {
		reason string
		change func(l *closing)
	}{
		"an outbox is not empty":      {"in its outbox", func(l *closing) { l.pools.full = true }},
		"the ledger is behind":        {"ledger is at", func(l *closing) { l.ledger = behind }},
		"the ledger has no entries":   {"ledger is at", func(l *closing) { l.ledger = func(m map[int]reward.Shard) { clear(m) } }},
		"the ledger counts less":      {"pool issued 100", func(l *closing) { l.ledger = counts(-1) }},
		"the ledger counts more":      {"pool issued 100", func(l *closing) { l.ledger = counts(1) }},
		"another reader is behind":    {"board is behind", func(l *closing) { l.reader = func(m map[int]event.Cursor) { m[event.Bank] = event.Cursor{} } }},
		"another reader is not there": {"board is behind", func(l *closing) { l.reader = func(m map[int]event.Cursor) { clear(m) } }},
	} {
		t.Run(name, func(t *testing.T) {
			l := newClosing(t)
			l.returned()
			c.change(l)
			l.wantNotYet(c.reason)
			l.wantNotYet(c.reason)
			if l.frozen > 0 {
				t.Error("the board was frozen before the books agreed")
			}
			l.pools.full, l.ledger, l.reader = false, func(map[int]reward.Shard) {}, func(map[int]event.Cursor) {}
			l.wantSettled()
		})
	}
}

// behind lacks the last entry of a shard.
func behind(m map[int]reward.Shard) {
	s := m[0]
	s.Position.Seq--
	m[0] = s
}

// counts books coins that the pool did not issue, or too few.
func counts(coins int64) func(map[int]reward.Shard) {
	return func(m map[int]reward.Shard) {
		for shard, s := range m {
			if s.Granted == 100 {
				s.Granted += coins
				m[shard] = s
			}
		}
	}
}

// Rounds that the ledger holds for a review, or refused, are accounted for.
func TestSettle_withRoundsThatAreHeld(t *testing.T) {
	l := newClosing(t)
	l.returned()
	l.ledger = func(m map[int]reward.Shard) {
		for shard, s := range m {
			if s.Granted == 100 {
				s.Granted, s.Held, s.Refused = 50, 30, 20
				m[shard] = s
			}
		}
	}
	l.wantSettled()
}

func TestSettle_faultsAreNoAnswers(t *testing.T) {
	l := newClosing(t)
	l.returned()
	for name, c := range map[string]func(err error){
		"ledger": func(err error) { l.failing = err }, "board": func(err error) { l.freeze = err },
	} {
		fault := errors.New("connection refused")
		c(fault)
		if err := l.settle(); !errors.Is(err, fault) || errors.Is(err, admin.ErrNotYet) {
			t.Errorf("%s: got %v, want the fault itself", name, err)
		}
		c(nil)
	}
	l.frozen = 0
	l.wantSettled()
}

// An operator who changed the campaign meanwhile wins; the next look goes by what is stored.
func TestSettle_ofAnOldVersion(t *testing.T) {
	l := newClosing(t)
	l.returned()
	stale := *l.c
	stale.Version = 0
	if err := l.Settle(t.Context(), &stale, l.books()); !errors.Is(err, game.ErrStaleVersion) {
		t.Errorf("got %v, want ErrStaleVersion", err)
	}
	l.frozen = 0
	l.wantSettled()
}

// The rest may still be on its way between two pools when the run is over; it goes back all the same.
func TestSettle_withCoinsOnTheirWay(t *testing.T) {
	l := newClosing(t)
	run := l.c.Life()
	shard := (run.ShardOf("ann") + 1) % run.Shards
	if _, err := l.pools.Debit(t.Context(), run, event.Bank, shard, 1, 500_000, 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
	defer cancel()
	if err := l.Settle(ctx, l.c, l.books()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want it to wait for the coins", err)
	}
	if _, err := inventory.NewKeeper(l.pools, run, "keeper").Keep(t.Context(), l.clock.Now()); err != nil {
		t.Fatal(err)
	}
	l.returned()
	l.wantSettled()
}

func TestApply_ofASettledRun(t *testing.T) {
	l := newClosing(t)
	l.returned()
	l.wantSettled()
	if c, changed := l.apply(show); changed || c.Version != 2 || c.Run != 1 {
		t.Errorf("got %+v, changed: %v; want the same file to leave it settled", c, changed)
	}
	l.wantLevel(l.c.Life(), 100, 0)
	if _, _, err := l.Apply(t.Context(), parse(t, strings.Replace(show, "The show", "Our show", 1))); !errors.Is(err, admin.ErrInvalid) {
		t.Errorf("got %v of another file in the old window, want ErrInvalid", err)
	}
	c, changed := l.apply(strings.ReplaceAll(show, "2026-11-11", "2026-12-12"))
	if !changed || c.Version != 3 || c.Run != 2 || c.SettledAt != nil || c.KeyID != "k1" {
		t.Errorf("got %+v, want version 3 as run 2", c)
	}
	l.wantLevel(c.Life(), 1_000_000, 1_000_000)
	l.wantLevel(l.c.Life(), 100, 0) // the old run keeps what it was
	if c, changed := l.apply(strings.ReplaceAll(show, "2026-11-11", "2026-12-12")); changed || c.Run != 2 {
		t.Errorf("got %+v, changed: %v; want nothing changed", c, changed)
	}
}
