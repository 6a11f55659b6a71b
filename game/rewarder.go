package game

import (
	"encoding/binary"
	"slices"
)

// Facts are what a round's coins follow from.
type Facts struct {
	Round     RoundID
	Shakes    int64 // as sent
	ElapsedMS int64 // counted play time, at most the round's length
}

// Reward is what facts are worth, with the steps of the derivation.
type Reward struct {
	Counted int64 // shakes that counted
	Piece   int   // of the curve, from 1; 0: none was reached
	Chance  uint64
	Spread  uint64
	Coins   int64
}

// Rewarder is a game: facts in, coins out. The seed is HMAC-SHA256(run's reward key, round id); the same facts
// and seed always give the same reward, so a repeat pays the same and an auditor can derive every grant.
type Rewarder interface {
	Reward(seed [32]byte, f Facts) Reward
}

// games make the Rewarder of a campaign.
var games = map[string]func(*Campaign) Rewarder{
	"shake": func(c *Campaign) Rewarder { return shake{c} },
}

// Games names all games.
func Games() []string {
	names := make([]string, 0, len(games))
	for name := range games {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// shake is the first game: the more and faster one shakes, the more likely and the larger the win.
type shake struct{ c *Campaign }

// Reward implements Rewarder: bytes 0-7 of the seed decide whether the piece wins, bytes 8-15 how much.
func (s shake) Reward(seed [32]byte, f Facts) Reward {
	r := Reward{
		Counted: capShakes(f.Shakes, s.c.ShakeRate, f.ElapsedMS),
		Chance:  binary.BigEndian.Uint64(seed[0:8]),
		Spread:  binary.BigEndian.Uint64(seed[8:16]),
	}
	p, ok := s.c.Curve.piece(r.Counted)
	if !ok {
		return r
	}
	r.Piece = 1 + slices.Index(s.c.Curve, p)
	if p.wins(r.Chance) {
		r.Coins = p.coins(r.Spread)
	}
	if s.c.RoundCap > 0 {
		r.Coins = min(r.Coins, s.c.RoundCap)
	}
	return r
}
