package app

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/access/redisnames"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/internal/config"
	"github.com/shake-live/shake/leaderboard"
)

const (
	// nameReads bounds what names may add to a board: past it the board shows codes.
	nameReads = 100 * time.Millisecond
	// namesStay is how long a name outlives the last session that it can belong to: a final board is looked at for so long.
	namesStay = 30 * 24 * time.Hour
)

// nameReader has names: of those of the users who have one, also with an error.
type nameReader interface {
	Names(ctx context.Context, users []string) (map[string]string, error)
}

// names says by what name boards show players: the one that the platform tells, else a code. Never the id, which with
// many platforms is a mail address or a phone number.
type names struct {
	store    nameReader // nil: no provider tells names
	observer access.NameObserver
	log      *slog.Logger
	down     atomic.Bool
}

// openNames makes what keeps names and what shows them; without a provider that tells any, nothing is kept, and what was
// kept before is not shown.
func (a *App) openNames() (*access.Names, *names) {
	shown := &names{observer: a.metrics, log: a.log}
	if !tellsNames(a.cfg) {
		return nil, shown
	}
	store := redisnames.New(a.redis.Client(), a.cfg.Namespace, time.Duration(a.cfg.SessionLifetime)+namesStay)
	shown.store = store
	return access.NewNames(store, a.metrics, a.log), shown
}

// tellsNames tells whether a provider does.
func tellsNames(cfg config.Config) bool {
	for _, p := range cfg.Providers {
		if p.Kind == config.KindDev || p.NameClaim != "" {
			return true
		}
	}
	return false
}

// places are the entries with their names, which are read at once.
func (n *names) places(ctx context.Context, c *game.Live, entries []leaderboard.Entry) []access.Place {
	users := make([]string, len(entries))
	for i, e := range entries {
		users[i] = e.User
	}
	known := n.read(ctx, users)
	places := make([]access.Place, len(entries))
	for i, e := range entries {
		name := known[e.User]
		if name == "" {
			name = c.Keys.Code(e.User)
		}
		places[i] = access.Place{Rank: e.Rank, User: e.User, Name: name, Coins: e.Coins}
	}
	return places
}

// place is one entry with its name, which is not read where it is among those shown.
func (n *names) place(ctx context.Context, c *game.Live, e leaderboard.Entry, shown []access.Place) *access.Place {
	for _, p := range shown {
		if p.User == e.User {
			return &access.Place{Rank: e.Rank, User: e.User, Name: p.Name, Coins: e.Coins}
		}
	}
	return &n.places(ctx, c, []leaderboard.Entry{e})[0]
}

// read asks for names within the bound. What can't be read now is counted, and told once.
func (n *names) read(ctx context.Context, users []string) map[string]string {
	if n.store == nil || len(users) == 0 {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, nameReads)
	defer cancel()
	known, err := n.store.Names(asking, users)
	if err == nil {
		if n.down.CompareAndSwap(true, false) {
			n.log.Info("names can be read again")
		}
		return known
	}
	if errors.Is(ctx.Err(), context.Canceled) { // the player went away: that says nothing about the store
		return known
	}
	n.observer.Named("unread", len(users)-len(known))
	if !n.down.Swap(true) {
		n.log.Warn("names can't be read; boards show codes meanwhile", "err", err)
	}
	return known
}
