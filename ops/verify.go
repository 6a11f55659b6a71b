package ops

import (
	"context"
	"errors"
	"fmt"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/reward"
)

// Derivation is how a round's coins follow from what is stored: facts, seed, curve, caps.
type Derivation struct {
	Round     string  `json:"round"`
	State     string  `json:"state"` // granted or held
	Shakes    int64   `json:"shakes"`
	ElapsedMS int64   `json:"elapsed_ms"`
	Rate      int64   `json:"shake_rate"`
	Counted   int64   `json:"counted"`
	Seed      string  `json:"seed"`
	Piece     int     `json:"piece"`
	From      int64   `json:"from"`
	Chance    string  `json:"chance"`
	Odds      float64 `json:"probability"`
	Min       int64   `json:"min"`
	Max       int64   `json:"max"`
	RoundCap  int64   `json:"round_cap"`
	Derived   int64   `json:"derived"`  // coins that follow from the facts
	Computed  int64   `json:"computed"` // coins as stored
	PlayerCap int64   `json:"player_cap"`
	Capped    int64   `json:"capped"` // derived, within the player's cap
	Paid      int64   `json:"paid"`
	Lacking   int64   `json:"lacking"` // what a dry pool could not pay
	OK        bool    `json:"ok"`
}

// Verifier derives the coins of rounds again.
type Verifier struct {
	Rounds    func(ctx context.Context, id string) (reward.Record, error)
	Campaigns func(ctx context.Context, id string, run int64) (*game.Campaign, error)
	Keys      *game.Keyring
}

// ErrNoRound says that the ledger has no such round.
var ErrNoRound = errors.New("no such round in the ledger: it was never ended, or its coins have not arrived yet")

// Verify derives one round.
func (v Verifier) Verify(ctx context.Context, text string) (Derivation, error) {
	id, err := game.ParseRoundID(text)
	if err != nil {
		return Derivation{}, err
	}
	stored, err := v.Rounds(ctx, text)
	if errors.Is(err, reward.ErrNotFound) {
		return Derivation{}, ErrNoRound
	}
	if err != nil {
		return Derivation{}, err
	}
	c, err := v.Campaigns(ctx, id.Campaign, id.Run)
	if err != nil {
		return Derivation{}, fmt.Errorf("campaign %s run %d: %w", id.Campaign, id.Run, err)
	}
	keys, err := v.Keys.RunKeys(c.KeyID, c.ID, c.Run)
	if err != nil {
		return Derivation{}, err
	}
	live, err := game.Prepare(c, keys)
	if err != nil {
		return Derivation{}, err
	}
	return derive(live, id, stored), nil
}

func derive(c *game.Live, id game.RoundID, stored reward.Record) Derivation {
	r := stored.Round
	seed := c.Keys.Seed(id)
	reward := c.Rewarder.Reward(seed, game.Facts{Round: id, Shakes: r.Shakes, ElapsedMS: r.ElapsedMS})
	d := Derivation{
		Round: id.String(), State: string(stored.State), Shakes: r.Shakes, ElapsedMS: r.ElapsedMS, Rate: c.ShakeRate,
		Counted: reward.Counted, Seed: fmt.Sprintf("%x", seed), Piece: reward.Piece,
		Chance: fmt.Sprintf("%.9f", float64(reward.Chance>>11)/(1<<53)), RoundCap: c.RoundCap,
		Derived: reward.Coins, Computed: r.Computed, PlayerCap: c.PlayerCap, Capped: reward.Coins, Paid: r.Paid,
	}
	if reward.Piece > 0 {
		p := c.Curve[reward.Piece-1]
		d.From, d.Odds, d.Min, d.Max = p.From, p.Probability, p.Min, p.Max
	}
	if c.PlayerCap > 0 {
		d.Capped = max(0, min(d.Capped, c.PlayerCap-(r.Total-r.Paid)))
	}
	d.Lacking = d.Capped - d.Paid
	d.OK = d.Derived == d.Computed && d.Lacking >= 0
	return d
}

// Lines tell the derivation to a person.
func (d Derivation) Lines() []string {
	verdict := "the stored coins follow from the stored facts"
	if !d.OK {
		verdict = "THE STORED COINS DO NOT FOLLOW FROM THE STORED FACTS"
	}
	lines := []string{
		"round     " + d.Round + " (" + d.State + ")",
		fmt.Sprintf("facts     %d shakes in %d ms", d.Shakes, d.ElapsedMS),
		fmt.Sprintf("counted   %d = min(%d, %d a second x %d ms)", d.Counted, d.Shakes, d.Rate, d.ElapsedMS),
		"seed      " + d.Seed + " = HMAC-SHA256(reward key of the run, round id)",
	}
	if d.Piece > 0 {
		lines = append(lines, fmt.Sprintf("curve     piece %d: from %d shakes, wins with probability %v, %d to %d coins", d.Piece, d.From, d.Odds, d.Min, d.Max),
			fmt.Sprintf("chance    %s (seed bytes 0-7), wins if below %v", d.Chance, d.Odds))
	} else {
		lines = append(lines, "curve     no piece was reached")
	}
	lines = append(lines, fmt.Sprintf("derived   %d coins (stored: %d)", d.Derived, d.Computed))
	if d.PlayerCap > 0 {
		lines = append(lines, fmt.Sprintf("capped    %d coins within the player's cap of %d", d.Capped, d.PlayerCap))
	}
	if d.Lacking > 0 {
		lines = append(lines, fmt.Sprintf("dry       the pool lacked %d coins", d.Lacking))
	}
	return append(lines, fmt.Sprintf("paid      %d coins", d.Paid), "verdict   "+verdict)
}
