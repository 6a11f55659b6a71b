package redisgame_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/gametest"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/inventory"
)

// TestProperty_claims is about losses: few players play on one or two shards, servers come back without their last writes
// or with none again and again, and claims of what was answered before come at every moment, however far the ledger is.
func TestProperty_claims(t *testing.T) {
	for _, name := range []string{"redis", "cluster"} {
		t.Run(name, func(t *testing.T) {
			s := newStores(t, servers[name], redisdb.BatchOptions{})
			var runs int64
			rapid.Check(t, func(rt *rapid.T) {
				runs++
				w := newWorld(rt, s, runs)
				w.users = w.users[:3]
				w.funding = 1
				for _, to := range []inventory.Store{w.pools, w.model} {
					if err := gametest.Fund(w.ctx, to, w.c.Life, 1, 100); err != nil {
						rt.Fatal(err)
					}
				}
				w.safe(rt, w.c.Life.Pools()...)
				rt.Repeat(map[string]func(*rapid.T){
					"play": w.play, "play on": w.play, "start": w.start, "end": w.end, "repeat": w.repeat, "relay": w.relay, "lose": w.loseTail, "lose again": w.loseTail,
					"lose all": w.loseAll, "claim": w.claim, "claim lost": w.claimLost, "claim it again": w.claimLost, "book": w.ledger.book, "book all": w.bookAll, "draw": w.draw,
					"": w.compare,
				})
				w.redeemAll(rt)
			})
		})
	}
}

// play is a whole round of a player's.
func (w *world) play(t *rapid.T) {
	user := w.user(t)
	w.startAs(t, user, 1, 1000, false)
	w.endAs(t, user)
}

// claimLost sends a claim of what is lost, if anything is.
func (w *world) claimLost(t *rapid.T) {
	var lost []game.Claim
	for _, c := range w.acked {
		if _, _, _, gone := w.claimed(c); gone {
			lost = append(lost, c)
		}
	}
	if len(lost) > 0 {
		w.claimOne(t, rapid.SampledFrom(lost).Draw(t, "lost"))
	}
}

// memoryLedger reads the log as the ledger does, and is behind it as the ledger is.
type memoryLedger struct {
	log     *memoryLog
	read    int // messages
	cursors map[event.Source]event.Cursor
	rounds  map[string]int64 // coins by round id
	coins   map[string]int64 // by user
}

// book reads on, mostly not to the end.
func (l *memoryLedger) book(t *rapid.T) {
	l.bookUpTo(t, l.read+rapid.IntRange(1, 12).Draw(t, "messages"))
}

func (l *memoryLedger) bookUpTo(t *rapid.T, end int) {
	l.log.mu.Lock()
	defer l.log.mu.Unlock()
	for ; l.read < min(end, len(l.log.messages)); l.read++ {
		e, err := event.Decode(l.log.messages[l.read].Value)
		if err != nil {
			t.Fatal(err)
		}
		switch c := l.cursors[e.Source]; c.Judge(e) {
		case event.Gap:
			t.Fatalf("gap: %s at %s got %s", e.Source, c.Position, e.Position)
		case event.Apply:
			l.cursors[e.Source] = c.Advance(e)
			for _, r := range e.Rounds {
				id := r.ID(e.Source)
				if _, twice := l.rounds[id]; twice {
					t.Fatalf("round %s is paid twice, the second time by %s %s", id, e.Kind, e.Position)
				}
				l.rounds[id] = r.Paid
				l.coins[r.User] += r.Paid
				if r.Total != l.coins[r.User] {
					t.Fatalf("round %s tells a total of %d, the player has %d", id, r.Total, l.coins[r.User])
				}
			}
		}
	}
}

// claimed looks a claim up, as game.Service does: what the ledger has, or a request for what it will never have.
func (w *world) claimed(c game.Claim) (coins int64, found bool, r game.ClaimRequest, lost bool) {
	source := w.c.Life.Source(int(c.Shard))
	coins, found = w.ledger.rounds[c.Round.ID(source)]
	at := w.ledger.cursors[source]
	return coins, found, game.ClaimRequest{Claim: c, Granted: 1000, Read: at.Seq}, !found && at.Epoch > c.At.Epoch
}

// claim sends a claim of some round, lost or not, to Redis and the model.
func (w *world) claim(t *rapid.T) {
	if len(w.acked) == 0 {
		return
	}
	c := rapid.SampledFrom(w.acked).Draw(t, "claim")
	_, found, r, lost := w.claimed(c)
	if found || !lost && rapid.Bool().Draw(t, "the ledger would say") {
		return
	}
	if !lost { // whoever did not ask the ledger is stopped by the epoch, unless that is closed
		all, err := w.model.Audit(w.ctx, w.c.Life, int(c.Shard))
		if err != nil || c.At.Epoch < all.Epoch {
			return
		}
	}
	w.sendClaim(t, r)
}

