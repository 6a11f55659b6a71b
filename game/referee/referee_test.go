package referee_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/fairplay"
	"github.com/shake-live/shake/game/referee"
	"github.com/shake-live/shake/internal/clock"
)

// world is all that a referee works with, in memory.
type world struct {
	mu     sync.Mutex
	rules  fairplay.Rules
	down   bool
	kept   map[string]referee.Judgement
	writes int
	counts map[string]int
}

func newWorld() *world {
	return &world{kept: map[string]referee.Judgement{}, counts: map[string]int{}}
}

func (w *world) Get(_ context.Context, id string) (*game.Live, error) {
	if id != "show" {
		return nil, game.ErrNotFound
	}
	return &game.Live{Campaign: game.Campaign{ID: id, ShakeRate: 8, FairPlay: w.rules}}, nil
}

func (w *world) Keep(_ context.Context, list []referee.Judgement) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes++
	if w.down {
		return errors.New("no database")
	}
	for _, j := range list {
		if _, known := w.kept[j.Round]; !known {
			w.kept[j.Round] = j
		}
	}
	return nil
}

func (w *world) count(what string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[what] += n
}

func (w *world) Judged(string)               { w.count("judged", 1) }
func (w *world) Flagged(_, reason string)    { w.count(reason, 1) }
func (w *world) Unjudged(what string, n int) { w.count("no "+what, n) }
func (w *world) Crowded(string)              { w.count("crowded", 1) }

func (w *world) set(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
}

func (w *world) rows() (rows []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.kept))
}

func (w *world) want(t *testing.T, want map[string]int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !maps.Equal(w.counts, want) {
		t.Errorf("got %v, want %v", w.counts, want)
	}
}

func (w *world) referee(o referee.Options) *referee.Referee {
	return referee.New(referee.Deps{Campaigns: w, Store: w, Clock: clock.System{}, Observer: w, Log: slog.New(slog.DiscardHandler)}, o)
}

// finish runs a referee until everything that waits is judged and written.
func finish(r *referee.Referee) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r.Run(ctx)
}

func round(user string, number int64) game.RoundID {
	return game.RoundID{Campaign: "show", Run: 1, Epoch: 1, User: user, Number: number}
}

// robot beats every 200 ms; hand has its own intervals, the same for the same seed.
func robot() []int64 {
	beats := make([]int64, 40)
	for i := range beats {
		beats[i] = int64(i) * 200
	}
	return beats
}

func hand(seed int64) []int64 {
	beats := robot()
	for i := range beats {
		beats[i] += (seed*31 + int64(i)*int64(i)*7) % 41
	}
	return beats
}

// Innocent rounds leave no row; flagged ones leave one, and a repeat of an end is not judged again.
func TestReferee_flags(t *testing.T) {
	w := newWorld()
	r := w.referee(referee.Options{})
	for range 3 {
		r.Ended(round("ann", 1), "", 40, hand(1))
		r.Ended(round("bot", 1), "", 40, robot())
		r.Ended(round("bob", 1), "", 40, hand(1)) // ann's
		r.Ended(round("cid", 1), "", 10, hand(2))
		r.Ended(round("dan", 1), "", 40, nil)
		r.Ended(game.RoundID{Campaign: "gone", Run: 1, Epoch: 1, User: "ann", Number: 1}, "", 40, robot())
	}
	finish(r)
	w.want(t, map[string]int{"judged": 4, "regular": 1, "copy": 1, "excess": 1, "no campaign": 3})
	if got, want := w.rows(), []string{"show.1.1.bob.1", "show.1.1.bot.1", "show.1.1.cid.1"}; !slices.Equal(got, want) {
		t.Errorf("got rows of %v, want %v", got, want)
	}
	got := w.kept["show.1.1.bot.1"]
	if got.Campaign != "show" || got.Run != 1 || got.User != "bot" || got.Score != 1 || got.Shakes != 40 || got.Beats != 40 || got.Rate != 5 || got.At.IsZero() {
		t.Errorf("got %+v, want the facts of the round", got)
	}
}

// A device is crowded once, and from then on its rounds are flagged, with beats or without.
func TestReferee_devices(t *testing.T) {
	w := newWorld()
	r := w.referee(referee.Options{})
	for user := range int64(7) {
		r.Ended(round(fmt.Sprint("u", user), 1), "phone", 40, nil)
		r.Ended(round(fmt.Sprint("u", user), 2), "phone", 40, nil)
	}
	finish(r)
	w.want(t, map[string]int{"judged": 14, "device": 4, "crowded": 1})
}

// Off looks at nothing, and a lower min_score keeps rounds that are not flagged.
func TestReferee_byTheCampaignsRules(t *testing.T) {
	w := newWorld()
	w.rules.Mode = fairplay.Off
	r := w.referee(referee.Options{})
	r.Ended(round("bot", 1), "phone", 40, robot())
	finish(r)
	w.want(t, map[string]int{})
	w.rules = fairplay.Rules{MinScore: 0.001}
	r = w.referee(referee.Options{})
	r.Ended(round("ann", 1), "", 40, hand(1))
	finish(r)
	w.want(t, map[string]int{"judged": 1})
	if got := w.rows(); len(got) != 1 {
		t.Errorf("got rows of %v, want ann's", got)
	}
}

// Nobody waits: what does not fit into the queue is dropped and counted.
func TestReferee_fullQueue(t *testing.T) {
	w := newWorld()
	r := w.referee(referee.Options{Queue: 2})
	for n := range int64(5) {
		r.Ended(round("bot", n+1), "", 40, robot())
	}
	finish(r)
	w.want(t, map[string]int{"judged": 2, "regular": 2, "no queue": 3})
}

// Judgements outlive a database that is away, each is written once, and what finds no room is counted.
func TestReferee_storeAway(t *testing.T) {
	w := newWorld()
	w.set(true)
	r := w.referee(referee.Options{Batch: 2, Rows: 2, Every: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	until := func(what string, ok func() bool) {
		t.Helper()
		for giveUp := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
			if time.Now().After(giveUp) {
				t.Fatal("waited 10 s for " + what)
			}
		}
	}
	seen := func(what string, n int) func() bool {
		return func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.counts[what] >= n }
	}
	for n := range int64(2) { // the batch, and then its rows
		r.Ended(round("bot", 2*n+1), "", 40, robot())
		r.Ended(round("bot", 2*n+2), "", 40, robot())
		until("judging", seen("judged", int(2*n+2)))
		until("writes", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.writes > int(n+1)*3 })
	}
	r.Ended(round("bot", 5), "", 40, robot())
	until("a full queue of rows", seen("no rows", 1))
	w.set(false)
	until("the writes", func() bool { return len(w.rows()) == 4 })
	w.set(true)
	r.Ended(round("bot", 6), "", 40, robot())
	cancel()
	running.Wait()
	w.want(t, map[string]int{"judged": 6, "regular": 6, "no rows": 2})
}

// What waits when the node stops is judged and written.
func TestReferee_end(t *testing.T) {
	w := newWorld()
	r := w.referee(referee.Options{Batch: 3})
	for n := range int64(100) {
		r.Ended(round("bot", n+1), "", 40, robot())
	}
	finish(r)
	if got := len(w.rows()); got != 100 {
		t.Errorf("got %d rows, want 100", got)
	}
}

// What it costs a request to hand its round over.
func BenchmarkEnded(b *testing.B) {
	r, beats := newWorld().referee(referee.Options{}), robot()
	b.ReportAllocs()
	for b.Loop() {
		r.Ended(round("bot", 1), "phone", 40, beats)
	}
}
