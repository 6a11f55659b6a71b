package admin_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/admin"
	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/inventory"
)

// but is the show's file with one line changed.
func but(key, value string) string {
	lines := strings.Split(show, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, key+":") {
			lines[i] = key + ": " + value
		}
	}
	return strings.Join(lines, "\n")
}

func TestApply_storesFundsAndPublishes(t *testing.T) {
	d := newDesk(t)
	c, changed := d.apply(show)
	if !changed || c.Version != 1 || c.Run != 1 || c.KeyID != "k1" || c.Since[0] != 7 {
		t.Errorf("got %+v, want version 1 of run 1 under the present key, and where its log begins", c)
	}
	d.wantLevel(c.Life(), 1_000_000, 1_000_000)
	if d.publisher.last() != 1 {
		t.Errorf("published version %d, want 1", d.publisher.last())
	}
}

// The same file, and the same said in other words, changes nothing.
func TestApply_againChangesNothing(t *testing.T) {
	d := newDesk(t)
	first, _ := d.apply(show)
	for name, text := range map[string]string{
		"the same":         show,
		"another zone":     but("starts_at", "2026-11-11T12:00:00Z"),
		"defaults written": show + "game: shake\nearly: 8s\nlate: 30s\nfloor: 0\nshake_rate: 8\nassets: {}\nwarmup_at: 2026-11-11T21:00:00+09:00\n",
		"other spelling":   but("pool", "1000000"),
	} {
		if c, changed := d.apply(text); changed || c.Version != first.Version {
			t.Errorf("%s: got version %d, changed: %v; want nothing changed", name, c.Version, changed)
		}
	}
	d.wantLevel(first.Life(), 1_000_000, 1_000_000)
	if d.campaigns.saves != 1 {
		t.Errorf("saved %d times, want once", d.campaigns.saves)
	}
}

