package leaderboardtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/leaderboard"
)

// Board is what the exam asks of a store.
type Board interface {
	leaderboard.Live
	leaderboard.Board
	Progress(ctx context.Context, campaign string, run int64) (map[int]event.Cursor, error)
}

// Run examines a live board. newBoard gives one without any runs.
func Run(t *testing.T, newBoard func(testing.TB) Board) {
	for name, exam := range map[string]func(*testing.T, Board){
		"empty":             empty,
		"ranks":             ranks,
		"ties":              ties,
		"repeats":           repeats,
		"gap":               gap,
		"void after fence":  voidAfterFence,
		"dead letters":      deadLetters,
		"first scale stays": firstScaleStays,
		"runs apart":        runsApart,
		"many players":      manyPlayers,
		"big totals":        bigTotals,
		"odd names":         oddNames,
		"two readers":       twoReaders,
		"built":             built,
		"like the model":    likeTheModel,
	} {
		t.Run(name, func(t *testing.T) { exam(t, newBoard(t)) })
	}
}

// DemoRun is the run that most exams use, DemoScale its scale.
var (
	DemoRun   = event.Run{Campaign: "demo", Number: 1, Shards: 2}
	DemoScale = leaderboard.NewScale(time.UnixMilli(StartMS), time.UnixMilli(StartMS).Add(5*time.Minute))
)

func apply(t *testing.T, b Board, entries ...event.Entry) leaderboard.Applied {
	t.Helper()
	applied, err := b.Apply(t.Context(), DemoRun, DemoScale, entries)
	if err != nil {
		t.Fatal(err)
	}
	return applied
}

// want checks the whole board: from the top, each player's own place, and what surrounds it.
func want(t *testing.T, b leaderboard.Board, run event.Run, entries ...leaderboard.Entry) {
	t.Helper()
	got, err := leaderboard.Top(t.Context(), b, run, leaderboard.MaxPage)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, entries) {
		t.Fatalf("board:\n got %v\nwant %v", got, entries)
	}
	if size, err := b.Size(t.Context(), run); err != nil || size != int64(len(entries)) {
		t.Errorf("size: got %d (%v), want %d", size, err, len(entries))
	}
	for i, e := range entries {
		if own, err := b.Rank(t.Context(), run, e.User); err != nil || own != e {
			t.Errorf("rank of %q: got %v (%v), want %v", e.User, own, err, e)
		}
		around, err := b.Around(t.Context(), run, e.User, 2)
		if near := entries[max(0, i-2):min(len(entries), i+3)]; err != nil || !slices.Equal(around, near) {
			t.Errorf("around %q: got %v (%v), want %v", e.User, around, err, near)
		}
	}
}

func empty(t *testing.T, b Board) {
	want(t, b, DemoRun)
	_, err1 := b.Rank(t.Context(), DemoRun, "ann")
	_, err2 := b.Around(t.Context(), DemoRun, "ann", 5)
	if !errors.Is(err1, leaderboard.ErrNotRanked) || !errors.Is(err2, leaderboard.ErrNotRanked) {
		t.Errorf("got %v and %v, want ErrNotRanked", err1, err2)
	}
	coins, err := b.Coins(t.Context(), DemoRun, []string{"ann"})
	if err != nil || len(coins) != 0 {
		t.Errorf("coins: %v (%v)", coins, err)
	}
	if none, err := b.Range(t.Context(), DemoRun, 7, 0); err != nil || len(none) != 0 {
		t.Errorf("no entries: %v (%v)", none, err)
	}
}

func ranks(t *testing.T, b Board) {
	w, v := NewWriter(DemoRun, 0), NewWriter(DemoRun, 1)
	w.End("ann", 10, 100)
	w.End("bob", 0, 200) // no coins, no place
	w.End("ann", 5, 300)
	v.End("cat", 40, 150)
	v.End("dan", 7, 160)
	w.End("ann", 0, 400) // moves nobody
	got := apply(t, b, append(w.Log, v.Log...)...)
	if got.Entries != 8 || got.Players != 3 {
		t.Errorf("applied: %+v", got)
	}
	want(t, b, DemoRun, leaderboard.Entry{Rank: 1, User: "cat", Coins: 40},
		leaderboard.Entry{Rank: 2, User: "ann", Coins: 15}, leaderboard.Entry{Rank: 3, User: "dan", Coins: 7})
	coins, err := b.Coins(t.Context(), DemoRun, []string{"dan", "bob", "cat", "eve"})
	if err != nil || !maps.Equal(coins, map[string]int64{"dan": 7, "cat": 40}) {
		t.Errorf("coins: %v (%v)", coins, err)
	}
	if two, err := b.Range(t.Context(), DemoRun, 1, 5); err != nil || len(two) != 2 || two[0].User != "ann" || two[0].Rank != 2 {
		t.Errorf("from the second: %v (%v)", two, err)
	}
	if alone, err := b.Around(t.Context(), DemoRun, "ann", 0); err != nil || len(alone) != 1 {
		t.Errorf("around nobody: %v (%v)", alone, err)
	}
}

