// Package admin is the operators' door: campaigns are checked, stored, funded, published, and in the end settled.
package admin

import (
	"errors"
	"fmt"
	"math"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/fairplay"
	"github.com/shake-live/shake/internal/yamlfile"
)

// Spec is a campaign as its people write it: a YAML file. Lengths are like 10s or 2m30s, times like
// 2026-11-11T20:00:00+08:00.
type Spec struct {
	ID        string            `yaml:"id"`
	Game      string            `yaml:"game"`
	Market    string            `yaml:"market"`
	Name      string            `yaml:"name"`
	WarmupAt  Moment            `yaml:"warmup_at"`
	StartsAt  Moment            `yaml:"starts_at"`
	EndsAt    Moment            `yaml:"ends_at"`
	Round     Length            `yaml:"round"`
	Early     *Length           `yaml:"early"`
	Late      *Length           `yaml:"late"`
	Chances   int64             `yaml:"chances"`
	Pool      int64             `yaml:"pool"`
	Floor     int64             `yaml:"floor"`
	RoundCap  int64             `yaml:"round_cap"`
	PlayerCap int64             `yaml:"player_cap"`
	Shards    int               `yaml:"shards"`
	ShakeRate int64             `yaml:"shake_rate"`
	Curve     []game.Piece      `yaml:"curve"`
	Assets    map[string]string `yaml:"assets"`
	FairPlay  fairplay.Rules    `yaml:"fair_play"`
}

// Length is a span of time of whole milliseconds.
type Length time.Duration

// UnmarshalYAML reads a length like 10s.
func (l *Length) UnmarshalYAML(node *yaml.Node) error {
	d, err := time.ParseDuration(node.Value)
	if node.Kind != yaml.ScalarNode || err != nil || d%time.Millisecond != 0 {
		return yamlfile.Errorf(node, "want a length of whole milliseconds like 10s")
	}
	*l = Length(d)
	return nil
}

// MarshalYAML writes a length like 10s.
func (l Length) MarshalYAML() (any, error) { return time.Duration(l).String(), nil }

func (l Length) ms() int64 { return time.Duration(l).Milliseconds() }

// Moment is a time that was written with its zone; without one, 20:00 in Singapore would be 20:00 in Greenwich.
type Moment struct{ time.Time }

// UnmarshalYAML reads a time like 2026-11-11T20:00:00+08:00.
func (m *Moment) UnmarshalYAML(node *yaml.Node) (err error) {
	if m.Time, err = time.Parse(time.RFC3339, node.Value); err != nil {
		return yamlfile.Errorf(node, "want a time with its zone like 2026-11-11T20:00:00+08:00")
	}
	return nil
}

// maxSpecBytes bounds a campaign's file.
const maxSpecBytes = 1 << 20

// ParseSpec reads a campaign's file; an unknown field is an error that tells where it stands.
func ParseSpec(text []byte) (Spec, error) {
	s := Spec{Game: "shake", ShakeRate: game.DefaultShakeRate}
	if len(text) > maxSpecBytes {
		return s, errors.New("campaign file: larger than 1 MiB")
	}
	if err := yamlfile.Decode(text, &s); err != nil {
		return s, fmt.Errorf("campaign file: %w", err)
	}
	return s, nil
}

// Campaign is the campaign that the spec describes, without what only its life brings: version, run, keys.
func (s Spec) Campaign() game.Campaign {
	c := game.Campaign{
		ID: s.ID, Game: s.Game, Market: s.Market, Name: s.Name,
		WarmupAt: ms(s.WarmupAt.Time), StartsAt: ms(s.StartsAt.Time), EndsAt: ms(s.EndsAt.Time),
		RoundMS: s.Round.ms(), EarlyMS: game.DefaultEarlyMS(s.Round.ms()), LateMS: game.DefaultLateMS,
		Chances: s.Chances, Pool: s.Pool, Floor: s.Floor, RoundCap: s.RoundCap, PlayerCap: s.PlayerCap,
		Shards: s.Shards, ShakeRate: s.ShakeRate, Curve: s.Curve, Assets: s.Assets, FairPlay: s.FairPlay,
	}
	if s.Early != nil {
		c.EarlyMS = s.Early.ms()
	}
	if s.Late != nil {
		c.LateMS = s.Late.ms()
	}
	if c.WarmupAt.IsZero() {
		c.WarmupAt = c.StartsAt
	}
	for i := range c.Curve {
		aNumber(&c.Curve[i].Probability)
	}
	aNumber(&c.FairPlay.MinVariation)
	aNumber(&c.FairPlay.MaxRate)
	aNumber(&c.FairPlay.MinScore)
	return c
}

// aNumber makes what is none invalid: it must not reach a store.
func aNumber(v *float64) {
	if math.IsNaN(*v) {
		*v = -1
	}
}

// ms drops what Redis does not count.
func ms(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
