package inventory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/event"
)

// Level is how full a run's pool is: the bank, all slices, and what is on its way between them.
type Level struct {
	Campaign string    `json:"campaign"`
	Run      int64     `json:"run"`
	Funded   int64     `json:"funded"`
	Left     int64     `json:"left"`
	Issued   int64     `json:"issued"`
	At       time.Time `json:"at"`

	// Epochs and Seqs are the sums of the pools' positions. Neither ever falls, so of two levels the one with more of
	// them is the younger, whoever summed it and whenever it arrived.
	Epochs int64 `json:"epochs"`
	Seqs   int64 `json:"seqs"`
}

// before tells whether l shows the pools as they were before other.
func (l Level) before(other Level) bool {
	return l.Epochs < other.Epochs || l.Epochs == other.Epochs && l.Seqs < other.Seqs
}

// Audit looks at every pool of a run. The pools are not stopped for it: transfers that move on meanwhile can
// be seen at both ends or at neither, until it is looked at again.
func Audit(ctx context.Context, store Store, run Run) ([]Slice, error) {
	pools := run.Pools()
	slices := make([]Slice, len(pools))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(64)
	for i, shard := range pools {
		g.Go(func() (err error) {
			slices[i], err = store.Audit(ctx, run, shard)
			if err != nil {
				err = fmt.Errorf("audit %s: %w", run.Source(shard), err)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices, nil
}

// LevelOf sums slices. Coins on their way count as left: nobody else can get them.
func LevelOf(run Run, slices []Slice, at time.Time) Level {
	l := Level{Campaign: run.Campaign, Run: run.Number, At: at}
	for _, s := range slices {
		l.Funded += s.Funded
		l.Issued += s.Issued
		l.Epochs += s.Position.Epoch
		l.Seqs += s.Position.Seq
	}
	l.Left = l.Funded - l.Issued
	return l
}

// Levels is a node's memory of the levels that the keeper pushes. The zero value is empty and ready.
type Levels struct {
	mu   sync.RWMutex
	last map[levelKey]Level
}

type levelKey struct {
	campaign string
	run      int64
}

// Set remembers the level. Where a younger one is known that one stays, and is good for as long as this one: pools that
// are being opened again have not all of their past yet.
func (l *Levels) Set(level Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil {
		l.last = map[levelKey]Level{}
	}
	key := levelKey{level.Campaign, level.Run}
	for other := range l.last {
		if other.campaign == key.campaign && other.run < key.run {
			delete(l.last, other) // a campaign has one run at a time
		}
	}
	if known, ok := l.last[key]; ok && level.before(known) {
		known.At = later(known.At, level.At)
		level = known
	}
	l.last[key] = level
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Get is the youngest level known of the run.
func (l *Levels) Get(run Run) (Level, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	level, ok := l.last[levelKey{run.Campaign, run.Number}]
	return level, ok
}

// inFlight is how much of what slice a sent to b has not arrived there; 0 if all has.
func inFlight(a, b Slice) (event.Transfer, bool) {
	t, ok := a.To[b.Shard]
	return t, ok && t.Number == b.From[a.Shard]+1
}