// Of equal coins the first to have them is first; within one unit the greater name.
func ties(t *testing.T, b Board) {
	w, v := NewWriter(DemoRun, 0), NewWriter(DemoRun, 1)
	w.End("late", 10, 900)
	w.End("same1", 10, 500)
	v.End("same2", 10, 500)
	v.End("early", 10, 499)
	v.End("early", 0, 2000) // settled later, but paid nothing
	v.End("before", 10, -5) // clocks differ: as at the start
	v.End("after", 10, 99_000_000)
	apply(t, b, append(v.Log, w.Log...)...)
	var names []string
	all, err := leaderboard.Top(t.Context(), b, DemoRun, 10)
	for _, e := range all {
		names = append(names, e.User)
	}
	if expected := []string{"before", "early", "same2", "same1", "late", "after"}; err != nil || !slices.Equal(names, expected) {
		t.Errorf("got %v (%v), want %v", names, err, expected)
	}
}

func repeats(t *testing.T, b Board) {
	w := NewWriter(DemoRun, 0)
	w.End("ann", 10, 100)
	w.End("ann", 10, 200)
	w.End("bob", 15, 300)
	apply(t, b, w.Log...)
	if got := apply(t, b, append(w.Log, w.Log...)...); got.Repeats != 8 || got.Entries != 0 {
		t.Errorf("applied: %+v", got)
	}
	want(t, b, DemoRun, leaderboard.Entry{Rank: 1, User: "ann", Coins: 20}, leaderboard.Entry{Rank: 2, User: "bob", Coins: 15})
}

func gap(t *testing.T, b Board) {
	w, v := NewWriter(DemoRun, 0), NewWriter(DemoRun, 1)
	for i := range int64(4) {
		w.End("ann", 10, i)
		v.End("bob", 10, i)
	}
	holed := append(append([]event.Entry{}, w.Log[:2]...), w.Log[3:]...)
	holed = append(holed, v.Log...)
	for range 2 {
		_, err := b.Apply(t.Context(), DemoRun, DemoScale, holed)
		var g *event.GapError
		if !errors.As(err, &g) || g.Got != w.Log[3].Position {
			t.Fatalf("got %v, want a gap at %s", err, w.Log[3].Position)
		}
		want(t, b, DemoRun, leaderboard.Entry{Rank: 1, User: "bob", Coins: 40}, leaderboard.Entry{Rank: 2, User: "ann", Coins: 10})
	}
	apply(t, b, w.Log...)
	if e, err := b.Rank(t.Context(), DemoRun, "ann"); err != nil || e.Coins != 40 {
		t.Errorf("once it is whole: %v (%v)", e, err)
	}
}

func voidAfterFence(t *testing.T, b Board) {
	w := NewWriter(DemoRun, 0)
	w.End("ann", 10, 100)
	zombie := w.Zombie()
	zombie.End("ann", 1000, 200)
	zombie.End("bob", 1000, 200)
	w.Fence()
	w.Log = append(w.Log, zombie.Log[0])
	w.Open()
	w.Log = append(w.Log, zombie.Log[1])
	w.End("ann", 5, 300)
	if got := apply(t, b, w.Log...); got.Voids != 1 {
		t.Errorf("applied: %+v", got)
	}
	apply(t, b, zombie.Log...)
	want(t, b, DemoRun, leaderboard.Entry{Rank: 1, User: "ann", Coins: 15})
}

