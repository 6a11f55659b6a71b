// Package reconcile checks that nothing was lost and nothing paid twice: it compares every store with the run's
// history, names the rounds behind each difference, and mends what the history leaves no doubt about.
//
// DESIGN.md beside this file has the cuts that make it exact while players play, and the bounds of memory and time.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/leaderboard"
	"github.com/shake-live/shake/reward"
)

// Subject is the run that is checked.
type Subject struct {
	event.Run
	Since   map[int32]int64 // where its log begins, by partition
	Chances int64           // a player's, now
}

// Player is a player's hash as it is in the pool's store.
type Player struct {
	User string
	inventory.Player
	Fault string // why the hash could not be read
}

// PlayerPage is players of one shard, all as of one position of its pool.
type PlayerPage struct {
	Shard   int
	At      event.Position
	Players []Player
}

// Pools reads the pools of a run and their players.
type Pools interface {
	// Audit tells all that each pool counts, the bank's first.
	Audit(ctx context.Context, run event.Run) ([]inventory.Slice, error)
	// Players calls fn with every player's hash that was there all the while; one at a time.
	Players(ctx context.Context, run event.Run, fn func(PlayerPage) error) error
	// PlayersOf does that for these; a player without a hash is left out.
	PlayersOf(ctx context.Context, run event.Run, users []string, fn func(PlayerPage) error) error
	// Waiting gives up to max entries of an outbox from a position on. What can't be read has no kind.
	Waiting(ctx context.Context, run event.Run, shard int, from event.Position, max int) ([]event.Entry, error)
}

// Board reads the live board of a run.
type Board interface {
	// Cut tells how far the board is in each pool, and by which scale; known is false where there is no whole board.
	Cut(ctx context.Context, run event.Run) (at map[int]event.Cursor, scale leaderboard.Scale, known bool, err error)
	// Scores calls fn with every player who was on the board all the while, in any order, perhaps twice.
	Scores(ctx context.Context, run event.Run, fn func(user string, score int64)) error
	// ScoresOf does that for these.
	ScoresOf(ctx context.Context, run event.Run, users []string, fn func(user string, score int64)) error
}

// Order is coins ordered into a run's bank, or out of it.
type Order struct {
	event.Funding
	State string // pending, done or refused
}

// Booked is one row of the double-entry book whose ref is of the run.
type Booked struct {
	Account string
	Ref     string
	Kind    string
	Coins   int64
	At      int64 // ms
}

// Notice is one row of the inbox.
type Notice struct {
	Round string
	User  string
	Kind  string
	Coins int64
}

// Wallet is a balance beside the sum of the entries of its account.
type Wallet struct {
	User         string
	Balance, Sum int64
}

// Letter is the record of an entry that a reader has passed over since it could not read it.
type Letter struct {
	Reader string // ledger, notices, board
	Shard  int
	At     event.Position
	Back   bool   // it was put back since, and counts for this reader
	Entry  []byte // what was put back
	Note   string // where that came from
}

// Books opens what is in SQL.
type Books interface {
	Look(ctx context.Context, run event.Run) (Snapshot, error)
	// Orders are the orders of coins, as they are now.
	Orders(ctx context.Context, run event.Run) ([]Order, error)
}

// Snapshot is SQL as of one moment, however long it is read. users nil stands for all.
type Snapshot interface {
	Progress(ctx context.Context) (map[int]reward.Shard, error) // of the ledger
	Notified(ctx context.Context) (map[int]event.Cursor, error) // of the notices
	Letters(ctx context.Context) ([]Letter, error)
	Orders(ctx context.Context) ([]Order, error)
	Fundings(ctx context.Context) ([]reward.Funding, error)
	Rounds(ctx context.Context, users []string, fn func(*reward.Record) error) error
	Book(ctx context.Context, users []string, fn func(Booked) error) error
	// Wallets gives those that differ, of all who have a round; with users, those of all of them.
	Wallets(ctx context.Context, users []string, fn func(Wallet) error) error
	Notices(ctx context.Context, users []string, fn func(Notice) error) error
	// Final gives the places of the final board; frozen is false while there is none.
	Final(ctx context.Context, users []string, fn func(user string, coins int64) error) (frozen bool, err error)
	Close() error
}

