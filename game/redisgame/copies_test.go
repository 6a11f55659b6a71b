package redisgame_test

import (
	"context"
	"errors"
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
			if _, err := copies.Campaign(t.Context(), "night"); !errors.Is(err, game.ErrNotFound) {
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
			got, err := copies.Campaign(t.Context(), "night")
			if err != nil || got.Version != 2 || got.Name != "second" || !got.StartsAt.Equal(second.StartsAt) {
				t.Errorf("got %+v, %v; want version 2: a slow node must not bring back version 1", got, err)
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
