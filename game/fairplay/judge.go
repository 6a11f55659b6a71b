// Package fairplay tells hands from machines by the times of their shakes. It computes and remembers, and does nothing
// to anybody: a verdict is a reason to look, not a proof.
//
// Each check gives a score of 0 to 1 that is 0.5 at its threshold; above it, its reason is named. A verdict's score is
// that of its worst check, so many small oddities do not add up to an accusation.
package fairplay

import (
	"math"
	"slices"
)

// Reason is what was found.
type Reason string

const (
	// Regular: the intervals vary less than a hand's. Variation v is their standard deviation over their mean, without
	// pauses (longer than twice the median); score 1/(1+(v/min_variation)²). Trained musicians who
	// tap come down to the order of 2 to 4 % (for the field, B. Repp, Sensorimotor synchronization: a review of the
	// tapping literature, Psychon. Bull. Rev. 12, 2005); that who shakes a phone in a living room varies more is
	// plausible and not measured. A sensor's sampling mostly adds to it: a tempo that falls in with its grid looks
	// steadier, for one in a thousand at 16 samples a second.
	Regular Reason = "regular"
	// Short: most intervals are shorter than min_interval_ms. Score s, their share, so more than half is too many: who
	// shakes and taps at once has up to 40 % of them, because the two beats do not know of each other.
	Short Reason = "short"
	// Rate: more beats a second, from first to last, than max_rate. Score r/(r+max_rate). One hand taps some 5 to 7 times a
	// second, two hands twice that.
	Rate Reason = "rate"
	// Excess: more beats than shakes were told. No page counts like that; score 1.
	Excess Reason = "excess"
	// Copy: another round had the same intervals, or whole multiples of them; see Traces. Score 1.
	Copy Reason = "copy"
	// Device: more accounts on one device than max_accounts; score n/(n+max_accounts); see Devices.
	Device Reason = "device"
)

// Trace is what a phone told of a round.
type Trace struct {
	Shakes int64
	Beats  []int64 // ms since the round's start, ascending
}

// Verdict is what is to be said about a round.
type Verdict struct {
	Score     float64  // 0 to 1: the worst of all checks
	Reasons   []Reason // checks above their thresholds, in order of the constants
	Variation float64  // of the intervals; 0 where there were too few beats
	Rate      float64  // beats a second; 0 where there were too few
}

// Judge looks at one trace by itself. The rules are Filled ones.
func Judge(t Trace, r Rules) (v Verdict) {
	if int64(len(t.Beats)) > t.Shakes {
		v.Add(Excess, 1)
	}
	if int64(len(t.Beats)) < max(r.MinBeats, 2) {
		return v
	}
	gaps := intervals(t.Beats)
	if mean, deviation := moments(withoutPauses(gaps)); mean > 0 {
		v.Variation = deviation / mean
	}
	x := v.Variation / r.MinVariation
	v.Add(Regular, 1/(1+x*x))
	short := 0
	for _, gap := range gaps {
		if gap < r.MinIntervalMS {
			short++
		}
	}
	v.Add(Short, float64(short)/float64(len(gaps)))
	v.Rate = float64(len(gaps)) * 1000 / float64(max(1, t.Beats[len(t.Beats)-1]-t.Beats[0]))
	v.Add(Rate, v.Rate/(v.Rate+r.MaxRate))
	return v
}

// Add takes a check's score into the verdict.
func (v *Verdict) Add(reason Reason, score float64) {
	v.Score = max(v.Score, score)
	if score > 0.5 {
		v.Reasons = append(v.Reasons, reason)
	}
}

// AddAccounts takes the number of a device's accounts into the verdict.
func (v *Verdict) AddAccounts(n int64, r Rules) {
	if n > 1 {
		v.Add(Device, float64(n)/float64(n+r.MaxAccounts))
	}
}

func intervals(beats []int64) []int64 {
	gaps := make([]int64, len(beats)-1)
	for i := range gaps {
		gaps[i] = beats[i+1] - beats[i]
	}
	return gaps
}

// withoutPauses leaves out what is longer than twice the median: one pause would hide a machine behind its variation.
func withoutPauses(gaps []int64) []int64 {
	sorted := slices.Sorted(slices.Values(gaps))
	longest := 2 * sorted[len(sorted)/2]
	n, _ := slices.BinarySearch(sorted, longest+1)
	return sorted[:n]
}

// moments gives mean and sample deviation.
func moments(gaps []int64) (mean, deviation float64) {
	for _, gap := range gaps {
		mean += float64(gap)
	}
	mean /= float64(len(gaps))
	for _, gap := range gaps {
		d := float64(gap) - mean
		deviation += d * d
	}
	return mean, math.Sqrt(deviation / float64(max(1, len(gaps)-1)))
}
