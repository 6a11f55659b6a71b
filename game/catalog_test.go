package game_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/gametest"
	"github.com/shake-live/shake/internal/clock"
)

// shelf keeps campaigns: it stands for the origin and for the copies. A test can empty it, break it and count.
type shelf struct {
	mu    sync.Mutex
	all   map[string]*game.Campaign
	err   error
	slow  time.Duration
	reads int
	puts  int
}

func newShelf(campaigns ...*game.Campaign) *shelf {
	s := &shelf{all: map[string]*game.Campaign{}}
	for _, c := range campaigns {
		s.all[c.ID] = c
	}
	return s
}

func (s *shelf) set(change func(*shelf)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *shelf) wait(ctx context.Context) error {
	s.mu.Lock()
	s.reads++
	slow, err := s.slow, s.err
	s.mu.Unlock()
	select {
	case <-time.After(slow):
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *shelf) Campaign(ctx context.Context, id string) (*game.Campaign, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.all[id]; c != nil {
		return c, nil
	}
	return nil, game.ErrNotFound
}

func (s *shelf) Published(ctx context.Context, market string) (ids []string, err error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, c := range s.all {
		if market == "" || c.Market == market {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

func (s *shelf) Put(_ context.Context, c *game.Campaign) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.puts++; s.err == nil {
		s.all[c.ID] = c
	}
	return s.err
}

func (s *shelf) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// copies is a shelf between origin and nodes; old: what is on it is not fresh any more.
type copies struct {
	*shelf
	old   bool
	lists map[string][]string
}

func newCopies(campaigns ...*game.Campaign) *copies {
	return &copies{shelf: newShelf(campaigns...), lists: map[string][]string{}}
}

func (s *copies) Campaign(ctx context.Context, id string) (*game.Campaign, bool, error) {
	c, err := s.shelf.Campaign(ctx, id)
	return c, !s.old, err
}

func (s *copies) Published(_ context.Context, market string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ids, ok := s.lists[market]; ok {
		return ids, s.err
	}
	return nil, game.ErrNotFound
}

func (s *copies) PutPublished(_ context.Context, market string, ids []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists[market] = ids
	return s.err
}

// version is a campaign at a version.
func version(id string, n int64, change ...func(*game.Campaign)) *game.Campaign {
	c := gametest.Campaign(id, 1, append(change, func(c *game.Campaign) { c.Version = n })...).Campaign
	return &c
}

func keyring(t testing.TB, current string, ids ...string) *game.Keyring {
	t.Helper()
	keys := map[string][]byte{}
	for _, id := range append(ids, current) {
		keys[id] = []byte("a key for tests only")
		if id != "test" {
			keys[id] = []byte("the master key called " + id)
		}
	}
	ring, err := game.NewKeyring(current, keys)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// layers is a catalog over an origin and copies, in a bubble whose time is the test's.
type layers struct {
	*testing.T
	origin  *shelf
	copies  *copies
	catalog *game.Catalog
}

func inLayers(t *testing.T, fn func(l layers), campaigns ...*game.Campaign) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := layers{T: t, origin: newShelf(campaigns...), copies: newCopies()}
		l.catalog = game.NewCatalog(l.copies, l.origin, keyring(t, "test"), clock.System{}, game.CacheOptions{})
		fn(l)
		synctest.Wait()
	})
}

func (l layers) want(id string, version int64) {
	l.Helper()
	live, err := l.catalog.Get(l.Context(), id)
	if err != nil || live.Version != version {
		l.Fatalf("got %+v, %v, want version %d of %s", live, err, version, id)
	}
}

func (l layers) wantErr(id string, want error) {
	l.Helper()
	if live, err := l.catalog.Get(l.Context(), id); !errors.Is(err, want) {
		l.Errorf("got %+v, %v, want %v", live, err, want)
	}
}

func TestCatalog_readsTheOriginOnceAndTheCopyAfterThat(t *testing.T) {
	inLayers(t, func(l layers) {
		for range 10 {
			for range 100 {
				l.want("demo", 1)
			}
			time.Sleep(time.Second)
		}
		if l.origin.count() != 1 || l.copies.count() != 10 || l.copies.puts != 1 {
			l.Errorf("got %d reads of the origin, %d of copies, %d puts; want 1, one a second, 1", l.origin.count(), l.copies.count(), l.copies.puts)
		}
	}, version("demo", 1))
}

func TestCatalog_goesOnWithoutCopies(t *testing.T) {
	inLayers(t, func(l layers) {
		l.copies.set(func(s *shelf) { s.err = errors.New("connection refused") })
		l.want("demo", 1)
		l.origin.set(func(s *shelf) { s.all["demo"] = version("demo", 2) })
		time.Sleep(time.Second)
		l.want("demo", 2)
	}, version("demo", 1))
}

func TestCatalog_goesOnWithoutTheOrigin(t *testing.T) {
	inLayers(t, func(l layers) {
		l.want("demo", 1)
		l.origin.set(func(s *shelf) { s.slow = time.Hour })
		time.Sleep(time.Minute)
		l.want("demo", 1) // from the copy
		l.copies.set(func(s *shelf) { s.all = nil })
		time.Sleep(time.Minute)
		l.want("demo", 1) // the stale one
		time.Sleep(3 * time.Second)
	}, version("demo", 1))
}

func TestCatalog_withoutAnythingFailsClosed(t *testing.T) {
	inLayers(t, func(l layers) {
		l.origin.set(func(s *shelf) { s.err = errors.New("connection refused") })
		l.copies.set(func(s *shelf) { s.err = errors.New("connection refused") })
		l.wantErr("demo", game.ErrUnavailable)
		if _, err := l.catalog.Market(l.Context(), ""); !errors.Is(err, game.ErrUnavailable) {
			l.Errorf("got %v, want ErrUnavailable", err)
		}
	}, version("demo", 1))
}

func TestCatalog_whatIsNotThere(t *testing.T) {
	inLayers(t, func(l layers) {
		for _, id := range []string{"", "Demo", "de mo", "de.mo", "-demo", strings.Repeat("d", 41), "démo", "demo\n"} {
			l.wantErr(id, game.ErrNotFound)
		}
		if l.origin.count()+l.copies.count() != 0 {
			l.Errorf("what can't be an id was asked for")
		}
		for range 100 {
			l.wantErr("nope", game.ErrNotFound)
		}
		if l.origin.count() != 1 {
			l.Errorf("got %d reads of what is not there, want 1", l.origin.count())
		}
	})
}

func TestCatalog_publishedReachesTheNextCaller(t *testing.T) {
	inLayers(t, func(l layers) {
		l.want("demo", 1)
		for n := int64(2); n < 20; n++ {
			l.origin.set(func(s *shelf) { s.all["demo"] = version("demo", n) })
			l.copies.set(func(s *shelf) { s.all["demo"] = version("demo", n) })
			l.catalog.Published(l.Context(), "demo")
			l.want("demo", n)
		}
	}, version("demo", 1))
}

// Copies that came back from before a fail-over don't take the campaign back to an earlier version.
func TestCatalog_neverGoesBack(t *testing.T) {
	inLayers(t, func(l layers) {
		l.want("demo", 7)
		for range 5 {
			l.copies.set(func(s *shelf) { s.all["demo"] = version("demo", 3) })
			time.Sleep(time.Second)
			l.want("demo", 7)
		}
		l.copies.set(func(s *shelf) { s.all["demo"] = version("demo", 3) })
		l.origin.set(func(s *shelf) { s.err = errors.New("connection refused") })
		time.Sleep(time.Second)
		l.want("demo", 7)
	}, version("demo", 7))
}

// A campaign that can't be played on this node keeps none of the others away, and the node stays ready.
func TestCatalog_oneThatCannotBePlayed(t *testing.T) {
	broken := version("broken", 1)
	broken.Shards = 0
	inLayers(t, func(l layers) {
		l.wantErr("old", game.ErrUnusable)
		l.wantErr("broken", game.ErrUnusable)
		lives, err := l.catalog.Market(l.Context(), "SG")
		if err != nil || len(lives) != 1 || lives[0].ID != "demo" {
			l.Errorf("got %v, %v, want demo alone", lives, err)
		}
	}, version("demo", 1), broken, version("old", 1, func(c *game.Campaign) { c.KeyID = "of long ago" }))
}

func TestCatalog_markets(t *testing.T) {
	inLayers(t, func(l layers) {
		for market, want := range map[string]string{"": "[a b c]", "SG": "[a c]", "MY": "[b]", "XX": "[]"} {
			lives, err := l.catalog.Market(l.Context(), market)
			ids := []string{}
			for _, live := range lives {
				ids = append(ids, live.ID)
			}
			if got := fmt.Sprint(ids); err != nil || got != want {
				l.Errorf("market %q: got %s, %v, want %s", market, got, err, want)
			}
		}
	}, version("a", 1), version("b", 1, func(c *game.Campaign) { c.Market = "MY" }), version("c", 1))
}

// A node that starts while the origin is away goes by copies, however old; one that has a copy of its own does not go back
// to them.
func TestCatalog_startsWithoutOrigin(t *testing.T) {
	inLayers(t, func(l layers) {
		l.origin.set(func(s *shelf) { s.err = errors.New("connection refused") })
		if _, err := l.catalog.Market(l.Context(), "SG"); !errors.Is(err, game.ErrUnavailable) {
			l.Errorf("got %v without any copy, want ErrUnavailable", err)
		}
	}, version("demo", 1))
	inLayers(t, func(l layers) {
		if _, err := l.catalog.Market(l.Context(), "SG"); err != nil { // another node, before
			l.Fatal(err)
		}
		l.origin.set(func(s *shelf) { s.err = errors.New("connection refused") })
		l.copies.old = true
		late := game.NewCatalog(l.copies, l.origin, keyring(l.T, "test"), clock.System{}, game.CacheOptions{})
		if lives, err := late.Market(l.Context(), "SG"); err != nil || len(lives) != 1 || lives[0].Version != 1 {
			l.Errorf("got %v, %v, want what the other node had", lives, err)
		}
		l.origin.set(func(s *shelf) { s.err, s.all = nil, map[string]*game.Campaign{"demo": version("demo", 2)} })
		time.Sleep(time.Minute)
		if live, err := late.Get(l.Context(), "demo"); err == nil && live.Version != 2 { // the first answer may be the stale one
			time.Sleep(time.Second)
			if live, err = late.Get(l.Context(), "demo"); err != nil || live.Version != 2 {
				l.Errorf("got %+v, %v with the origin back, want version 2", live, err)
			}
		}
	}, version("demo", 1))
}
