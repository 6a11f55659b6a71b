package game

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// Curve says what shakes are worth: the piece with the highest From that the shakes reach counts. Below the
// first piece a round wins nothing.
type Curve []Piece

// Piece is one step of a curve.
type Piece struct {
	From        int64   `json:"from" yaml:"from"`               // shakes
	Probability float64 `json:"probability" yaml:"probability"` // of winning anything, 0 to 1
	Min         int64   `json:"min" yaml:"min"`                 // coins of a win, both ends included, evenly spread
	Max         int64   `json:"max" yaml:"max"`
}

const (
	maxPieces     = 64
	maxRoundCoins = 1_000_000_000
)

// Validate names everything that is wrong with the curve.
func (c Curve) Validate() error {
	var errs []error
	if len(c) == 0 || len(c) > maxPieces {
		errs = append(errs, fmt.Errorf("curve: want 1 to %d pieces", maxPieces))
	}
	for i, p := range c {
		switch {
		case p.From < 0 || i > 0 && p.From <= c[i-1].From:
			errs = append(errs, fmt.Errorf("curve piece %d: from %d: want it above the piece before", i+1, p.From))
		case !(p.Probability >= 0 && p.Probability <= 1):
			errs = append(errs, fmt.Errorf("curve piece %d: probability %v: want 0 to 1", i+1, p.Probability))
		case p.Min < 0 || p.Max < p.Min || p.Max > maxRoundCoins:
			errs = append(errs, fmt.Errorf("curve piece %d: coins %d to %d: want 0 up to %d, max not below min", i+1, p.Min, p.Max, maxRoundCoins))
		}
	}
	return errors.Join(errs...)
}

// piece is the one that counts for so many shakes.
func (c Curve) piece(shakes int64) (Piece, bool) {
	for i := len(c) - 1; i >= 0; i-- {
		if shakes >= c[i].From {
			return c[i], true
		}
	}
	return Piece{}, false
}

// wins tells whether 64 even bits hit the probability: the upper 53 of them as a fraction of one.
func (p Piece) wins(x uint64) bool {
	return float64(x>>11) < p.Probability*(1<<53)
}

// coins spreads 64 even bits over Min..Max by multiply and shift; the bias is under (Max-Min+1)/2^64.
func (p Piece) coins(y uint64) int64 {
	hi, _ := bits.Mul64(y, uint64(p.Max-p.Min+1))
	return p.Min + int64(hi)
}

// Expected is the mean of coins for so many shakes.
func (c Curve) Expected(shakes int64) float64 {
	p, ok := c.piece(shakes)
	if !ok {
		return 0
	}
	return p.Probability * (float64(p.Min) + float64(p.Max)) / 2
}

// capShakes is how many of the shakes count: rate a second of play at most. The rest is kept for the audit.
func capShakes(shakes, rate, elapsedMS int64) int64 {
	return min(shakes, int64(math.Floor(float64(rate)*float64(elapsedMS)/1000)))
}
