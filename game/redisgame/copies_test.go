package redisgame_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/gametest"
	"github.com/shake-live/shake/game/redisgame"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/inventory/redispool"
)

func TestCopies(t *testing.T) {
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			s := newStores(t, server, redisdb.BatchOptions{})
			copies := redisgame.NewCopies(s.db, s.keys, time.Minute)
			if _, _, err := copies.Campaign(t.Context(), "night"); !errors.Is(err, game.ErrNotFound) {
				t.Fatalf("got %v, want ErrNotFound where there is no copy", err)
			}
			second := gametest.Campaign("night", 2, func(c *game.Campaign) { c.Version, c.Name = 2, "second" }).Campaign
			first := gametest.Campaign("night", 2).Campaign
			heard := make(chan string, 4)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() { _ = s.db.Subscribe(ctx, copies.Listener(func(id string) { heard <- id })) }()
			publishUntilHeard(t, func() error { return copies.Publish(t.Context(), &second) }, heard)
			if err := copies.Put(t.Context(), &first); err != nil {
				t.Fatal(err)
			}
			got, fresh, err := copies.Campaign(t.Context(), "night")
			if err != nil || !fresh || got.Version != 2 || got.Name != "second" || !got.StartsAt.Equal(second.StartsAt) {
				t.Errorf("got %+v, %v; want version 2: a slow node must not bring back version 1", got, err)
			}
			hasty := redisgame.NewCopies(s.db, s.keys, time.Millisecond)
			if err := hasty.Put(t.Context(), &second); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Millisecond)
			if name != "miniredis" { // its keys do not grow old by themselves
				if got, fresh, err := hasty.Campaign(t.Context(), "night"); err != nil || fresh || got.Version != 2 {
					t.Errorf("got %+v, fresh %v, %v; want the copy kept when its time is over", got, fresh, err)
				}
			}
			if _, err := copies.Published(t.Context(), "SG"); !errors.Is(err, game.ErrNotFound) {
				t.Errorf("got %v, want ErrNotFound where there is no list", err)
			}
			if err := copies.PutPublished(t.Context(), "SG", []string{"morning", "night"}); err != nil {
				t.Fatal(err)
			}
			if ids, err := copies.Published(t.Context(), "SG"); err != nil || !slices.Equal(ids, []string{"morning", "night"}) {
				t.Errorf("got %v, %v, want the list as it was put", ids, err)
			}
		})
	}
}

// publishUntilHeard publishes again until the subscription, which takes a moment to stand, has heard.
func publishUntilHeard(t *testing.T, publish func() error, heard <-chan string) {
	t.Helper()
	for range 50 {
		if err := publish(); err != nil {
			t.Fatal(err)
		}
		select {
		case id := <-heard:
			if id != "night" {
				t.Fatalf("heard of %q, want night", id)
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatal("nobody heard of the new version")
}

func TestLevels(t *testing.T) {
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			s := newStores(t, server, redisdb.BatchOptions{})
			levels := redispool.NewLevels(s.db, s.keys)
			heard := make(chan inventory.Level, 16)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() { _ = s.db.Subscribe(ctx, levels.Listener(func(l inventory.Level) { heard <- l })) }()
			want := inventory.Level{Campaign: "night", Run: 3, Funded: 10, Left: 4, Issued: 6, At: time.Now().UTC().Truncate(time.Millisecond)}
			for range 50 {
				if err := levels.Publish(t.Context(), want); err != nil {
					t.Fatal(err)
				}
				select {
				case got := <-heard:
					if got != want {
						t.Errorf("heard %+v, want %+v", got, want)
					}
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
			t.Fatal("nobody heard of the level")
		})
	}
}
