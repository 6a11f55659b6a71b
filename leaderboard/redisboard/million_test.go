package redisboard_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/leaderboard"
	"github.com/shake-live/shake/leaderboard/leaderboardtest"
	"github.com/shake-live/shake/leaderboard/redisboard"
)

// A million players have a board whose answers stay exact and quick.
func TestStore_aMillionPlayers(t *testing.T) {
	const players, perEntry = 1_000_000, 1000
	b := redisboard.New(single(t), testenv.Namespace(t))
	run, scale := leaderboardtest.DemoRun, leaderboardtest.DemoScale
	w := leaderboardtest.NewWriter(run, 0)
	began := time.Now()
	for i := 0; i < players; i += perEntry {
		paid := make(map[string]int64, perEntry)
		for j := range perEntry {
			paid[name(i+j)] = int64(i + j + 1) // each a coin more: the last one is first
		}
		w.EndAll(paid, int64(i/perEntry))
		if _, err := b.Apply(t.Context(), run, scale, w.Log); err != nil {
			t.Fatal(err)
		}
		w.Log = nil
	}
	t.Logf("built in %v", time.Since(began))
	t.Cleanup(func() { _ = b.Expire(t.Context(), run, time.Millisecond) })
	for _, rank := range []int64{1, 2, 500_000, 999_999, players} {
		began := time.Now()
		got, err := b.Around(t.Context(), run, name(int(players-rank)), 2)
		if err != nil || !slices.Equal(got, neighbours(rank, players)) {
			t.Errorf("around rank %d: got %v (%v)", rank, got, err)
		}
		t.Logf("around rank %d in %v", rank, time.Since(began))
	}
	top, err := leaderboard.Top(t.Context(), b, run, 100)
	if err != nil || len(top) != 100 || top[99] != (leaderboard.Entry{Rank: 100, User: name(players - 100), Coins: players - 99}) {
		t.Errorf("top 100 ends with %v (%v)", top[len(top)-1], err)
	}
}

func name(i int) string { return fmt.Sprintf("user-%07d", i) }

func neighbours(rank, players int64) []leaderboard.Entry {
	var list []leaderboard.Entry
	for r := max(1, rank-2); r <= min(players, rank+2); r++ {
		list = append(list, leaderboard.Entry{Rank: r, User: name(int(players - r)), Coins: players - r + 1})
	}
	return list
}

// BenchmarkApply feeds a board of 100,000 players, an entry of 16 rounds after the other.
func BenchmarkApply(b *testing.B) {
	board := redisboard.New(single(b), testenv.Namespace(b))
	run, scale := leaderboardtest.DemoRun, leaderboardtest.DemoScale
	w := leaderboardtest.NewWriter(run, 0)
	player := 0
	for b.Loop() {
		for range 64 {
			paid := map[string]int64{}
			for range 16 {
				player++
				paid[name(player*7919%100_000)] = 25
			}
			w.EndAll(paid, int64(player))
		}
		var log []event.Entry
		log, w.Log = w.Log, nil
		if _, err := board.Apply(b.Context(), run, scale, log); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*64*16)/b.Elapsed().Seconds(), "rounds/s")
}
