package leaderboard_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/leaderboard"
	"github.com/shake-live/shake/leaderboard/leaderboardtest"
)

var (
	demo    = leaderboardtest.DemoRun
	next    = event.Run{Campaign: "demo", Number: 2, Shards: 2}
	unknown = event.Run{Campaign: "old", Number: 1, Shards: 2}
)

func scales(_ context.Context, campaign string, _ int64) (leaderboard.Scale, error) {
	if campaign == "old" {
		return leaderboard.Scale{}, leaderboard.ErrNoBoard
	}
	return leaderboardtest.DemoScale, nil
}

func coins(t *testing.T, b leaderboard.Board, run event.Run, user string) int64 {
	t.Helper()
	e, err := b.Rank(t.Context(), run, user)
	if err != nil && !errors.Is(err, leaderboard.ErrNotRanked) {
		t.Fatal(err)
	}
	return e.Coins
}

// A batch of several runs: each goes to its board, forgotten runs to none, and a gap in one run holds up no
// other.
func TestReader_Handle(t *testing.T) {
	model := leaderboardtest.NewModel()
	watched := 0
	r := leaderboard.NewReader(model, scales, func(leaderboard.Applied) { watched++ })
	a, b, c := leaderboardtest.NewWriter(demo, 0), leaderboardtest.NewWriter(next, 0), leaderboardtest.NewWriter(unknown, 0)
	for _, w := range []*leaderboardtest.Writer{a, b, c} {
		w.End("ann", 10, 1)
		w.End("ann", 10, 2)
	}
	batch := slices.Concat([]event.Entry{a.Log[0], a.Log[2]}, c.Log, b.Log)
	var g *event.GapError
	if err := r.Handle(t.Context(), batch); !errors.As(err, &g) || g.Source != demo.Source(0) {
		t.Errorf("got %v, want the gap in %s", err, demo.Source(0))
	}
	if got := coins(t, model, next, "ann"); got != 20 || watched != 2 {
		t.Errorf("the other run has %d coins after %d looks, want 20 after 2", got, watched)
	}
	if err := r.Handle(t.Context(), slices.Concat(a.Log, b.Log)); err != nil {
		t.Fatal(err)
	}
	if got := coins(t, model, demo, "ann"); got != 20 {
		t.Errorf("got %d coins, want 20", got)
	}
	if got := coins(t, model, unknown, "ann"); got != 0 {
		t.Errorf("a run without a board has %d coins", got)
	}
}