func deadLetters(t *testing.T, b Board) {
	w := NewWriter(DemoRun, 0)
	w.End("ann", 10, 100)
	w.End("ann", 20, 200)
	var g *event.GapError
	if err := b.SkipDead(t.Context(), w.source, w.Last().Position); !errors.As(err, &g) {
		t.Errorf("skipping over what was not applied: got %v, want a gap", err)
	}
	if err := b.SkipDead(t.Context(), w.source, w.Log[0].Position); err != nil {
		t.Fatal(err) // the opening itself, on a board that knows no scale yet
	}
	for range 2 {
		if err := b.SkipDead(t.Context(), w.source, w.Log[1].Position); err != nil {
			t.Fatal(err)
		}
	}
	apply(t, b, w.Log[2:]...)
	want(t, b, DemoRun, leaderboard.Entry{Rank: 1, User: "ann", Coins: 30}) // the next total makes up for it
	if r, err := b.PutBack(t.Context(), DemoRun, DemoScale, w.Log[1]); err != nil || r != event.Counted {
		t.Errorf("put back what a later total covers: got %s, %v", r, err)
	}
	w.End("bob", 40, 300)
	if err := b.SkipDead(t.Context(), w.source, w.Last().Position); err != nil {
		t.Fatal(err)
	}
	for _, wanted := range []event.Return{event.Counts, event.Counted} {
		if r, err := b.PutBack(t.Context(), DemoRun, DemoScale, w.Last()); err != nil || r != wanted {
			t.Errorf("put back: got %s, %v, want %s", r, err, wanted)
		}
	}
	want(t, b, DemoRun, leaderboard.Entry{Rank: 1, User: "bob", Coins: 40}, leaderboard.Entry{Rank: 2, User: "ann", Coins: 30})
	w.End("bob", 1, 310)
	w.End("bob", 1, 320)
	if _, err := b.PutBack(t.Context(), DemoRun, DemoScale, w.Last()); !errors.As(err, &g) {
		t.Errorf("put back beyond the board: got %v, want a gap", err)
	}
	apply(t, b, w.Log[len(w.Log)-2:]...)
	w.Fence()
	if err := b.SkipDead(t.Context(), w.source, w.Last().Position); err != nil {
		t.Fatal(err)
	}
	zombie := w.Zombie()
	zombie.End("ann", 1000, 300)
	if got := apply(t, b, zombie.Log...); got.Voids != 1 {
		t.Errorf("behind a dead fence: %+v", got)
	}
}

// A campaign whose window is changed while it runs must not reorder who was first.
func firstScaleStays(t *testing.T, b Board) {
	w := NewWriter(DemoRun, 0)
	w.End("first", 10, 1000)
	apply(t, b, w.Log...)
	w.End("second", 10, 2000)
	other := leaderboard.Scale{StartMS: StartMS + 1500, UnitMS: 1}
	if _, err := b.Apply(t.Context(), DemoRun, other, w.Log); err != nil {
		t.Fatal(err)
	}
	want(t, b, DemoRun, leaderboard.Entry{Rank: 1, User: "first", Coins: 10}, leaderboard.Entry{Rank: 2, User: "second", Coins: 10})
}

func runsApart(t *testing.T, b Board) {
	next := event.Run{Campaign: "demo", Number: 2, Shards: 2}
	w, v := NewWriter(DemoRun, 0), NewWriter(next, 0)
	w.End("ann", 10, 100)
	v.End("bob", 20, 100)
	apply(t, b, w.Log...)
	if _, err := b.Apply(t.Context(), next, DemoScale, v.Log); err != nil {
		t.Fatal(err)
	}
	want(t, b, DemoRun, leaderboard.Entry{Rank: 1, User: "ann", Coins: 10})
	want(t, b, next, leaderboard.Entry{Rank: 1, User: "bob", Coins: 20})
}

// More players in a batch than one script call takes.
func manyPlayers(t *testing.T, b Board) {
	w := NewWriter(DemoRun, 0)
	const players = 1700
	for i := range players / 10 {
		paid := map[string]int64{}
		for j := range 10 {
			paid[fmt.Sprintf("user%04d", 10*i+j)] = int64(10*i + j + 1)
		}
		w.EndAll(paid, int64(i))
	}
	apply(t, b, w.Log...)
	for _, rank := range []int64{1, 500, 501, 1000, 1001, players} {
		user := fmt.Sprintf("user%04d", players-rank)
		e, err := b.Rank(t.Context(), DemoRun, user)
		if expected := (leaderboard.Entry{Rank: rank, User: user, Coins: players - rank + 1}); err != nil || e != expected {
			t.Errorf("rank: got %v (%v), want %v", e, err, expected)
		}
	}
	page, err := b.Range(t.Context(), DemoRun, 1000, 5000)
	if err != nil || len(page) != 700 || page[699].Rank != players {
		t.Errorf("last page: %d entries (%v)", len(page), err)
	}
	if page, err = b.Range(t.Context(), DemoRun, 0, 5000); err != nil || len(page) != leaderboard.MaxPage {
		t.Errorf("a page that is too long: %d entries (%v)", len(page), err)
	}
}

func bigTotals(t *testing.T, b Board) {
	w := NewWriter(DemoRun, 0)
	w.End("four billion", 1<<32-1, 1)
	w.End("four billion, later", 1<<32-1, 2)
	w.End("a million million", 1_000_000_000_000, 299_999)
	w.End("one more", 1_000_000_000_001, 299_999)
	apply(t, b, w.Log...)
	want(t, b, DemoRun, leaderboard.Entry{Rank: 1, User: "one more", Coins: 1_000_000_000_001},
		leaderboard.Entry{Rank: 2, User: "a million million", Coins: 1_000_000_000_000},
		leaderboard.Entry{Rank: 3, User: "four billion", Coins: 1<<32 - 1},
		leaderboard.Entry{Rank: 4, User: "four billion, later", Coins: 1<<32 - 1})
}

