package game

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// Only what an arm can do counts, never more than was sent, and more shakes or more time never count for less.
func TestCapShakes_bounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shakes := rapid.Int64Range(0, 1_000_000_000).Draw(t, "shakes")
		rate := rapid.Int64Range(1, 100).Draw(t, "rate")
		elapsed := rapid.Int64Range(0, maxRoundMS).Draw(t, "elapsed")
		got := capShakes(shakes, rate, elapsed)
		if want := min(shakes, rate*elapsed/1000); got != want {
			t.Fatalf("got %d, want %d", got, want)
		}
		if more := capShakes(shakes+1, rate, elapsed+1); more < got {
			t.Fatalf("got %d for more of all, want at least %d", more, got)
		}
	})
}

func TestCurve_pieces(t *testing.T) {
	c := Curve{{From: 1, Probability: 1, Min: 1, Max: 1}, {From: 10, Probability: 1, Min: 2, Max: 2}, {From: 30, Probability: 0.5, Min: 4, Max: 8}}
	for shakes, want := range map[int64]float64{-1: 0, 0: 0, 1: 1, 9: 1, 10: 2, 29: 2, 30: 3, 1_000_000: 3} {
		if got := c.Expected(shakes); got != want {
			t.Errorf("%d shakes: expected %v coins, want %v", shakes, got, want)
		}
	}
}

// A win has coins from Min to Max, both reached, and the probabilities 0 and 1 are what they say.
func TestPiece_edges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Piece{Min: rapid.Int64Range(0, maxRoundCoins).Draw(t, "min"), Probability: rapid.Float64Range(0, 1).Draw(t, "probability")}
		p.Max = p.Min + rapid.Int64Range(0, maxRoundCoins-p.Min).Draw(t, "spread")
		if got := p.coins(rapid.Uint64().Draw(t, "y")); got < p.Min || got > p.Max {
			t.Fatalf("got %d coins, want %d to %d", got, p.Min, p.Max)
		}
		if p.coins(0) != p.Min || p.coins(math.MaxUint64) != p.Max {
			t.Fatalf("got %d at the bottom and %d at the top, want %d and %d", p.coins(0), p.coins(math.MaxUint64), p.Min, p.Max)
		}
		x := rapid.Uint64().Draw(t, "x")
		if (Piece{Probability: 0}).wins(x) || !(Piece{Probability: 1}).wins(x) {
			t.Fatalf("x %d: want never at probability 0 and always at 1", x)
		}
		if higher := (Piece{Probability: math.Nextafter(p.Probability, 2)}); p.wins(x) && !higher.wins(x) {
			t.Fatalf("x %d: wins with %v and not with more", x, p.Probability)
		}
	})
}

