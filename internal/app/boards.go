package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/admin"
	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/leaderboard"
)

// boards shows the live board of a run until it is settled, and the final one ever after. The best of a board are read
// once a second and node, however many look at them.
type boards struct {
	*stack
	names *names

	flights singleflight.Group
	mu      sync.Mutex
	tops    map[boardName]top
}

// boardName names a board.
type boardName struct {
	run   event.Run
	final bool
}

type top struct {
	at      time.Time
	entries []access.Place
}

const (
	topRows = 100 // as many as anybody may ask for
	topAge  = time.Second
	topWait = 2 * time.Second
	topMost = 1000 // boards in memory; beyond that all are read anew
)

func newBoards(s *stack, n *names) *boards {
	return &boards{stack: s, names: n, tops: map[boardName]top{}}
}

// top gives the best so many with their names, as they were a second ago at most.
func (b *boards) top(ctx context.Context, board leaderboard.Board, c *game.Live, limit int) ([]access.Place, error) {
	of := boardName{c.Life, c.SettledAt != nil}
	b.mu.Lock()
	t, known := b.tops[of]
	b.mu.Unlock()
	if !known || b.clock.Now().Sub(t.at) >= topAge {
		found, err, _ := b.flights.Do(fmt.Sprint(of), func() (any, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), topWait) // it is everybody's
			defer cancel()
			began := b.clock.Now()
			entries, err := leaderboard.Top(ctx, board, of.run, topRows)
			if err != nil {
				return top{}, err
			}
			places := b.names.places(ctx, c, entries)
			b.mu.Lock()
			defer b.mu.Unlock()
			if len(b.tops) >= topMost {
				clear(b.tops)
			}
			b.tops[of] = top{began, places}
			return b.tops[of], nil
		})
		if err != nil {
			return nil, err
		}
		t = found.(top)
	}
	return t.entries[:min(limit, len(t.entries))], nil
}

// Board implements access.Boards.
func (b *boards) Board(ctx context.Context, c *game.Live, user string, limit int, around bool) (access.Board, error) {
	if c.SettledAt != nil {
		return b.show(ctx, b.finals, c, user, limit, around)
	}
	return b.show(ctx, b.board, c, user, limit, around)
}

// show is Board on the one that counts.
func (b *boards) show(ctx context.Context, board leaderboard.Board, c *game.Live, user string, limit int, around bool) (access.Board, error) {
	answer := access.Board{Final: c.SettledAt != nil}
	me, err := board.Rank(ctx, c.Life, user)
	ranked := err == nil
	if err != nil && !errors.Is(err, leaderboard.ErrNotRanked) {
		return access.Board{}, err
	}
	if !ranked || !around { // nobody is around who is not there: the best are shown
		if answer.Entries, err = b.top(ctx, board, c, limit); err == nil && ranked {
			answer.Me = b.names.place(ctx, c, me, answer.Entries)
		}
		return answer, err
	}
	entries, err := board.Range(ctx, c.Life, max(0, me.Rank-1-int64(limit)/2), limit)
	if err != nil {
		return access.Board{}, err
	}
	places := b.names.places(ctx, c, append(entries, me)) // in one read
	answer.Entries, answer.Me = places[:len(entries)], &places[len(entries)]
	return answer, nil
}

// scaleOf is how a run's board breaks ties.
func scaleOf(c *game.Campaign) leaderboard.Scale { return leaderboard.NewScale(c.StartsAt, c.OverAt()) }

// boardReader feeds the live boards. One whose server lost it is built anew from the log at once, instead of
// standing still before what looks like a hole.
type boardReader struct {
	*stack
	reader *leaderboard.Reader

	mu     sync.Mutex
	scales map[event.Run]leaderboard.Scale // without shards
}

func (s *stack) boardReader() *boardReader {
	r := &boardReader{stack: s, scales: map[event.Run]leaderboard.Scale{}}
	r.reader = leaderboard.NewReader(s.board, r.scale, func(a leaderboard.Applied) { s.metrics.Read("board", a.Tally) })
	return r
}

