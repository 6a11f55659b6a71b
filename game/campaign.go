// Package game plays rounds: it knows the rules of a campaign, starts a player's round, settles it once, and
// computes its coins so that anybody can compute them again.
package game

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game/fairplay"
	"github.com/shake-live/shake/inventory"
)

// Stage is where a campaign stands in its life, as players see it.
type Stage string

const (
	StageWarmup  Stage = "warmup"
	StageLive    Stage = "live"
	StageClosed  Stage = "closed"
	StageSettled Stage = "settled"
)

// Campaign is one configured game event in one market, at one version and in one run.
type Campaign struct {
	ID      string `json:"id"`
	Game    string `json:"game"` // which Rewarder; "shake" is the first
	Market  string `json:"market"`
	Name    string `json:"name"`
	Version int64  `json:"version"` // rises with every published change
	Run     int64  `json:"run"`     // rises with every restart; it prefixes all keys

	WarmupAt time.Time `json:"warmup_at"`
	StartsAt time.Time `json:"starts_at"`
	EndsAt   time.Time `json:"ends_at"` // no round starts any more; open ones may still end

	RoundMS int64 `json:"round_ms"` // length of a round
	EarlyMS int64 `json:"early_ms"` // no round may end sooner after its start
	LateMS  int64 `json:"late_ms"`  // an end may come so long after the round's end

	Chances   int64 `json:"chances"`    // rounds a player may play
	Pool      int64 `json:"pool"`       // coins: the cap on what the run pays
	Floor     int64 `json:"floor"`      // at or under this level no round starts any more
	RoundCap  int64 `json:"round_cap"`  // coins of one round at most; 0: none
	PlayerCap int64 `json:"player_cap"` // coins of one player in the run at most; 0: none
	Shards    int   `json:"shards"`     // fixed for the run
	ShakeRate int64 `json:"shake_rate"` // shakes a second that count at most
	Curve     Curve `json:"curve"`

	FairPlay fairplay.Rules `json:"fair_play,omitzero"` // what is zero is the default

	Assets    map[string]string `json:"assets,omitempty"`
	KeyID     string            `json:"key_id"` // of the master key that the run's keys come from
	SettledAt *time.Time        `json:"settled_at,omitempty"`
	Since     inventory.Since   `json:"since,omitempty"` // where the run's log begins
}

// Defaults of a campaign that its file leaves out.
const (
	DefaultShakeRate = 8     // shakes a second; a strong arm does six
	DefaultLateMS    = 30000 // for phones that lose the network at the wrong moment
	earlyPercent     = 80    // of a round must pass before its end
)

// DefaultEarlyMS is 80 % of a round.
func DefaultEarlyMS(roundMS int64) int64 { return roundMS * earlyPercent / 100 }

// StageAt is the stage at a time.
func (c *Campaign) StageAt(now time.Time) Stage {
	switch {
	case c.SettledAt != nil:
		return StageSettled
	case now.Before(c.StartsAt):
		return StageWarmup
	case now.Before(c.EndsAt):
		return StageLive
	default:
		return StageClosed
	}
}

// OverAt is when the last round that could be open is over, whatever its player does.
func (c *Campaign) OverAt() time.Time {
	return c.EndsAt.Add(time.Duration(c.RoundMS+c.LateMS) * time.Millisecond)
}

// Life is the campaign's run as the pool knows it.
func (c *Campaign) Life() inventory.Run {
	return event.Run{Campaign: c.ID, Number: c.Run, Shards: c.Shards}
}

var marketPattern = regexp.MustCompile(`^[A-Z]{2}$`)

const maxID = 40 // bytes

// validID tells whether a campaign's id is up to 40 of a-z, 0-9 and -, not beginning with -. Every call asks, so
// it is no regular expression: those took a microsecond of each.
func validID(id string) bool {
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-' && i > 0:
		default:
			return false
		}
	}
	return id != "" && len(id) <= maxID
}

// Bounds of a campaign. They keep every count well within what Lua and JSON carry exactly.
const (
	maxRoundMS = 10 * 60 * 1000
	maxChances = 1_000_000
	maxWindow  = 31 * 24 * time.Hour
)

// Validate names everything that is wrong with the campaign.
func (c *Campaign) Validate() error {
	var errs []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	need(validID(c.ID), "id %q: want up to 40 of a-z, 0-9 and -", c.ID)
	need(games[c.Game] != nil, "game %q: want one of %s", c.Game, strings.Join(Games(), ", "))
	need(marketPattern.MatchString(c.Market), "market %q: want two capital letters", c.Market)
	need(strings.TrimSpace(c.Name) != "" && len(c.Name) <= 200, "name: want 1 to 200 bytes")
	need(!c.StartsAt.IsZero() && c.StartsAt.Before(c.EndsAt), "ends_at %s: want it after starts_at %s", c.EndsAt, c.StartsAt)
	need(!c.WarmupAt.After(c.StartsAt), "warmup_at %s: want it before starts_at %s", c.WarmupAt, c.StartsAt)
	need(c.EndsAt.Sub(c.StartsAt) <= maxWindow, "ends_at: want a window of at most %s", maxWindow)
	need(c.RoundMS >= 1000 && c.RoundMS <= maxRoundMS, "round: want 1 s to %d s", maxRoundMS/1000)
	need(c.EarlyMS >= 0 && c.EarlyMS <= c.RoundMS, "early: want 0 to a round's length")
	need(c.LateMS >= 0 && c.LateMS <= maxRoundMS, "late: want 0 to %d s", maxRoundMS/1000)
	need(c.Chances >= 1 && c.Chances <= maxChances, "chances: want 1 to %d", maxChances)
	need(c.Pool >= 1 && c.Pool <= inventory.MaxCoins, "pool: want 1 to %d coins", int64(inventory.MaxCoins))
	need(c.Floor >= 0 && c.Floor < c.Pool, "floor %d: want 0 up to less than the pool", c.Floor)
	need(c.RoundCap >= 0 && c.RoundCap <= c.Pool, "round_cap %d: want 0 to the pool", c.RoundCap)
	need(c.PlayerCap >= 0 && c.PlayerCap <= c.Pool, "player_cap %d: want 0 to the pool", c.PlayerCap)
	need(c.Shards >= 1 && c.Shards <= inventory.MaxShards, "shards %d: want 1 to %d", c.Shards, inventory.MaxShards)
	need(c.ShakeRate >= 1 && c.ShakeRate <= 100, "shake_rate %d: want 1 to 100 a second", c.ShakeRate)
	errs = append(errs, c.Curve.Validate(), c.FairPlay.Validate())
	return errors.Join(errs...)
}
