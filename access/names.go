package access

import (
	"context"
	"log/slog"
	"time"
)

// NameStore keeps the names that players are shown by.
type NameStore interface {
	// Put keeps the name of each user, and forgets it where it is empty. It tells how many it did, also with an error.
	Put(ctx context.Context, names map[string]string) (int, error)
}

// NameObserver hears what became of names: kept, or lost.
type NameObserver interface{ Named(fate string, n int) }

// Names brings the names that logins tell to the store. No login waits for it: a bounded queue, and one goroutine that
// writes what has come while it wrote before. What finds no room, or a store that takes nothing, is lost and counted; the
// player's next login tells it again, and boards show a code until then.
type Names struct {
	store    NameStore
	observer NameObserver
	log      *slog.Logger
	queue    chan named
	down     bool // of the goroutine that writes
}

type named struct{ user, name string }

const (
	nameQueue = 16384           // some 2 MiB; a second of logins at a node's peak
	nameBatch = 256             // names in one write
	nameWait  = time.Second     // for one write
	nameLast  = 3 * time.Second // for what is left at the end
)

// NewNames makes Names over a store; they are kept while Run runs.
func NewNames(store NameStore, observer NameObserver, log *slog.Logger) *Names {
	return &Names{store: store, observer: observer, log: log, queue: make(chan named, nameQueue)}
}

// Tell hands over the name that a login told; "" takes one of before away. It never waits.
func (n *Names) Tell(user, name string) {
	select {
	case n.queue <- named{user, name}:
	default:
		n.observer.Named("lost", 1)
	}
}

// Run keeps names until ctx ends, and then what is left.
func (n *Names) Run(ctx context.Context) {
	whole := context.WithoutCancel(ctx) // a write under way is ended by its own bound
	for {
		select {
		case <-ctx.Done():
			n.rest(whole)
			return
		case first := <-n.queue:
			n.put(whole, n.batch(first))
		}
	}
}

// rest keeps what is left at the end.
func (n *Names) rest(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, nameLast)
	defer cancel()
	for {
		select {
		case first := <-n.queue:
			n.put(ctx, n.batch(first))
		default:
			return
		}
	}
}

// batch is what waits, each user's newest.
func (n *Names) batch(first named) map[string]string {
	names := map[string]string{first.user: first.name}
	for len(names) < nameBatch {
		select {
		case next := <-n.queue:
			names[next.user] = next.name
		default:
			return names
		}
	}
	return names
}

func (n *Names) put(ctx context.Context, names map[string]string) {
	ctx, cancel := context.WithTimeout(ctx, nameWait)
	defer cancel()
	kept, err := n.store.Put(ctx, names)
	n.observer.Named("kept", kept)
	n.observer.Named("lost", len(names)-kept)
	switch {
	case err != nil && !n.down:
		n.log.Warn("names can't be kept; boards show codes for those who log in now", "lost", len(names)-kept, "err", err)
	case err == nil && n.down:
		n.log.Info("names are kept again")
	}
	n.down = err != nil
}