func TestReader_SkipDead(t *testing.T) {
	model := leaderboardtest.NewModel()
	r := leaderboard.NewReader(model, scales, func(leaderboard.Applied) {})
	a := leaderboardtest.NewWriter(demo, 0)
	a.End("ann", 10, 1)
	for _, s := range []event.Source{demo.Source(0), demo.Source(event.Bank), unknown.Source(1)} {
		if err := r.SkipDead(t.Context(), s, event.Position{Epoch: 1, Seq: 1}, "not JSON"); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	if err := r.Handle(t.Context(), a.Log[1:]); err != nil {
		t.Errorf("behind the dead one: %v", err)
	}
	if err := r.SkipDead(t.Context(), demo.Source(0), event.Position{Epoch: 1, Seq: 9}, "not JSON"); err == nil {
		t.Error("a dead letter far ahead is no gap")
	}
}

// What was put back is read in the place of what nobody can read; a store that does not answer ends the building.
func TestRebuild_instead(t *testing.T) {
	w := leaderboardtest.NewWriter(demo, 0)
	w.End("ann", 10, 1)
	w.End("bob", 3, 2)
	var log stubLog
	log.write(t, w.Log...)
	for i := range log[0] {
		m, err := w.Log[i].Message("topic")
		if err != nil {
			t.Fatal(err)
		}
		log[0][i].Headers = m.Headers
	}
	log[0][1].Value = []byte("?")
	away := errors.New("the database is away")
	for _, c := range []struct {
		name    string
		instead event.Instead
		want    error
		players int64
	}{
		{"nobody", nil, nil, 1},
		{"nothing", func(_ context.Context, _ event.Source, _ event.Position, reason error) (event.Entry, error) {
			return event.Entry{}, reason
		}, nil, 1},
		{"put back", func(_ context.Context, s event.Source, p event.Position, reason error) (event.Entry, error) {
			if e := w.Log[1]; s == e.Source && p == e.Position && errors.Is(reason, event.ErrPoison) {
				return e, nil
			}
			return event.Entry{}, reason
		}, nil, 2},
		{"away", func(context.Context, event.Source, event.Position, error) (event.Entry, error) {
			return event.Entry{}, away
		}, away, 0},
	} {
		model := leaderboardtest.NewModel()
		err := leaderboard.Rebuild(t.Context(), model, log, "topic", demo, leaderboardtest.DemoScale, nil, c.instead)
		size, _ := model.Size(t.Context(), demo)
		if !errors.Is(err, c.want) || err == nil && size != c.players {
			t.Errorf("%s: got %v and %d players, want %v and %d", c.name, err, size, c.want, c.players)
		}
	}
}

// stubLog is a log of two partitions; shard n lies in partition n.
type stubLog [2][]event.Message

func (l stubLog) Partition(_ context.Context, _, key string) (int32, error) {
	s, err := event.ParseSource(key)
	return int32(max(s.Shard, 0)), err
}

func (l stubLog) Partitions(context.Context, string) (int32, error) { return 2, nil }

func (l stubLog) Start(context.Context, string, int32) (int64, error) { return 0, nil }

func (l stubLog) End(_ context.Context, _ string, p int32) (int64, error) {
	return int64(len(l[p])), nil
}

func (l stubLog) Scan(_ context.Context, _ string, p int32, from, to int64, fn func(event.Message) error) error {
	for _, m := range l[p][from:to] {
		if err := fn(m); err != nil {
			return err
		}
	}
	return nil
}

func (l *stubLog) write(t *testing.T, entries ...event.Entry) {
	t.Helper()
	for _, e := range entries {
		value, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		p := max(e.Shard, 0)
		l[p] = append(l[p], event.Message{Key: e.Source.String(), Value: value,
			Headers: map[string]string{event.HeaderPosition: e.Position.String()}})
	}
}

func TestRebuild(t *testing.T) {
	a, b, other := leaderboardtest.NewWriter(demo, 0), leaderboardtest.NewWriter(demo, 1), leaderboardtest.NewWriter(next, 0)
	for i := range int64(700) { // more than one batch
		a.End("ann", 1, i)
		b.End("bob", 2, i)
		other.End("eve", 3, i)
	}
	var log stubLog
	log.write(t, other.Log[:10]...)
	from := map[int32]int64{0: 10}
	log.write(t, slices.Concat(a.Log, other.Log, b.Log)...)
	log[0][10+300].Value = []byte("not JSON") // one of ann's rounds: her next total makes up for it
	log[0] = append(log[0], event.Message{Key: "rubbish"}, event.Message{Key: demo.Source(0).String(), Value: []byte("{}")})

	model := leaderboardtest.NewModel()
	if _, err := model.Apply(t.Context(), demo, leaderboardtest.DemoScale, a.Log[:50]); err != nil {
		t.Fatal(err) // what was left of the old board
	}
	for range 2 {
		if err := leaderboard.Rebuild(t.Context(), model, log, "topic", demo, leaderboardtest.DemoScale, from, nil); err != nil {
			t.Fatal(err)
		}
		built, err := model.Built(t.Context(), demo)
		if got := coins(t, model, demo, "ann"); err != nil || !built || got != 700 {
			t.Errorf("ann has %d coins, built is %v (%v)", got, built, err)
		}
		if got := coins(t, model, demo, "bob"); got != 1400 || coins(t, model, next, "eve") != 0 {
			t.Errorf("bob has %d coins; eve plays in another run", got)
		}
	}
}

// A log that lacks something builds no board.
func TestRebuild_gap(t *testing.T) {
	a := leaderboardtest.NewWriter(demo, 0)
	a.End("ann", 1, 1)
	a.End("ann", 1, 2)
	var log stubLog
	log.write(t, a.Log[0], a.Log[2])
	model := leaderboardtest.NewModel()
	var g *event.GapError
	err := leaderboard.Rebuild(t.Context(), model, log, "topic", demo, leaderboardtest.DemoScale, nil, nil)
	if built, _ := model.Built(t.Context(), demo); !errors.As(err, &g) || built {
		t.Errorf("got %v, built is %v; want a gap", err, built)
	}
}

// A reader that came to an empty board behind its committed offset met only the end of the log, a fence: it must not
// make the rest of the log void when the board is built from it.
func TestRebuild_afterFence(t *testing.T) {
	a := leaderboardtest.NewWriter(demo, 0)
	a.End("ann", 7, 1)
	fence := event.Entry{Kind: event.KindFence, Source: demo.Source(0), Position: event.Position{Epoch: 2}}
	var log stubLog
	log.write(t, append(a.Log, fence)...)
	model := leaderboardtest.NewModel()
	if _, err := model.Apply(t.Context(), demo, leaderboardtest.DemoScale, []event.Entry{fence}); err != nil {
		t.Fatal(err)
	}
	if err := leaderboard.Rebuild(t.Context(), model, log, "topic", demo, leaderboardtest.DemoScale, nil, nil); err != nil {
		t.Fatal(err)
	}
	if got := coins(t, model, demo, "ann"); got != 7 {
		t.Errorf("ann has %d coins after the rebuild, want 7", got)
	}
}
