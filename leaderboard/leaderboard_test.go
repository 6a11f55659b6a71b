package leaderboard_test

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shake-live/shake/leaderboard"
	"github.com/shake-live/shake/leaderboard/leaderboardtest"
)

func TestModel(t *testing.T) {
	leaderboardtest.Run(t, func(testing.TB) leaderboardtest.Board { return leaderboardtest.NewModel() })
}

// A score holds its coins exactly, survives the way through a float64 and its text, and orders by coins
// first and time second.
func TestScale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.UnixMilli(rapid.Int64Range(0, 1<<41).Draw(t, "start"))
		window := time.Duration(rapid.Int64Range(0, int64(31*24*time.Hour)).Draw(t, "window"))
		s := leaderboard.NewScale(start, start.Add(window))
		coins := rapid.Int64Range(0, leaderboard.MaxCoins).Draw(t, "coins")
		at := start.UnixMilli() + rapid.Int64Range(-1000, window.Milliseconds()+1000).Draw(t, "at")
		score := s.Score(coins, at)
		if got := leaderboard.Coins(score); got != coins {
			t.Fatalf("coins: got %d, want %d", got, coins)
		}
		wire, err := strconv.ParseFloat(strconv.FormatFloat(float64(score), 'g', 17, 64), 64)
		if err != nil || int64(wire) != score {
			t.Fatalf("score %d comes back as %d (%v)", score, int64(wire), err)
		}
		if more := s.Score(coins+1, start.UnixMilli()+window.Milliseconds()); coins < leaderboard.MaxCoins && more <= score {
			t.Fatalf("a coin more is %d, not above %d", more, score)
		}
		if later := s.Score(coins, at+s.UnitMS); later > score || coins < 1<<32 && inside(s, at) && later == score {
			t.Fatalf("a unit later is %d, not below %d", later, score)
		}
		if again, err := leaderboard.ParseScale(s.String()); err != nil || again != s {
			t.Fatalf("%s was read as %v (%v)", s, again, err)
		}
	})
}

// inside tells whether both at and the next unit are in the scale.
func inside(s leaderboard.Scale, at int64) bool {
	units := (at - s.StartMS) / s.UnitMS
	return at >= s.StartMS && units < 1<<21-1
}

func TestNewScale_unit(t *testing.T) {
	start := time.UnixMilli(0)
	for window, want := range map[time.Duration]int64{
		0: 1, -time.Hour: 1, 5 * time.Minute: 1, (1 << 21) * time.Millisecond: 1, (1<<21 + 1) * time.Millisecond: 2,
		31 * 24 * time.Hour: 1278,
	} {
		if got := leaderboard.NewScale(start, start.Add(window)).UnitMS; got != want {
			t.Errorf("window %v: unit of %d ms, want %d", window, got, want)
		}
	}
}

func TestParseScale_refuses(t *testing.T) {
	for _, bad := range []string{"", "1", "1:0", "1:-1", "1:2:3", "1:2x", " 1:2", "a:b"} {
		if s, err := leaderboard.ParseScale(bad); err == nil {
			t.Errorf("%q was read as %v", bad, s)
		}
	}
}
