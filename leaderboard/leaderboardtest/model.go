package leaderboardtest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/leaderboard"
)

// Model is a board in memory: as plain as can be, to measure others by.
type Model struct {
	mu   sync.Mutex
	runs map[event.Run]*modelRun
}

type modelRun struct {
	scale   *leaderboard.Scale
	cursors map[int]event.Cursor
	scores  map[string]int64
	built   bool
}

// NewModel has no boards yet.
func NewModel() *Model { return &Model{runs: map[event.Run]*modelRun{}} }

func (m *Model) of(run event.Run) *modelRun {
	run.Shards = 0
	if m.runs[run] == nil {
		m.runs[run] = &modelRun{cursors: map[int]event.Cursor{}, scores: map[string]int64{}}
	}
	return m.runs[run]
}

// Apply implements leaderboard.Live.
func (m *Model) Apply(_ context.Context, run event.Run, scale leaderboard.Scale, entries []event.Entry) (leaderboard.Applied, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(run)
	if r.scale == nil {
		r.scale = &scale
	}
	b := leaderboard.Judge(r.cursors, entries)
	for user, t := range b.Totals {
		r.scores[user] = max(r.scores[user], r.scale.Score(t.Coins, t.AtMS))
	}
	r.cursors = b.Cursors
	return b.Applied, b.Applied.Err()
}

// SkipDead implements leaderboard.Live.
func (m *Model) SkipDead(_ context.Context, s event.Source, p event.Position) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(event.Run{Campaign: s.Campaign, Number: s.Run})
	c, _, err := r.cursors[s.Shard].SkipDead(s, p)
	r.cursors[s.Shard] = c
	return err
}

// PutBack implements leaderboard.Live.
func (m *Model) PutBack(ctx context.Context, run event.Run, scale leaderboard.Scale, e event.Entry) (event.Return, error) {
	m.mu.Lock()
	r := m.of(run)
	if r.cursors[e.Shard].Judge(e) != event.Repeat {
		m.mu.Unlock()
		applied, err := m.Apply(ctx, run, scale, []event.Entry{e})
		return applied.Tally.Return(), err
	}
	defer m.mu.Unlock()
	if r.scale == nil {
		r.scale = &scale
	}
	raised := event.Counted
	for user, t := range leaderboard.TotalsOf(e) {
		if score := r.scale.Score(t.Coins, t.AtMS); score > r.scores[user] {
			r.scores[user], raised = score, event.Counts
		}
	}
	return raised, nil
}

// Progress tells how far the board is in each pool of a run.
func (m *Model) Progress(_ context.Context, campaign string, run int64) (map[int]event.Cursor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.of(event.Run{Campaign: campaign, Number: run}).cursors), nil
}

// Built implements leaderboard.Live.
func (m *Model) Built(_ context.Context, run event.Run) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.of(run).built, nil
}

// Reset implements leaderboard.Live.
func (m *Model) Reset(_ context.Context, run event.Run) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of(run).cursors, m.of(run).built = map[int]event.Cursor{}, false
	return nil
}

// MarkBuilt implements leaderboard.Live.
func (m *Model) MarkBuilt(_ context.Context, run event.Run) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of(run).built = true
	return nil
}

// all is the board from the top.
func (m *Model) all(run event.Run) []leaderboard.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	scores := m.of(run).scores
	entries := make([]leaderboard.Entry, 0, len(scores))
	for user, score := range scores {
		entries = append(entries, leaderboard.Entry{User: user, Coins: leaderboard.Coins(score)})
	}
	slices.SortFunc(entries, func(a, b leaderboard.Entry) int {
		return cmp.Or(cmp.Compare(scores[b.User], scores[a.User]), cmp.Compare(b.User, a.User))
	})
	for i := range entries {
		entries[i].Rank = int64(i + 1)
	}
	return entries
}

// Range implements leaderboard.Board.
func (m *Model) Range(_ context.Context, run event.Run, from int64, limit int) ([]leaderboard.Entry, error) {
	all := m.all(run)
	from = min(from, int64(len(all)))
	return all[from:min(len(all), int(from)+leaderboard.PageSize(limit))], nil
}

// Rank implements leaderboard.Board.
func (m *Model) Rank(_ context.Context, run event.Run, user string) (leaderboard.Entry, error) {
	for _, e := range m.all(run) {
		if e.User == user {
			return e, nil
		}
	}
	return leaderboard.Entry{}, leaderboard.ErrNotRanked
}

// Around implements leaderboard.Board.
func (m *Model) Around(ctx context.Context, run event.Run, user string, n int) ([]leaderboard.Entry, error) {
	e, err := m.Rank(ctx, run, user)
	if err != nil {
		return nil, err
	}
	all, i := m.all(run), int(e.Rank-1)
	return all[max(0, i-n):min(len(all), i+n+1)], nil
}

// Coins implements leaderboard.Board.
func (m *Model) Coins(_ context.Context, run event.Run, users []string) (map[string]int64, error) {
	coins := map[string]int64{}
	for _, e := range m.all(run) {
		if slices.Contains(users, e.User) {
			coins[e.User] = e.Coins
		}
	}
	return coins, nil
}

// Size implements leaderboard.Board.
func (m *Model) Size(_ context.Context, run event.Run) (int64, error) {
	return int64(len(m.all(run))), nil
}
