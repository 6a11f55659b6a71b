package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/gametest"
	"github.com/shake-live/shake/inventory"
)

// kept is a run of two shards in memory, with a keeper.
type kept struct {
	*testing.T
	c      *game.Live
	model  *gametest.Model
	keeper *inventory.Keeper
}

func newKept(t *testing.T, coins int64) *kept {
	t.Helper()
	k := &kept{T: t, c: gametest.Campaign("kept", 2), model: gametest.NewModel(time.Now)}
	k.keeper = inventory.NewKeeper(k.model, k.c.Life, "keeper")
	k.must(gametest.OpenAll(t.Context(), k.model, k.c.Life))
	_, err := inventory.NewKeeper(k.model, k.c.Life, "funder").Fund(t.Context(), event.Funding{Number: 1, Amount: coins})
	k.must(err)
	return k
}

func (k *kept) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

func (k *kept) keep() inventory.Report {
	k.Helper()
	r, err := k.keeper.Keep(k.Context(), time.Now())
	k.must(err)
	return r
}

// end settles a round of a player of the shard, worth so many coins, and gives what was paid, or -1 if it is short.
func (k *kept) end(shard int, number, coins int64) int64 {
	k.Helper()
	user := ""
	for i := 0; user == "" || k.c.Life.ShardOf(user) != shard; i++ {
		user = fmt.Sprint("u", i)
	}
	r, err := k.model.Settle(context.Background(), k.c, game.SettleRequest{
		Token: game.Token{Run: 1, Epoch: 1, Number: number, StartedAt: time.Now().UnixMilli(), User: user}, Computed: coins, Granted: 100,
	})
	var short *game.ShortError
	if errors.As(err, &short) {
		return -1
	}
	k.must(err)
	return r.Round.Paid
}

func TestKeeper(t *testing.T) {
	t.Run("slices are filled before anybody plays, and the bank keeps the better part", func(t *testing.T) {
		k := newKept(t, 1000)
		k.keep()
		for _, s := range k.keep().Slices[1:] {
			if s.Left < 150 || s.Left > 250 {
				t.Errorf("%s has %d coins, want about a quarter of 1000", s.Source, s.Left)
			}
		}
	})
	t.Run("a hungry shard gets what an idle one holds", func(t *testing.T) {
		k := newKept(t, 100)
		k.keep()
		if paid := k.end(0, 1, 90); paid != -1 {
			t.Fatalf("paid %d at once, want short: the coins lie elsewhere", paid)
		}
		for range 3 {
			k.keep()
		}
		if paid := k.end(0, 1, 90); paid != 90 {
			t.Errorf("paid %d, want 90 after the keeper brought them", paid)
		}
	})
	t.Run("the last coin is paid, and only then nothing", func(t *testing.T) {
		k := newKept(t, 100)
		var sum int64
		for n := int64(1); n < 30; n++ {
			paid := k.end(int(n)%2, n, 7)
			for tries := 0; paid < 0 && tries < 5; tries++ {
				k.keep()
				paid = k.end(int(n)%2, n, 7)
			}
			if left := 100 - sum; paid != min(7, left) {
				t.Fatalf("round %d was paid %d with %d coins left, want %d", n, paid, left, min(7, left))
			}
			sum += paid
		}
		if sum != 100 {
			t.Errorf("%d coins were paid in all, want 100", sum)
		}
	})
	t.Run("nobody is paid less while a pool that is closed may hold coins", func(t *testing.T) {
		k := newKept(t, 100)
		k.keep()
		k.model.Fence(k.c.Life, 1)
		if paid := k.end(0, 1, 90); paid != -1 {
			t.Fatalf("paid %d, want short", paid)
		}
		for range 10 {
			if r := k.keep(); r.Dried > 0 || r.Closed != 1 {
				t.Fatalf("the keeper declared %d shards dry beside %d closed ones", r.Dried, r.Closed)
			}
			if paid := k.end(0, 1, 90); paid != -1 {
				t.Fatalf("paid %d, want short until the other shard is open again", paid)
			}
		}
	})
	t.Run("a transfer that broke off is finished", func(t *testing.T) {
		k := newKept(t, 100)
		_, err := k.model.Debit(t.Context(), k.c.Life, event.Bank, 0, 1, 60, 0)
		k.must(err)
		if r := k.keep(); r.Swept != 1 {
			t.Errorf("%d transfers were finished, want one", r.Swept)
		}
		if s, err := k.model.Audit(t.Context(), k.c.Life, 0); err != nil || s.Left < 60 {
			t.Errorf("shard has %d coins, %v; want the 60 that were on their way", s.Left, err)
		}
	})
	t.Run("coins that come end a drought before they can be missed", func(t *testing.T) {
		k := newKept(t, 1)
		paid := k.end(0, 1, 5)
		for tries := 0; paid < 0 && tries < 5; tries++ { // a player asks again, and the shard tells again what it lacks
			k.keep()
			paid = k.end(0, 1, 5)
		}
		if paid != 1 {
			t.Fatalf("paid %d, want the last coin", paid)
		}
		k.end(1, 1, 5)
		k.keep()
		_, err := inventory.NewKeeper(k.model, k.c.Life, "funder").Fund(t.Context(), event.Funding{Number: 2, Amount: 50})
		k.must(err)
		for shard := range 2 {
			if s, err := k.model.Audit(t.Context(), k.c.Life, shard); err != nil || s.Dry {
				t.Errorf("shard %d is dry after the top-up, %v", shard, err)
			}
		}
		if paid := k.end(1, 2, 5); paid != -1 {
			t.Errorf("paid %d from an empty slice, want short until it draws", paid)
		}
		k.keep()
		if paid := k.end(1, 2, 5); paid != 5 {
			t.Errorf("paid %d after the top-up, want 5", paid)
		}
	})
	t.Run("coins that are to go are gathered first", func(t *testing.T) {
		k := newKept(t, 100)
		k.keep()
		_, err := inventory.NewKeeper(k.model, k.c.Life, "funder").Fund(t.Context(), event.Funding{Number: 2, Amount: -100})
		k.must(err)
		if r := k.keep(); r.Level.Left != 0 || r.Level.Funded != 0 {
			t.Errorf("level is %+v, want nothing left", r.Level)
		}
		_, err = inventory.NewKeeper(k.model, k.c.Life, "funder").Fund(t.Context(), event.Funding{Number: 3, Amount: -1})
		if !errors.Is(err, inventory.ErrShort) {
			t.Errorf("got %v, want ErrShort", err)
		}
	})
}
