package fairplay_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/shake-live/shake/game/fairplay"
)

var rules = fairplay.Rules{}.Filled(8)

// Rates are measured on traces of these seeds, by which no threshold was chosen.
const (
	firstSeed  = 1_000_000
	manyTraces = 20_000
)

// roundMS is the length of the rounds that the traces are of.
const roundMS = 10_000

// person is how somebody shakes: a tempo of 2 to 6 a second that drifts, intervals that vary by 4 to 15 %, a breath
// now and then, and a sensor of 16, 30 or 60 samples a second, or none: a finger on the pad.
func person(seed uint64) []int64 {
	rng := rand.New(rand.NewPCG(seed, 1))
	mean, variation := 1000/(2+4*rng.Float64()), 0.04+0.11*rng.Float64()
	sample := []float64{1000. / 16, 1000. / 30, 1000. / 60, 0}[rng.IntN(4)]
	var beats []int64
	for at := 2000 * rng.Float64(); at < roundMS; {
		told := at
		if sample > 0 {
			told = math.Ceil(at/sample) * sample
		}
		if told = math.Round(told); told <= roundMS {
			beats = append(beats, int64(told))
		}
		mean *= 1 + 0.01*rng.NormFloat64()
		at += mean * max(0.3, 1+variation*rng.NormFloat64())
		if rng.Float64() < 0.02 {
			at += 300 + 1200*rng.Float64()
		}
	}
	return beats
}

// machine beats every so many ms, give or take noise, from 2 to 10 times a second.
func machine(seed uint64, noiseMS float64, pauses bool) []int64 {
	rng := rand.New(rand.NewPCG(seed, 2))
	every := 1000 / (2 + 8*rng.Float64())
	var beats []int64
	for at := 500 * rng.Float64(); at < roundMS; at += max(1, every+noiseMS*(2*rng.Float64()-1)) {
		beats = append(beats, int64(math.Round(at)))
		if pauses && rng.Float64() < 0.04 {
			at += 300 + 700*rng.Float64()
		}
	}
	return beats
}

// share is the percentage of traces of seeds that flagged finds.
func share(first uint64, flagged func(seed uint64) bool) float64 {
	n := 0
	for seed := range uint64(manyTraces) {
		if flagged(first + seed) {
			n++
		}
	}
	return 100 * float64(n) / manyTraces
}

func judge(beats []int64) fairplay.Verdict {
	return fairplay.Judge(fairplay.Trace{Shakes: int64(len(beats)), Beats: beats}, rules)
}

// Of people's traces less than 1 % are flagged, by rhythm, rate or as copies of 2^17 others before.
func TestRates_people(t *testing.T) {
	traces, reasons := fairplay.NewTraces(1<<17), map[fairplay.Reason]int{}
	for seed := range uint64(1 << 17) {
		traces.Copied(fmt.Sprint("before ", seed), person(10*firstSeed+seed), rules)
	}
	got := share(firstSeed, func(seed uint64) bool {
		beats := person(seed)
		v := judge(beats)
		if traces.Copied(fmt.Sprint(seed), beats, rules) {
			v.Add(fairplay.Copy, 1)
		}
		for _, reason := range v.Reasons {
			reasons[reason]++
		}
		return len(v.Reasons) > 0
	})
	t.Logf("people flagged: %.3f %% of %d, want less than 1 %%; %v", got, manyTraces, reasons)
	if got >= 1 {
		t.Errorf("%.3f %% of people are flagged, want less than 1 %%: %v", got, reasons)
	}
}

// steady is somebody whose intervals vary by so much and no more, without drift, breath or sensor: the hardest case.
func steady(seed uint64, variation float64) (beats []int64) {
	rng := rand.New(rand.NewPCG(seed, 3))
	mean := 1000 / (2 + 4*rng.Float64())
	for at := 500 * rng.Float64(); at < roundMS; at += mean * (1 + variation*rng.NormFloat64()) {
		beats = append(beats, int64(math.Round(at)))
	}
	return beats
}

// Where people end and machines begin: hands that vary by 3 % are safe, those of the best musicians are not.
func TestRates_steadyHands(t *testing.T) {
	for variation, most := range map[float64]float64{0.02: 100, 0.025: 10, 0.03: 1, 0.035: 0.2, 0.04: 0.05} {
		got := share(firstSeed, func(seed uint64) bool { return len(judge(steady(seed, variation)).Reasons) > 0 })
		t.Logf("hands that vary by %v flagged: %.2f %%, want at most %v %%", variation, got, most)
		if got > most {
			t.Errorf("hands that vary by %v: %.2f %% flagged, want at most %v %%", variation, got, most)
		}
	}
}

