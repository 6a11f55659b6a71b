package sqlcatalog_test

import (
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/sqlcatalog"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/internal/sqldb/sqldbtest"
	"github.com/shake-live/shake/inventory"
)

func each(t *testing.T, run func(t *testing.T, s *sqlcatalog.Store)) {
	sqldbtest.Each(t, func(t *testing.T, open func(testing.TB) *sqldb.DB) { run(t, sqlcatalog.New(open(t))) })
}

func campaign(id string) *game.Campaign {
	at := time.Date(2026, 11, 11, 12, 0, 0, 0, time.UTC)
	return &game.Campaign{
		ID: id, Game: "shake", Market: "SG", Name: "Ünïcödé 好", Version: 1, Run: 1, WarmupAt: at, StartsAt: at, EndsAt: at.Add(time.Minute),
		RoundMS: 10_000, Chances: 3, Pool: 100, Shards: 2, Curve: game.Curve{{From: 1, Probability: 0.1, Min: 1, Max: 2}},
		Since: inventory.Since{0: 7},
	}
}

func save(t *testing.T, s *sqlcatalog.Store, c *game.Campaign, before int64, orders ...inventory.Order) {
	t.Helper()
	if err := s.Save(t.Context(), c, before, orders...); err != nil {
		t.Fatal(err)
	}
}

func TestStore_keepsWhatWasSaved(t *testing.T) {
	each(t, func(t *testing.T, s *sqlcatalog.Store) {
		want := campaign("show")
		save(t, s, want, 0)
		for name, read := range map[string]func() (*game.Campaign, error){
			"Campaign": func() (*game.Campaign, error) { return s.Campaign(t.Context(), "show") },
			"Run":      func() (*game.Campaign, error) { return s.Run(t.Context(), "show", 1) },
		} {
			if got, err := read(); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
			}
		}
		if _, err := s.Campaign(t.Context(), "nope"); !errors.Is(err, game.ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
		if _, err := s.Run(t.Context(), "show", 2); !errors.Is(err, game.ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	})
}

// Of any number of savers at one version, one wins, and only its orders count.
func TestStore_oneSaverWins(t *testing.T) {
	each(t, func(t *testing.T, s *sqlcatalog.Store) {
		for before := range int64(3) {
			c := campaign("show")
			c.Version = before + 1
			var wg sync.WaitGroup
			errs := make([]error, 8)
			for i := range errs {
				wg.Go(func() {
					errs[i] = s.Save(t.Context(), c, before, inventory.Order{ID: "show.1.v" + string(rune('1'+before)), Amount: 10})
				})
			}
			wg.Wait()
			won := 0
			for _, err := range errs {
				if err == nil {
					won++
				} else if !errors.Is(err, game.ErrStaleVersion) {
					t.Errorf("got %v, want ErrStaleVersion", err)
				}
			}
			if won != 1 {
				t.Errorf("version %d was saved by %d, want by 1", before+1, won)
			}
		}
		if sum, err := s.Funded(t.Context(), campaign("show").Life()); err != nil || sum != 30 {
			t.Errorf("got %d coins ordered, %v, want 30", sum, err)
		}
	})
}

// Lists are by id; a settled campaign is in All alone, and its next run is in both again.
func TestStore_lists(t *testing.T) {
	each(t, func(t *testing.T, s *sqlcatalog.Store) {
		want := func(all, unsettled, singapore []string) {
			t.Helper()
			a, errA := s.All(t.Context())
			u, errU := s.Unsettled(t.Context())
			m, errM := s.Published(t.Context(), "SG")
			if err := errors.Join(errA, errU, errM); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(ids(a), all) || !slices.Equal(ids(u), unsettled) || !slices.Equal(m, singapore) {
				t.Errorf("got %v, %v and %v, want %v, %v and %v", ids(a), ids(u), m, all, unsettled, singapore)
			}
		}
		b, a := campaign("b"), campaign("a")
		b.Market = "TH"
		save(t, s, b, 0)
		save(t, s, a, 0)
		want([]string{"a", "b"}, []string{"a", "b"}, []string{"a"})
		at := time.Now().UTC()
		a.Version, a.SettledAt = 2, &at
		save(t, s, a, 1)
		want([]string{"a", "b"}, []string{"b"}, []string{"a"})
		a.Version, a.Run, a.SettledAt = 3, 2, nil
		save(t, s, a, 2)
		want([]string{"a", "b"}, []string{"a", "b"}, []string{"a"})
	})
}

func TestStore_retires(t *testing.T) {
	each(t, func(t *testing.T, s *sqlcatalog.Store) {
		now := time.Now().UTC()
		early, late := now.Add(-2*time.Hour), now.Add(-time.Minute)
		want := func(before time.Time, want ...string) {
			t.Helper()
			got, err := s.Retirable(t.Context(), before)
			if err != nil || !slices.Equal(ids(got), want) {
				t.Errorf("got %v, %v; want %v", ids(got), err, want)
			}
		}
		for id, settled := range map[string]*time.Time{"early": &early, "late": &late, "on": nil} {
			c := campaign(id)
			c.SettledAt = settled
			save(t, s, c, 0)
		}
		want(now.Add(-time.Hour), "early")
		want(now, "early", "late")
		for range 2 { // twice is once
			if err := s.Retired(t.Context(), "early", campaign("early").Run, now); err != nil {
				t.Fatal(err)
			}
		}
		want(now, "late")
		for id, want := range map[string]bool{"early": true, "late": false, "nowhere": false} {
			if got, err := s.WasRetired(t.Context(), id, campaign(id).Run); got != want || err != nil {
				t.Errorf("%s was retired: got %v, %v, want %v", id, got, err, want)
			}
		}
	})
}

func ids(list []*game.Campaign) (ids []string) {
	for _, c := range list {
		ids = append(ids, c.ID)
	}
	return ids
}

// Fundings are numbered in their order, an order counts once, and what has become of a funding stays.
func TestStore_fundings(t *testing.T) {
	each(t, func(t *testing.T, s *sqlcatalog.Store) {
		ctx, run := t.Context(), campaign("show").Life()
		save(t, s, campaign("show"), 0, inventory.Order{ID: "v1", Amount: 100})
		for _, o := range []inventory.Order{{ID: "less", Amount: -60}, {ID: "more", Amount: 5}, {ID: "more", Amount: 5}, {ID: "last", Amount: 7}} {
			if err := s.Order(ctx, run, o); err != nil {
				t.Fatal(err)
			}
		}
		pending := func(want ...event.Funding) {
			t.Helper()
			if got, err := s.PendingFundings(ctx, run); err != nil || !slices.Equal(got, want) {
				t.Errorf("got %v pending, %v, want %v", got, err, want)
			}
		}
		pending(event.Funding{Number: 1, Amount: 100}, event.Funding{Number: 2, Amount: -60}, event.Funding{Number: 3, Amount: 5}, event.Funding{Number: 4, Amount: 7})
		if err := s.FundingDone(ctx, run, 1); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.FundingRefused(ctx, run, 2); err != nil {
				t.Fatal(err)
			}
		}
		pending(event.Funding{Number: 3, Amount: 5}, event.Funding{Number: 4, Amount: 7})
		if err := errors.Join(s.FundingRefused(ctx, run, 1), s.FundingDone(ctx, run, 2)); err != nil {
			t.Fatal(err)
		}
		if sum, err := s.Funded(ctx, run); err != nil || sum != 112 {
			t.Errorf("got %d funded, %v, want 112: what is done stays, and what is refused", sum, err)
		}
	})
}