func TestApply_fiftyAtOnceStoreAndFundOnce(t *testing.T) {
	d := newDesk(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	stored := 0
	for i := range 50 {
		office := d.office(fmt.Sprint("office-", i%5))
		wg.Go(func() {
			c, changed, err := office.Apply(t.Context(), parse(t, show))
			mu.Lock()
			defer mu.Unlock()
			if err != nil || c.Version != 1 {
				t.Errorf("got %+v, %v, want version 1", c, err)
			}
			if changed {
				stored++
			}
		})
	}
	wg.Wait()
	if stored != 1 {
		t.Errorf("%d of 50 stored it, want one", stored)
	}
	d.wantLevel(inventory.Run{Campaign: "show", Number: 1, Shards: 4}, 1_000_000, 1_000_000)
}

// Different files at once: each gets its version, and the pool is what the last one says.
func TestApply_manyAtOnce(t *testing.T) {
	d := newDesk(t)
	d.apply(show)
	var wg sync.WaitGroup
	for i := range 6 {
		office := d.office(fmt.Sprint("office-", i))
		wg.Go(func() {
			_, _, err := office.Apply(t.Context(), parse(t, but("pool", fmt.Sprint(2_000_000+i))))
			if err != nil && !errors.Is(err, game.ErrStaleVersion) {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	c, err := d.campaigns.Campaign(t.Context(), "show")
	if err != nil {
		t.Fatal(err)
	}
	d.wantLevel(c.Life(), c.Pool, c.Pool)
}

func TestApply_topsUp(t *testing.T) {
	d := newDesk(t)
	first, _ := d.apply(show)
	d.spend(first, "ann", 100)
	c, changed := d.apply(but("pool", "1_500_000"))
	if !changed || c.Version != 2 || c.Run != 1 || d.publisher.last() != 2 {
		t.Errorf("got %+v, want version 2 of run 1, published", c)
	}
	d.wantLevel(c.Life(), 1_500_000, 1_499_900)
}

// A withdrawal gathers coins from all shards.
func TestApply_withdraws(t *testing.T) {
	d := newDesk(t)
	first, _ := d.apply(show)
	for _, user := range []string{"ann", "bob", "carl", "dora"} {
		d.spend(first, user, 1)
	}
	c, _ := d.apply(but("pool", "10"))
	d.wantLevel(c.Life(), 10, 6)
	d.apply(but("pool", "4"))
	d.wantLevel(c.Life(), 4, 0)
	if got, want := d.campaigns.states(c.Life()), []string{"1000000 done", "-999990 done", "-6 done"}; !slices.Equal(got, want) {
		t.Errorf("got fundings %q, want %q", got, want)
	}
}

func TestApply_refusesTooLargeAWithdrawal(t *testing.T) {
	d := newDesk(t)
	first, _ := d.apply(show)
	d.spend(first, "ann", 100)
	for range 2 {
		if _, _, err := d.Apply(t.Context(), parse(t, but("pool", "99"))); !errors.Is(err, admin.ErrInvalid) {
			t.Errorf("got %v, want ErrInvalid", err)
		}
	}
	c, changed := d.apply(show)
	if changed || c.Version != 1 {
		t.Errorf("got %+v, changed: %v; want nothing changed", c, changed)
	}
	d.wantLevel(c.Life(), 1_000_000, 999_900)
}

// Players can be quicker than a withdrawal that seemed possible: it is refused, the operator hears of it, and what
// is applied after that goes by what the bank has, not by what was hoped for.
func TestApply_withdrawalThatPlayersOvertake(t *testing.T) {
	d := newDesk(t)
	first, _ := d.apply(show)
	d.campaigns.saved = func() { d.spend(first, "ann", 200) }
	if _, _, err := d.Apply(t.Context(), parse(t, but("pool", "100"))); !errors.Is(err, admin.ErrRefused) {
		t.Fatalf("got %v, want ErrRefused", err)
	}
	d.campaigns.saved = nil
	d.wantLevel(first.Life(), 1_000_000, 999_800)
	if _, _, err := d.Apply(t.Context(), parse(t, strings.Replace(but("pool", "100"), "The show", "Our show", 1))); !errors.Is(err, admin.ErrInvalid) {
		t.Errorf("got %v of the same pool once more, want ErrInvalid", err)
	}
	c, _ := d.apply(but("pool", "1_000_000"))
	d.wantLevel(c.Life(), 1_000_000, 999_800)
	c, _ = d.apply(but("pool", "1_000_200"))
	d.wantLevel(c.Life(), 1_000_200, 1_000_000)
}

// What somebody else has decided on a withdrawal stands, whoever carries it out once more.
func TestFund_goesByWhatTheBankSays(t *testing.T) {
	d := newDesk(t)
	c, _ := d.apply(show)
	for _, o := range []inventory.Order{{ID: "less", Amount: -60}, {ID: "more", Amount: 5}} {
		if err := d.campaigns.Order(t.Context(), c.Life(), o); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := inventory.NewKeeper(d.pools, c.Life(), "another").Fund(t.Context(), event.Funding{Number: 2}); err != nil {
		t.Fatal(err)
	}
	if err := d.Fund(t.Context(), c.Life()); !errors.Is(err, admin.ErrRefused) {
		t.Errorf("got %v, want ErrRefused", err)
	}
	if err := d.Fund(t.Context(), c.Life()); err != nil {
		t.Errorf("got %v, want the next one carried out", err)
	}
	if got, want := d.campaigns.states(c.Life()), []string{"1000000 done", "-60 refused", "5 done"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	d.wantLevel(c.Life(), 1_000_005, 1_000_005)
}

// Coins that are on their way to the bank are waited for; the withdrawal is not refused for them.
func TestApply_withdrawsCoinsThatAreOnTheirWay(t *testing.T) {
	d := newDesk(t)
	first, _ := d.apply(show)
	run := first.Life()
	if _, err := d.pools.Debit(t.Context(), run, event.Bank, 0, 1, 900_000, 0); err != nil { // and no credit: its maker died
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		time.Sleep(150 * time.Millisecond)
		if _, err := inventory.NewKeeper(d.pools, run, "keeper").Keep(t.Context(), before); err != nil {
			t.Error(err)
		}
	})
	c, _ := d.apply(but("pool", "1"))
	wg.Wait()
	d.wantLevel(c.Life(), 1, 1)
}

func TestApply_whatAChangeMayTouch(t *testing.T) {
	for _, c := range []struct {
		key, value    string
		early, during error // before the window begins, and within
	}{
		{"name", "Our show", nil, nil},
		{"market", "MY", admin.ErrRunning, admin.ErrRunning},
		{"ends_at", "2026-11-11T20:10:00+08:00", nil, nil},
		{"chances", "5", nil, nil},
		{"pool", "2000000", nil, nil},
		{"floor", "10", nil, nil},
		{"late", "40s", nil, nil},
		{"shards", "8", admin.ErrRunning, admin.ErrRunning},
		{"starts_at", "2026-11-11T20:01:00+08:00", nil, admin.ErrRunning},
		{"round", "20s", nil, admin.ErrRunning},
		{"round_cap", "5", nil, admin.ErrRunning},
		{"player_cap", "5", nil, admin.ErrRunning},
		{"shake_rate", "9", nil, admin.ErrRunning},
		{"curve", "[{from: 1, probability: 0.6, min: 1, max: 10}]", nil, admin.ErrRunning},
	} {
		t.Run(c.key, func(t *testing.T) {
			text := but(c.key, c.value)
			switch {
			case c.key == "curve":
				text, _, _ = strings.Cut(show, "curve:")
				text += "curve: " + c.value
			case !strings.Contains(show, "\n"+c.key+":"):
				text = show + c.key + ": " + c.value + "\n"
			}
			for at, want := range map[time.Duration]error{0: c.early, time.Hour: c.during} {
				d := newDesk(t)
				d.apply(show)
				d.clock.Advance(at)
				if got, changed, err := d.Apply(t.Context(), parse(t, text)); !errors.Is(err, want) || err == nil && (!changed || got.Version != 2) {
					t.Errorf("after %s: got %+v, %v, %v, want %v", at, got, changed, err, want)
				}
			}
		})
	}
}

func TestApply_refusesWhatIsNotValid(t *testing.T) {
	d := newDesk(t)
	for _, text := range []string{but("id", "The Show"), but("shards", "0"), but("pool", "0"), but("chances", "-1"), but("ends_at", "2026-11-11T19:00:00+08:00"), "id: x"} {
		if _, _, err := d.Apply(t.Context(), parse(t, text)); !errors.Is(err, admin.ErrInvalid) {
			t.Errorf("%.40s: got %v, want ErrInvalid", text, err)
		}
	}
	d.clock.Advance(2 * time.Hour)
	if _, _, err := d.Apply(t.Context(), parse(t, show)); !errors.Is(err, admin.ErrInvalid) {
		t.Errorf("got %v of a window that is over, want ErrInvalid", err)
	}
	if d.campaigns.saves > 0 || d.publisher.last() > 0 {
		t.Errorf("stored %d and published %d of them, want none", d.campaigns.saves, d.publisher.last())
	}
}

// What an earlier call did not finish, a later one does: the file is the same, so nothing is stored anew.
func TestApply_finishesWhatBrokeOff(t *testing.T) {
	d := newDesk(t)
	d.publisher.err = errors.New("connection refused")
	if _, _, err := d.Apply(t.Context(), parse(t, show)); err == nil {
		t.Fatal("got no error, want the publisher's")
	}
	d.publisher.err = nil
	c, changed := d.apply(show)
	if changed || c.Version != 1 || d.publisher.last() != 1 {
		t.Errorf("got %+v, changed: %v, published %d; want version 1 published and nothing stored", c, changed, d.publisher.last())
	}
	d.wantLevel(c.Life(), 1_000_000, 1_000_000)
}