func oddNames(t *testing.T, b Board) {
	w := NewWriter(DemoRun, 0)
	var expected []leaderboard.Entry
	for i, name := range []string{"ann", "Ann", "ann ", "\u00e4nn", "7", "007", "1e3", "GT", "🦆", "a b\tc", "{x}"} {
		w.End(name, int64(100-i), 1)
		expected = append(expected, leaderboard.Entry{Rank: int64(i + 1), User: name, Coins: int64(100 - i)})
	}
	apply(t, b, w.Log...)
	want(t, b, DemoRun, expected...)
}

// Two consumers that both hold the shard for a moment, one of them behind.
func twoReaders(t *testing.T, b Board) {
	w := NewWriter(DemoRun, 0)
	for i := range int64(60) {
		if i%20 == 10 {
			zombie := w.Zombie()
			zombie.End("nobody", 1_000_000, i)
			w.Fence()
			w.Log = append(w.Log, zombie.Log...)
			w.Open()
		}
		w.End(fmt.Sprint("user", i%7), i, i)
	}
	var g errgroup.Group
	for reader := range 3 {
		g.Go(func() error {
			for from := 0; from < len(w.Log); from += 3 + reader {
				if _, err := b.Apply(t.Context(), DemoRun, DemoScale, w.Log[from:min(len(w.Log), from+3+reader)]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	coins, err := b.Coins(t.Context(), DemoRun, slices.Collect(maps.Keys(w.totals)))
	if err != nil || !maps.Equal(coins, w.totals) {
		t.Errorf("got %v (%v), want %v", coins, err, w.totals)
	}
	if _, err := b.Rank(t.Context(), DemoRun, "nobody"); !errors.Is(err, leaderboard.ErrNotRanked) {
		t.Errorf("a zombie's player is ranked (%v)", err)
	}
}

func built(t *testing.T, b Board) {
	w := NewWriter(DemoRun, 0)
	w.End("ann", 10, 100)
	apply(t, b, w.Log...)
	for _, expected := range []bool{false, true} {
		if got, err := b.Built(t.Context(), DemoRun); err != nil || got != expected {
			t.Errorf("built: got %v (%v), want %v", got, err, expected)
		}
		if err := b.MarkBuilt(t.Context(), DemoRun); err != nil {
			t.Fatal(err)
		}
	}
	want(t, b, DemoRun, leaderboard.Entry{Rank: 1, User: "ann", Coins: 10})
	progress, err := b.Progress(t.Context(), "demo", 1)
	if cursor := (event.Cursor{Position: w.Last().Position, Fence: 1}); err != nil || !maps.Equal(progress, map[int]event.Cursor{0: cursor}) {
		t.Errorf("progress: got %v (%v), want %v in shard 0", progress, err, cursor)
	}
}

// Random histories, cut anywhere, with repeats, shards shuffled against each other: always as the model.
func likeTheModel(t *testing.T, b Board) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 3))
		run := event.Run{Campaign: fmt.Sprint("random", seed), Number: 1, Shards: 3}
		log := randomLog(rng, run)
		model := NewModel()
		for from := 0; from < len(log); {
			to := min(len(log), from+1+rng.IntN(20))
			for _, board := range []Board{model, b} {
				if _, err := board.Apply(t.Context(), run, DemoScale, log[from:to]); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
			if from = to; rng.IntN(3) == 0 && to < len(log) {
				from = rng.IntN(to)
			}
		}
		t.Logf("seed %d: %d entries", seed, len(log))
		want(t, b, run, model.all(run)...)
	}
}

func randomLog(rng *rand.Rand, run event.Run) []event.Entry {
	var log []event.Entry
	writers := []*Writer{NewWriter(run, 0), NewWriter(run, 1), NewWriter(run, 2)}
	sent := make([]int, len(writers))
	for range 120 {
		i := rng.IntN(len(writers))
		w := writers[i]
		switch rng.IntN(12) {
		case 0:
			zombie := w.Zombie()
			zombie.End("nobody", 1_000_000, 1)
			w.Fence()
			w.Log = append(w.Log, zombie.Log...)
			w.Open()
		default:
			w.End(fmt.Sprintf("user%d.%d", i, rng.IntN(6)), rng.Int64N(4), rng.Int64N(30))
		}
		log = append(log, w.Log[sent[i]:]...)
		sent[i] = len(w.Log)
	}
	return log
}