// claimOne claims a round that the ledger lacks; sometimes with an answer of the ledger that is old by now.
func (w *world) claimOne(t *rapid.T, c game.Claim) {
	_, _, r, _ := w.claimed(c)
	if w.stale != nil && rapid.IntRange(0, 3).Draw(t, "stale") == 0 {
		r = *w.stale
	}
	w.stale = &r
	w.sendClaim(t, r)
}

func (w *world) sendClaim(t *rapid.T, r game.ClaimRequest) {
	got, err := w.rounds.Claim(w.ctx, w.c, r)
	if err == nil {
		st, err := w.rounds.Standing(w.ctx, w.c, r.Claim.Round.User)
		if err != nil {
			t.Fatal(err)
		}
		if st.Last != nil {
			w.clock.to(time.UnixMilli(st.Last.Round.SettledAt))
		}
	}
	want, modelErr := w.model.Claim(w.ctx, w.c, r)
	if same(t, "claim", err, modelErr) && got != want {
		t.Fatalf("claim: Redis paid %d, the model %d", got, want)
	}
}

// redeemAll claims everything that was ever answered until the ledger has it all: each round once, with coins that its
// player was told.
func (w *world) redeemAll(t *rapid.T) {
	promised, users := map[string]map[int64]bool{}, map[string]bool{}
	for _, c := range w.acked {
		id := c.Round.ID(w.c.Life.Source(int(c.Shard)))
		if promised[id] == nil {
			promised[id] = map[int64]bool{}
		}
		promised[id][c.Round.Paid] = true
		users[c.Round.User] = true
	}
	for _, c := range w.acked {
		w.redeem(t, c)
	}
	w.bookAll(t)
	var paid int64
	for id, coins := range w.ledger.rounds {
		paid += coins
		if !promised[id][coins] {
			t.Fatalf("round %s has %d coins in the ledger, the player was told %v", id, coins, promised[id])
		}
	}
	for id := range promised {
		if _, ok := w.ledger.rounds[id]; !ok {
			t.Fatalf("round %s was answered and claimed, and is not in the ledger", id)
		}
	}
	all, err := inventory.Audit(w.ctx, w.pools, w.c.Life)
	if err != nil {
		t.Fatal(err)
	}
	if issued := inventory.LevelOf(w.c.Life, all, time.Now()).Issued; issued != paid {
		t.Fatalf("the pool issued %d coins, the ledger paid %d", issued, paid)
	}
	for user := range users {
		st, err := w.rounds.Standing(w.ctx, w.c, user)
		if err != nil {
			t.Fatal(err)
		}
		has := st.Extra
		if st.Last != nil {
			has += st.Last.Round.Total
		}
		if has != w.ledger.coins[user] {
			t.Fatalf("%s has %d coins, the ledger %d", user, has, w.ledger.coins[user])
		}
	}
}

func (w *world) bookAll(t *rapid.T) {
	w.safe(t, w.c.Life.Pools()...)
	w.ledger.bookUpTo(t, 1<<30)
}

// redeem sends one claim until it is paid or found.
func (w *world) redeem(t *rapid.T, c game.Claim) {
	keeper := inventory.NewKeeper(w.pools, w.c.Life, "redeem")
	for range 20 {
		w.bookAll(t)
		_, found, r, lost := w.claimed(c)
		if found {
			return
		}
		if !lost {
			t.Fatalf("%+v is neither in the ledger nor of a closed epoch: ledger at %+v", c, w.ledger.cursors[w.c.Life.Source(int(c.Shard))])
		}
		_, err := w.rounds.Claim(w.ctx, w.c, r)
		var short *game.ShortError
		switch {
		case err == nil, errors.Is(err, game.ErrPending):
		case errors.As(err, &short):
			if _, err := keeper.Keep(w.ctx, time.Now()); err != nil {
				t.Fatalf("keep: %v", err)
			}
		case errors.Is(err, game.ErrNoCoins): // top up, as an operator would
			if _, err := keeper.Fund(w.ctx, event.Funding{Number: w.funding + 1, Amount: 1000}); err != nil {
				t.Fatalf("fund: %v", err)
			}
			w.funding++
		default:
			t.Fatalf("claim: %v", err)
		}
	}
	t.Fatalf("%+v was never paid", c)
}