// Deps are what a Checker works with.
type Deps struct {
	Pools Pools
	Board Board
	Books Books
	Log   event.Log
	Topic string
	Clock clock.Clock
}

// Options bound a check. The zero value of a field means its default.
type Options struct {
	// MaxPlayers are held in memory at once, some 200 bytes each; when there are more, the stores are read once for
	// each part of them. Default 1048576.
	MaxPlayers int
	// Progress hears what is read and how much of it, about once for each 10000; default nobody.
	Progress func(what string, n int64)
}

// Checker checks runs.
type Checker struct {
	Deps
	opts Options
}

// New makes a Checker.
func New(d Deps, o Options) *Checker {
	if o.MaxPlayers == 0 {
		o.MaxPlayers = 1 << 20
	}
	if o.Progress == nil {
		o.Progress = func(string, int64) {}
	}
	return &Checker{Deps: d, opts: o}
}

// ErrMoved says that pools were reopened, or the log cut off, while they were read: ask again.
var ErrMoved = errors.New("the run's pools moved while they were read")

// movedTries bounds how often a look starts over because of ErrMoved: a fail-over and its reopening are one.
const movedTries = 5

// Check compares all stores with the run's history. Only what two looks agree on is a difference: the first one finds
// who differs, the second one looks at these again, with cuts of its own, and names their rounds.
func (c *Checker) Check(ctx context.Context, s Subject) (*Report, error) {
	began := c.Clock.Now()
	report := &Report{Campaign: s.Campaign, Run: s.Number, At: began}
	first, err := c.lookAtAll(ctx, s, report)
	if err != nil {
		return nil, err
	}
	if err := c.confirm(ctx, s, first, report); err != nil {
		return nil, err
	}
	report.Shards = first.figures()
	report.InFlight = first.inFlight
	report.Players = first.players
	report.close(first.skipped)
	report.Took = c.Clock.Now().Sub(began)
	report.TookMS = report.Took.Milliseconds()
	return report, nil
}

// lookAtAll looks at every player, in as many looks as memory asks for.
func (c *Checker) lookAtAll(ctx context.Context, s Subject, report *Report) (*look, error) {
	var first *look
	seed := maphash.MakeSeed()
	for spans := []span{{}}; len(spans) > 0; {
		last := len(spans) - 1
		l, err := c.look(ctx, s, func() *table { return newTable(seed, c.opts.MaxPlayers, spans[last]) }, nil)
		if err != nil {
			return nil, err
		}
		report.Looks++
		spans = append(spans[:last], l.table.later...)
		if !l.gone {
			l.table.each(l.suspect)
		}
		l.players = int64(l.table.size)
		l.table = nil // its memory is the next one's
		if first == nil {
			first = l
			continue
		}
		first.suspects = append(first.suspects, l.suspects...)
		first.players += l.players
		first.gather(l.findings)
	}
	return first, nil
}

// confirm looks again at what the first look found.
func (c *Checker) confirm(ctx context.Context, s Subject, first *look, report *Report) error {
	if len(first.suspects) == 0 && len(first.findings) == 0 {
		return nil
	}
	names := append([]string{}, first.suspects...) // never nil, which stands for all
	slices.Sort(names)
	if len(names) > MaxSuspects {
		report.More, names = len(names)-MaxSuspects, names[:MaxSuspects]
	}
	second, err := c.look(ctx, s, func() *table { return named(names) }, names)
	if err != nil {
		return err
	}
	report.Looks++
	before := map[string]bool{}
	for _, f := range first.findings {
		before[f.key()] = true
	}
	for _, f := range second.findings {
		if before[f.key()] {
			report.Findings = append(report.Findings, f)
		}
	}
	second.judge(report)
	maps.Copy(first.skipped, second.skipped)
	return nil
}

// look reads everything once, over again where pools moved.
func (c *Checker) look(ctx context.Context, s Subject, players func() *table, names []string) (*look, error) {
	for try := 1; ; try++ {
		l := newLook(c, s, players(), names)
		err := l.read(ctx)
		if err == nil || !errors.Is(err, ErrMoved) || try == movedTries {
			if err != nil {
				err = fmt.Errorf("reconcile %s.%d: %w", s.Campaign, s.Number, err)
			}
			return l, err
		}
		select {
		case <-time.After(time.Second): // a reopening takes about that long
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