// Of machines' traces more than 95 % are flagged.
func TestRates_machines(t *testing.T) {
	for _, c := range []struct {
		name   string
		noise  float64
		pauses bool
	}{{"a fixed interval", 0, false}, {"1 ms of noise", 1, false}, {"3 ms of noise", 3, false}, {"1 ms of noise and pauses", 1, true}} {
		got := share(firstSeed, func(seed uint64) bool {
			return slices.Contains(judge(machine(seed, c.noise, c.pauses)).Reasons, fairplay.Regular)
		})
		t.Logf("machines with %s flagged: %.2f %%, want more than 95 %%", c.name, got)
		if got <= 95 {
			t.Errorf("%s: %.2f %% flagged, want more than 95 %%", c.name, got)
		}
	}
}

// Of replayed copies of people's traces, moved and stretched by whole numbers, more than 95 % are flagged.
func TestRates_copies(t *testing.T) {
	for _, c := range []struct {
		name           string
		shift, stretch int64
	}{{"as they were", 0, 1}, {"moved by 137 ms", 137, 1}, {"stretched twice", 0, 2}} {
		traces := fairplay.NewTraces(1 << 10)
		got := share(firstSeed, func(seed uint64) bool {
			beats := person(seed)
			traces.Copied(fmt.Sprint(seed, " first"), beats, rules)
			for i := range beats {
				beats[i] = beats[i]*c.stretch + c.shift
			}
			return traces.Copied(fmt.Sprint(seed, " second"), beats, rules)
		})
		t.Logf("copies %s flagged: %.2f %%, want more than 95 %%", c.name, got)
		if got <= 95 {
			t.Errorf("copies %s: %.2f %% flagged, want more than 95 %%", c.name, got)
		}
	}
}

// every gives n beats so many ms apart.
func every(ms int64, n int) []int64 {
	beats := make([]int64, n)
	for i := range beats {
		beats[i] = int64(i) * ms
	}
	return beats
}

func TestJudge(t *testing.T) {
	hand := person(7)
	fast := make([]int64, 60) // 35 a second, never twice alike
	for i := range fast {
		fast[i] = int64(i)*28 + int64(i%3)*7
	}
	for _, c := range []struct {
		name   string
		shakes int64
		beats  []int64
		want   []fairplay.Reason
	}{
		{"none", 50, nil, nil},
		{"one", 1, []int64{5}, nil},
		{"too few for a rhythm", 15, every(200, 15), nil},
		{"enough", 16, every(200, 16), []fairplay.Reason{fairplay.Regular}},
		{"a hand", int64(len(hand)), hand, nil},
		{"all at once", 20, every(0, 20), []fairplay.Reason{fairplay.Regular, fairplay.Short, fairplay.Rate}},
		{"faster than hands", 60, fast, []fairplay.Reason{fairplay.Short, fairplay.Rate}},
		{"more than told", 2, []int64{0, 150, 290}, []fairplay.Reason{fairplay.Excess}},
		{"fewer than told", 90, hand, nil},
	} {
		got := fairplay.Judge(fairplay.Trace{Shakes: c.shakes, Beats: c.beats}, rules)
		if !slices.Equal(got.Reasons, c.want) || got.Score < 0 || got.Score > 1 || (got.Score > 0.5) != (len(c.want) > 0) {
			t.Errorf("%s: got %+v, want %v and a score of more than 0.5 just for those", c.name, got, c.want)
		}
	}
}

// A threshold of the campaign moves what is flagged, and the score stands at 0.5 there.
func TestJudge_byTheCampaignsRules(t *testing.T) {
	hand := person(7)
	v := judge(hand)
	for reason, change := range map[fairplay.Reason]func(*fairplay.Rules, float64){
		fairplay.Regular: func(r *fairplay.Rules, by float64) { r.MinVariation = v.Variation * by },
		fairplay.Rate:    func(r *fairplay.Rules, by float64) { r.MaxRate = v.Rate / by },
	} {
		for by, want := range map[float64]bool{0.99: false, 1.01: true} {
			r := rules
			change(&r, by)
			got := fairplay.Judge(fairplay.Trace{Shakes: 99, Beats: hand}, r)
			if slices.Contains(got.Reasons, reason) != want || math.Abs(got.Score-0.5) > 0.02 {
				t.Errorf("%s at %v of its threshold: got %+v, want flagged %v and a score near 0.5", reason, by, got, want)
			}
		}
	}
}