// scale implements leaderboard.Scales. A run's scale never changes, so it is asked for once.
func (r *boardReader) scale(ctx context.Context, campaign string, run int64) (leaderboard.Scale, error) {
	key := event.Run{Campaign: campaign, Number: run}
	r.mu.Lock()
	scale, known := r.scales[key]
	r.mu.Unlock()
	if known {
		return scale, nil
	}
	c, err := r.campaigns.Run(ctx, campaign, run)
	if errors.Is(err, game.ErrNotFound) {
		return scale, leaderboard.ErrNoBoard
	}
	if err != nil {
		return scale, err
	}
	scale = scaleOf(c)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scales[key] = scale
	return scale, nil
}

// Handle implements event.Handler. A board that is not whole gets no entry before it is: the last ones alone would
// look like a hole, and a fence among them would make what comes before it void. A run that is settled has done with
// its live board.
func (r *boardReader) Handle(ctx context.Context, entries []event.Entry) error {
	whole := map[event.Run]bool{}
	kept := make([]event.Entry, 0, len(entries))
	for _, e := range entries {
		run := event.Run{Campaign: e.Campaign, Number: e.Run}
		ready, known := whole[run]
		if !known {
			var err error
			if ready, err = r.whole(ctx, run); err != nil {
				return err
			}
			whole[run] = ready
		}
		if ready {
			kept = append(kept, e)
		}
	}
	return r.reader.Handle(ctx, kept)
}

// whole sees to it that a run's live board is, and tells whether it has one.
func (r *boardReader) whole(ctx context.Context, run event.Run) (bool, error) {
	if built, err := r.board.Built(ctx, run); err != nil || built {
		return built, err
	}
	c, err := r.campaigns.Run(ctx, run.Campaign, run.Number)
	if errors.Is(err, game.ErrNotFound) || err == nil && c.SettledAt != nil {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = r.rebuildBoardOf(ctx, c)
	return err == nil, err
}

// SkipDead implements event.Skipper.
func (r *boardReader) SkipDead(ctx context.Context, s event.Source, p event.Position, reason string) error {
	return r.reader.SkipDead(ctx, s, p, reason)
}

// rebuildBoardOf builds a run's live board from the log if it is not whole, and tells whether it did.
func (s *stack) rebuildBoardOf(ctx context.Context, c *game.Campaign) (bool, error) {
	s.building.Lock() // keeper and reader of one process would start over in each other's way
	defer s.building.Unlock()
	built, err := s.board.Built(ctx, c.Life())
	if err != nil || built {
		return false, err
	}
	if err := leaderboard.Rebuild(ctx, s.board, s.bus, s.topics.Entries, c.Life(), scaleOf(c), c.Since, s.instead); err != nil {
		return false, err
	}
	s.log.Info("built the live board from the log", "campaign", c.ID, "run", c.Run)
	return true, nil
}

func (j *runJob) rebuildBoard(ctx context.Context) error {
	_, err := j.rebuildBoardOf(ctx, j.campaign.Load())
	return err
}

// books are what must agree before a run is settled.
func (s *stack) books() admin.Books {
	return admin.Books{
		Ledger:  s.ledger.Progress,
		Readers: map[string]admin.Progress{"notices": s.inbox.Progress, "board": s.board.Progress},
		Freeze:  s.freeze,
	}
}

// compareLimit bounds the differences that are named.
const compareLimit = 10

// freeze builds the final board and compares it with the live one. The ledger is what was paid, so the final
// board counts; a difference is somebody's to look at.
func (s *stack) freeze(ctx context.Context, c *game.Campaign) error {
	if err := s.finals.Freeze(ctx, c.Life(), scaleOf(c)); err != nil {
		return err
	}
	diff, err := leaderboard.Compare(ctx, s.board, s.finals, c.Life(), compareLimit)
	if err != nil {
		return fmt.Errorf("compare boards: %w", err)
	}
	if !diff.Same() {
		s.log.Error("live and final board differ", "campaign", c.ID, "run", c.Run, "live", diff.Live, "final", diff.Final,
			"differences", fmt.Sprint(diff.Differences))
		s.metrics.BoardsDiffer(c.ID, len(diff.Differences))
	}
	return nil
}
