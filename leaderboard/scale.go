package leaderboard

import (
	"fmt"
	"math/bits"
	"time"
)

const (
	tieBits  = 21
	maxUnits = 1<<tieBits - 1
	// exactBits is how long a whole number may be that a float64, the type of scores in Redis, holds exactly.
	exactBits = 53
	// MaxCoins is the highest total that a score can carry: 2^42 - 1, four times what a pool may hold.
	MaxCoins = 1<<(63-tieBits) - 1
)

// Scale turns coins and the time at which they were reached into one number: more coins are higher, and of
// equal coins the earlier. The lowest 21 bits count down from the run's start in units, the bits above are
// the coins.
//
// Bounds: up to 2^32 - 1 coins a player, scores stay below 2^53 and every unit tells. Above, up to MaxCoins,
// coins are still exact, but the tie-break gets coarser by a bit with each doubling. A unit is a millisecond
// for windows of up to 35 minutes, and grows with the window: 1.3 s for the longest, 31 days.
type Scale struct {
	StartMS int64 // of the run, ms since 1970
	UnitMS  int64 // at least 1
}

// NewScale fits the window in which rounds may be settled.
func NewScale(start, end time.Time) Scale {
	window := max(0, end.Sub(start).Milliseconds())
	return Scale{StartMS: start.UnixMilli(), UnitMS: max(1, (window+maxUnits)/(maxUnits+1))}
}

// Score is what orders the board. Times outside of the window count as its start or end.
func (s Scale) Score(coins, atMS int64) int64 {
	units := min(max((atMS-s.StartMS)/s.UnitMS, 0), maxUnits)
	return Exact(min(max(coins, 0), MaxCoins)<<tieBits + maxUnits - units)
}

// Exact cuts off the low bits that a float64 has no room for. It rounds down: up could make a coin.
func Exact(score int64) int64 {
	if spare := bits.Len64(uint64(score)) - exactBits; spare > 0 {
		return score >> spare << spare
	}
	return score
}

// Coins reads the coins from a score.
func Coins(score int64) int64 { return score >> tieBits }

// String is how a board remembers its scale.
func (s Scale) String() string { return fmt.Sprintf("%d:%d", s.StartMS, s.UnitMS) }

// ParseScale reads what String wrote.
func ParseScale(text string) (Scale, error) {
	var s Scale
	if _, err := fmt.Sscanf(text, "%d:%d", &s.StartMS, &s.UnitMS); err != nil || s.UnitMS < 1 || s.String() != text {
		return Scale{}, fmt.Errorf("scale %q: want start:unit in ms", text)
	}
	return s, nil
}