// Whatever the beats, a score is a number from 0 to 1.
func FuzzJudge(f *testing.F) {
	f.Add(int64(3), []byte{1, 2, 3})
	f.Add(int64(40), make([]byte, 40))
	f.Fuzz(func(t *testing.T, shakes int64, steps []byte) {
		beats, at := make([]int64, len(steps)), int64(0)
		for i, step := range steps {
			at += int64(step)
			beats[i] = at
		}
		r := fairplay.Rules{MinBeats: 8}.Filled(8)
		v := fairplay.Judge(fairplay.Trace{Shakes: shakes, Beats: beats}, r)
		fairplay.NewTraces(2).Copied("a", beats, r)
		for _, x := range []float64{v.Score, v.Variation, v.Rate} {
			if math.IsNaN(x) || math.IsInf(x, 0) || x < 0 {
				t.Errorf("%v: got %+v", beats, v)
			}
		}
		if v.Score > 1 {
			t.Errorf("%v: got a score of %v", beats, v.Score)
		}
	})
}

// The same round again is no copy of itself, and what was pushed out of the memory is not known any more.
func TestTraces_memory(t *testing.T) {
	traces, one := fairplay.NewTraces(3), person(1)
	for range 2 {
		if traces.Copied("r1", one, rules) {
			t.Error("a round is a copy of itself")
		}
	}
	if !traces.Copied("r2", one, rules) {
		t.Error("a second round with the same trace is no copy")
	}
	for seed := range uint64(3) {
		traces.Copied(fmt.Sprint("other", seed), person(100+seed), rules)
	}
	if traces.Copied("r3", one, rules) {
		t.Error("three traces later the first is still known, want a memory of three")
	}
	if steady := every(200, 40); traces.Copied("r4", steady, rules) || traces.Copied("r5", steady, rules) {
		t.Error("a steady trace is a copy, but it says nothing of who made it")
	}
}

func TestDevices_accounts(t *testing.T) {
	d := fairplay.NewDevices(2)
	for i, c := range []struct {
		device, user string
		n            int64
		fresh        bool
	}{
		{"a", "ann", 1, true}, {"a", "ann", 1, false}, {"a", "bob", 2, true}, {"b", "ann", 1, true},
		{"c", "ann", 1, true}, {"a", "cid", 1, true}, // c took the place of a
	} {
		if n, fresh := d.Accounts(c.device, c.user); n != c.n || fresh != c.fresh {
			t.Errorf("%d: %s on %s: got %d, %v, want %d, %v", i, c.user, c.device, n, fresh, c.n, c.fresh)
		}
	}
	for i := range 1000 {
		if n, _ := d.Accounts("farm", fmt.Sprint(i)); n > 64 {
			t.Fatalf("got %d accounts of one device, want a bound of 64", n)
		}
	}
	var v fairplay.Verdict
	if v.AddAccounts(rules.MaxAccounts, rules); len(v.Reasons) > 0 {
		t.Errorf("got %v for as many accounts as may be", v)
	}
	if v.AddAccounts(rules.MaxAccounts+1, rules); !slices.Equal(v.Reasons, []fairplay.Reason{fairplay.Device}) {
		t.Errorf("got %v for one more than may be", v)
	}
}

func TestRounds_again(t *testing.T) {
	r := fairplay.NewRounds(2)
	for i, c := range []struct {
		round string
		want  bool
	}{{"a", false}, {"a", true}, {"b", false}, {"c", false}, {"a", false}} {
		if got := r.Again(c.round); got != c.want {
			t.Errorf("%d: %s: got %v, want %v", i, c.round, got, c.want)
		}
	}
}

func TestRules(t *testing.T) {
	if got, want := (fairplay.Rules{}).Filled(8), (fairplay.Rules{
		Mode: fairplay.Shadow, MinBeats: 16, MinVariation: 0.02, MinIntervalMS: 50, MaxRate: 20, MaxAccounts: 5, MinScore: 0.5,
	}); got != want || got.Validate() != nil {
		t.Errorf("got %+v, %v, want %+v", got, got.Validate(), want)
	}
	for _, bad := range []fairplay.Rules{
		{Mode: "punish"}, {MinBeats: 7}, {MinBeats: -1}, {MinVariation: math.NaN()}, {MinVariation: 0.6}, {MinIntervalMS: -1},
		{MaxRate: math.Inf(1)}, {MaxAccounts: 64}, {MinScore: 1.1},
	} {
		if bad.Validate() == nil {
			t.Errorf("%+v is valid", bad)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	beats, traces := person(3), fairplay.NewTraces(1<<17)
	b.ReportAllocs()
	for b.Loop() {
		judge(beats)
		traces.Copied("r", beats, rules)
	}
}
