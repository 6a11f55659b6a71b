package fairplay

import (
	"errors"
	"fmt"
)

// Mode says what becomes of a judgement.
type Mode string

const (
	Shadow Mode = "shadow" // judge, keep what was found, and do nothing to the player
	Off    Mode = "off"    // look at nothing
)

// Rules are a campaign's thresholds, in its file and wherever it is stored. What is zero, as in campaigns stored
// before there were any, is the default.
type Rules struct {
	Mode          Mode    `json:"mode,omitempty" yaml:"mode"`
	MinBeats      int64   `json:"min_beats,omitempty" yaml:"min_beats"`             // fewer are too few to judge their rhythm or rate
	MinVariation  float64 `json:"min_variation,omitempty" yaml:"min_variation"`     // coefficient of variation of the intervals
	MinIntervalMS int64   `json:"min_interval_ms,omitempty" yaml:"min_interval_ms"` // a shorter interval is more than a hand can
	MaxRate       float64 `json:"max_rate,omitempty" yaml:"max_rate"`               // beats a second over the whole trace
	MaxAccounts   int64   `json:"max_accounts,omitempty" yaml:"max_accounts"`       // accounts of one device
	MinScore      float64 `json:"min_score,omitempty" yaml:"min_score"`             // rounds that score less leave no row
}

// Defaults of what a campaign's file leaves out. DefaultRateFactor times the campaign's shake_rate is the default of
// max_rate: 20 a second for 8. The cap on what counts is no limit on what honest hands do: sensor and taps count
// together, and two fingers on the page's pad reach 18 a second, its bound on taps (55 ms).
const (
	DefaultMinBeats      = 16
	DefaultMinVariation  = 0.02
	DefaultMinIntervalMS = 50
	DefaultRateFactor    = 2.5
	DefaultMaxAccounts   = 5 // a family with one phone
	DefaultMinScore      = 0.5
)

// Filled gives every threshold a value, for a campaign whose shakes count up to rate a second.
func (r Rules) Filled(rate int64) Rules {
	if r.Mode == "" {
		r.Mode = Shadow
	}
	fill(&r.MinBeats, DefaultMinBeats)
	fill(&r.MinVariation, DefaultMinVariation)
	fill(&r.MinIntervalMS, DefaultMinIntervalMS)
	fill(&r.MaxRate, DefaultRateFactor*float64(rate))
	fill(&r.MaxAccounts, DefaultMaxAccounts)
	fill(&r.MinScore, DefaultMinScore)
	return r
}

func fill[T int64 | float64](v *T, fallback T) {
	if *v == 0 {
		*v = fallback
	}
}

// Validate names everything that is wrong with the rules. Rhythm can't be told from fewer than 8 beats, whatever the
// threshold; half of 1 is more variation than any hand's, and would flag everybody.
func (r Rules) Validate() error {
	var errs []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("fair_play: "+format, args...))
		}
	}
	need(r.Mode == "" || r.Mode == Shadow || r.Mode == Off, "mode %.20q: want shadow or off", r.Mode)
	need(r.MinBeats == 0 || r.MinBeats >= 8 && r.MinBeats <= 1000, "min_beats %d: want 8 to 1000", r.MinBeats)
	need(r.MinVariation >= 0 && r.MinVariation <= 0.5, "min_variation %v: want 0 to 0.5", r.MinVariation)
	need(r.MinIntervalMS >= 0 && r.MinIntervalMS <= 1000, "min_interval_ms %d: want 0 to 1000", r.MinIntervalMS)
	need(r.MaxRate >= 0 && r.MaxRate <= 1000, "max_rate %v: want 0 to 1000 a second", r.MaxRate)
	need(r.MaxAccounts >= 0 && r.MaxAccounts < maxUsers, "max_accounts %d: want 0 to %d", r.MaxAccounts, maxUsers-1)
	need(r.MinScore >= 0 && r.MinScore < 1, "min_score %v: want 0 to less than 1", r.MinScore)
	return errors.Join(errs...)
}
