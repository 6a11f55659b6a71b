package redisoutbox_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/event/redisoutbox"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/gametest"
	"github.com/shake-live/shake/game/redisgame"
	"github.com/shake-live/shake/internal/devserver"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/inventory/redispool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// night is an outbox that the real scripts have written to.
type night struct {
	db     *redisdb.DB
	keys   *redisdb.KeyCache
	pools  *redispool.Store
	outbox *redisoutbox.Outbox
	c      *game.Live
}

func newNight(t *testing.T, opts redisdb.Options, replicas int) *night {
	t.Helper()
	ctx := context.Background()
	db, err := redisdb.Open(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	b := redisdb.NewBatcher(db, redisdb.BatchOptions{})
	t.Cleanup(func() {
		if err := errors.Join(b.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	keys := redisdb.NewKeyCache(testenv.Namespace(t))
	pools, rounds := redispool.New(b, keys), redisgame.New(b, keys)
	n := &night{db: db, keys: keys, pools: pools, c: gametest.Campaign("outbox", 1), outbox: redisoutbox.New(db, keys, redisoutbox.Options{Replicas: replicas, WaitTimeout: 50 * time.Millisecond})}
	if err := gametest.OpenAll(ctx, pools, n.c.Life); err != nil {
		t.Fatal(err)
	}
	if err := gametest.Fund(ctx, pools, n.c.Life, 1, 100); err != nil {
		t.Fatal(err)
	}
	s, err := rounds.Start(ctx, n.c, game.StartRequest{User: "ann", Number: 1, Granted: 5})
	if err != nil {
		t.Fatal(err)
	}
	_, err = rounds.Settle(ctx, n.c, game.SettleRequest{
		Token: game.Token{Run: 1, Epoch: s.Epoch, Number: 1, StartedAt: s.At, User: "ann"}, Shakes: 3, Computed: 7, Granted: 5,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := pools.Dry(ctx, n.c.Life, 0, true, time.Time{}); err != nil {
		t.Fatal(err)
	}
	return n
}

// servers are all kinds of Redis that the outbox is read from.
var servers = map[string]func(*testing.T) redisdb.Options{
	"miniredis": func(t *testing.T) redisdb.Options {
		r, err := devserver.StartRedis("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		return redisdb.Options{Addrs: []string{r.Addr()}}
	},
	"redis": func(t *testing.T) redisdb.Options { return redisdb.Options{Addrs: []string{testenv.Redis(t)}} },
	"cluster": func(t *testing.T) redisdb.Options {
		return redisdb.Options{Addrs: testenv.RedisCluster(t), Cluster: true}
	},
}

func TestOutbox(t *testing.T) {
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			n := newNight(t, server(t), 0)
			run := n.c.Life
			t.Run("entries come in order, balanced, with all their facts", func(t *testing.T) { n.wholeHistory(t) })
			t.Run("a lease has one owner", func(t *testing.T) {
				for _, want := range []struct {
					owner string
					has   bool
				}{{"one", true}, {"two", false}, {"one", true}} {
					got, err := n.outbox.Lease(t.Context(), run, 0, want.owner, time.Minute)
					if err != nil || got != want.has {
						t.Errorf("%s has the lease: %v, %v; want %v", want.owner, got, err, want.has)
					}
				}
			})
			t.Run("a mark is kept while what follows it waits, and the pool is open here", func(t *testing.T) { n.marks(t) })
			t.Run("trimming forgets up to the position, twice", func(t *testing.T) {
				for range 2 {
					if err := n.outbox.Trim(t.Context(), run, 0, event.Position{Epoch: 1, Seq: 3}, event.Mark{}); err != nil {
						t.Fatal(err)
					}
				}
				left, err := n.outbox.Read(t.Context(), run, 0, 10)
				if err != nil || len(left) != 2 || left[0].Seq != 4 {
					t.Errorf("got %d entries from %v, %v; want the last two", len(left), left, err)
				}
			})
		})
	}
}

// marks asks for marks while the entries 1-1 to 1-5 wait.
func (n *night) marks(t *testing.T) {
	ctx, run := t.Context(), n.c.Life
	at := func(epoch, seq, offset int64) event.Mark {
		return event.Mark{Position: event.Position{Epoch: epoch, Seq: seq}, Offset: offset}
	}
	trim := func(through int64, mark event.Mark) event.Mark {
		t.Helper()
		if err := n.outbox.Trim(ctx, run, 0, event.Position{Epoch: 1, Seq: through}, mark); err != nil {
			t.Fatal(err)
		}
		s, err := n.pools.Audit(ctx, run, 0)
		if err != nil {
			t.Fatal(err)
		}
		return s.Mark
	}
	set := func(field, value string) (before string) {
		t.Helper()
		pool := n.keys.Of(run).Pool(0)
		before, err := n.db.Client().HGet(ctx, pool, field).Result()
		if err == nil {
			err = n.db.Client().HSet(ctx, pool, field, value).Err()
		}
		if err != nil {
			t.Fatal(err)
		}
		return before
	}
	kept := at(1, 0, 17)
	if got := trim(0, kept); got != kept {
		t.Fatalf("the mark is %+v, want %+v", got, kept)
	}
	for what, mark := range map[string]event.Mark{
		"nothing": {}, "an entry that waits itself": at(1, 1, 99), "an entry long gone": at(1, -1, 99), "another epoch": at(2, 0, 99),
	} {
		if got := trim(0, mark); got != kept {
			t.Errorf("marked %s: the mark is %+v, want it as it was", what, got)
		}
	}
	for _, other := range [][2]string{{"host", ""}, {"host", "gone"}, {"epoch", "2"}} { // sealed, restarted, reopened
		before := set(other[0], other[1])
		if got := trim(0, at(1, 0, 99)); got != kept {
			t.Errorf("with %s %q: the mark is %+v, want it as it was", other[0], other[1], got)
		}
		set(other[0], before)
	}
	if got, want := trim(1, at(1, 0, 18)), at(1, 0, 18); got != want {
		t.Errorf("the mark is %+v, want %+v: what follows waited until this very trim", got, want)
	}
	if got := trim(1, at(1, 0, 99)); got.Offset != 18 {
		t.Errorf("the mark is %+v, want it as it was: what follows was trimmed", got)
	}
	if got, want := trim(2, at(1, 1, 19)), at(1, 1, 19); got != want {
		t.Errorf("the mark is %+v, want %+v", got, want)
	}
	nowhere := run
	nowhere.Number = 2
	if err := n.outbox.Trim(ctx, nowhere, 0, event.Position{Epoch: 1, Seq: 1}, at(1, 0, 1)); err != nil {
		t.Fatal(err)
	}
	if s, err := n.pools.Audit(ctx, nowhere, 0); err != nil || s.Exists || s.Mark != (event.Mark{}) {
		t.Errorf("a mark made a pool: %+v, %v", s, err)
	}
}

func (n *night) wholeHistory(t *testing.T) {
	bank, err := n.outbox.Read(t.Context(), n.c.Life, event.Bank, 10)
	if err != nil {
		t.Fatal(err)
	}
	shard, err := n.outbox.Read(t.Context(), n.c.Life, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	for i, kind := range []event.Kind{event.KindOpen, event.KindFund, event.KindDebit} {
		if bank[i].Kind != kind {
			t.Errorf("bank entry %d is %s, want %s", i+1, bank[i].Kind, kind)
		}
	}
	for i, kind := range []event.Kind{event.KindOpen, event.KindCredit, event.KindStart, event.KindEnd, event.KindDry} {
		e := shard[i]
		if e.Kind != kind || e.Position != (event.Position{Epoch: 1, Seq: int64(i + 1)}) || !e.State.Balanced() {
			t.Errorf("shard entry %d is %+v, want %s, balanced", i+1, e, kind)
		}
		value, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := event.Decode(value); err != nil || back.Position != e.Position || back.State != e.State {
			t.Errorf("entry %d comes back from the log as %+v, %v", i+1, back, err)
		}
	}
	r := shard[3].Rounds[0]
	if r.User != "ann" || r.Number != 1 || r.StartEpoch != 1 || r.Shakes != 3 || r.Computed != 7 || r.Paid != 7 || r.Total != 7 || r.ChancesLeft != 4 {
		t.Errorf("got round %+v, want ann's first with 7 coins", r)
	}
	if t2 := shard[1].Transfer; t2.Peer != event.Bank || t2.Number != 1 || t2.Amount != 100 || bank[2].Transfer.Peer != 0 {
		t.Errorf("got transfer %+v from %+v", t2, bank[2].Transfer)
	}
	if some, err := n.outbox.Read(t.Context(), n.c.Life, 0, 2); err != nil || len(some) != 2 {
		t.Errorf("got %d entries, %v; want no more than asked for", len(some), err)
	}
}

func TestOutbox_unsafe(t *testing.T) {
	n := newNight(t, redisdb.Options{Addrs: []string{testenv.Redis(t)}}, 1)
	if _, err := n.outbox.Read(t.Context(), n.c.Life, 0, 10); !errors.Is(err, redisoutbox.ErrUnsafe) {
		t.Errorf("got %v from a server without replicas, want ErrUnsafe", err)
	}
}