func TestCurve_validate(t *testing.T) {
	for name, c := range map[string]Curve{
		"none": {}, "too many": make(Curve, maxPieces+1), "falling": {{From: 5}, {From: 5}}, "negative from": {{From: -1}},
		"probability above 1": {{Probability: 1.01}}, "negative probability": {{Probability: -0.01}}, "probability that is no number": {{Probability: math.NaN()}},
		"negative coins": {{Min: -1}}, "max below min": {{Min: 2, Max: 1}}, "too many coins": {{Max: maxRoundCoins + 1}},
	} {
		if c.Validate() == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

func FuzzCurve(f *testing.F) {
	for _, seed := range []string{
		`[{"from":1,"probability":0.25,"min":1,"max":3},{"from":10,"probability":1,"min":2,"max":2}]`, `[]`, `null`, `[{}]`,
		`[{"from":0,"probability":1,"min":1000000000,"max":1000000000}]`, `[{"probability":-0}]`, `[{"probability":1e-320}]`,
	} {
		f.Add([]byte(seed), int64(60), uint64(1), uint64(math.MaxUint64))
	}
	f.Fuzz(func(t *testing.T, text []byte, shakes int64, x, y uint64) {
		var c Curve
		if json.Unmarshal(text, &c) != nil || c.Validate() != nil {
			return
		}
		if e := c.Expected(shakes); e < 0 || e > maxRoundCoins || math.IsNaN(e) {
			t.Errorf("%s: expected %v coins for %d shakes", text, e, shakes)
		}
		p, ok := c.piece(shakes)
		if ok != (shakes >= c[0].From) || ok && shakes < p.From {
			t.Errorf("%s: piece %+v, %v for %d shakes", text, p, ok, shakes)
		}
		if coins := p.coins(y); p.wins(x) && (coins < p.Min || coins > p.Max) {
			t.Errorf("%s: %d coins for %d shakes", text, coins, shakes)
		}
	})
}

// criticalValues of chi-square at the 0.001 level, by degrees of freedom. Source: NIST/SEMATECH e-Handbook of
// Statistical Methods, table 1.3.6.7.4, upper-tail critical values. The master key is fixed, so the sums below are
// what they are on every machine; a key that nobody chose would pass each of them 999 times of 1000.
var criticalValues = map[int]float64{1: 10.828, 2: 13.816, 9: 27.877, 19: 43.820, 49: 85.351}

// A million rewards, derived as in production from master key, round id, shakes and time, against the configured
// curve: how often each piece wins, how its coins are spread, and that one round's luck says nothing of the next.
func TestReward_isWhatTheCurveSays(t *testing.T) {
	c := validCampaign()
	c.Curve = Curve{
		{From: 1, Probability: 0.25, Min: 1, Max: 3}, {From: 20, Probability: 0.5, Min: 1, Max: 10},
		{From: 40, Probability: 0.9, Min: 5, Max: 24}, {From: 60, Probability: 1, Min: 10, Max: 59},
	}
	live, err := Prepare(c, runKeys(t, testMaster, c.ID, c.Run))
	if err != nil {
		t.Fatal(err)
	}
	for i, piece := range c.Curve {
		t.Run(fmt.Sprintf("from %d shakes", piece.From), func(t *testing.T) {
			t.Parallel()
			examinePiece(t, live, i+1, piece)
		})
	}
}

// examinePiece lets 5000 players play 50 rounds each with shakes of the piece.
func examinePiece(t *testing.T, live *Live, number int, piece Piece) {
	const players, rounds = 5000, 50
	coins := make([]float64, piece.Max-piece.Min+1)
	var wins, pairs, both float64
	for user := range players {
		wonBefore := false
		for n := range rounds {
			id := RoundID{Campaign: live.ID, Run: live.Run, Epoch: 1, User: fmt.Sprintf("player-%d-%d", number, user), Number: int64(n + 1)}
			r := live.Rewarder.Reward(live.Keys.Seed(id), Facts{Round: id, Shakes: piece.From + int64(n%19), ElapsedMS: 10_000})
			won := r.Coins > 0
			if r.Piece != number || won && (r.Coins < piece.Min || r.Coins > piece.Max) {
				t.Fatalf("%s: got %+v, want coins of piece %d", id, r, number)
			}
			if won {
				wins++
				coins[r.Coins-piece.Min]++
			}
			if n > 0 && wonBefore {
				pairs++
				if won {
					both++
				}
			}
			wonBefore = won
		}
	}
	judge(t, "coins", coins, evenly(wins, len(coins)))
	if p := piece.Probability; p == 1 {
		if wins != players*rounds {
			t.Errorf("got %.0f wins of %d, want all", wins, players*rounds)
		}
	} else {
		judge(t, "wins", []float64{wins, players*rounds - wins}, []float64{players * rounds * p, players * rounds * (1 - p)})
		judge(t, "wins after a win", []float64{both, pairs - both}, []float64{pairs * p, pairs * (1 - p)})
	}
}

func evenly(sum float64, n int) []float64 {
	want := make([]float64, n)
	for i := range want {
		want[i] = sum / float64(n)
	}
	return want
}

// judge does Pearson's chi-square test.
func judge(t *testing.T, what string, got, want []float64) {
	t.Helper()
	var sum float64
	for i := range got {
		sum += (got[i] - want[i]) * (got[i] - want[i]) / want[i]
	}
	critical, ok := criticalValues[len(got)-1]
	if !ok {
		t.Fatalf("%s: no critical value for %d degrees of freedom", what, len(got)-1)
	}
	t.Logf("%s: chi-square %.3f, critical value %.3f with %d degrees of freedom", what, sum, critical, len(got)-1)
	if sum > critical {
		t.Errorf("%s: chi-square %.3f is above %.3f: got %v, want about %v", what, sum, critical, got, want)
	}
}

// The same facts always give the same coins, and each fact matters.
func TestReward_followsFromItsFacts(t *testing.T) {
	c := validCampaign()
	c.Curve = Curve{{From: 1, Probability: 1, Min: 0, Max: maxRoundCoins}}
	live, err := Prepare(c, runKeys(t, testMaster, c.ID, c.Run))
	if err != nil {
		t.Fatal(err)
	}
	again, err := Prepare(c, runKeys(t, testMaster, c.ID, c.Run)) // another node
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		id := drawRoundID(t)
		f := Facts{Round: id, Shakes: rapid.Int64Range(1, 100).Draw(t, "shakes"), ElapsedMS: rapid.Int64Range(125, 10_000).Draw(t, "elapsed")}
		one, two := live.Rewarder.Reward(live.Keys.Seed(id), f), again.Rewarder.Reward(again.Keys.Seed(id), f)
		if one != two {
			t.Fatalf("got %+v and %+v for the same facts", one, two)
		}
		other := id
		other.Number++
		if live.Keys.Seed(other) == live.Keys.Seed(id) {
			t.Fatalf("rounds %s and %s have the same seed", id, other)
		}
	})
}

// Inflated shakes count as the cap, and a cap on a round's coins holds.
func TestReward_caps(t *testing.T) {
	c := validCampaign()
	c.Curve, c.RoundCap = Curve{{From: 1, Probability: 1, Min: 1, Max: 1}, {From: 81, Probability: 1, Min: 1000, Max: 1000}}, 700
	live, err := Prepare(c, runKeys(t, testMaster, c.ID, c.Run))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ shakes, elapsed, counted, coins int64 }{
		{0, 10_000, 0, 0}, {1, 10_000, 1, 1}, {1, 124, 0, 0}, {1, 125, 1, 1}, {80, 10_000, 80, 1}, {1_000_000_000, 10_000, 80, 1}, {90, 10_125, 81, 700},
	} {
		r := live.Rewarder.Reward([32]byte{}, Facts{Shakes: x.shakes, ElapsedMS: x.elapsed})
		if r.Counted != x.counted || r.Coins != x.coins {
			t.Errorf("%d shakes in %d ms: got %+v, want %d counted and %d coins", x.shakes, x.elapsed, r, x.counted, x.coins)
		}
	}
}
