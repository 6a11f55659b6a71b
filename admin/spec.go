// Package admin is the operators' door: campaigns are checked, stored, funded, published, and in the end settled.
package admin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/shake-live/shake/game"
)

// Spec is a campaign as its people write it: a YAML file. Lengths are like 10s or 2m30s, times like
// 2026-11-11T20:00:00+08:00.
type Spec struct {
	ID        string            `yaml:"id"`
	Game      string            `yaml:"game"`
	Market    string            `yaml:"market"`
	Name      string            `yaml:"name"`
	WarmupAt  time.Time         `yaml:"warmup_at"`
	StartsAt  time.Time         `yaml:"starts_at"`
	EndsAt    time.Time         `yaml:"ends_at"`
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
}

// Length is a span of time of whole milliseconds.
type Length time.Duration

// UnmarshalYAML reads a length like 10s.
func (l *Length) UnmarshalYAML(node ast.Node) error {
	text, ok := node.(*ast.StringNode)
	if ok {
		if d, err := time.ParseDuration(text.Value); err == nil && d%time.Millisecond == 0 {
			*l = Length(d)
			return nil
		}
	}
	at := node.GetToken().Position
	return fmt.Errorf("[%d:%d] want a length of whole milliseconds like 10s", at.Line, at.Column)
}

// MarshalYAML writes a length like 10s.
func (l Length) MarshalYAML() (any, error) { return time.Duration(l).String(), nil }

func (l Length) ms() int64 { return time.Duration(l).Milliseconds() }

// maxSpecBytes bounds a campaign's file.
const maxSpecBytes = 1 << 20

// ParseSpec reads a campaign's file; an unknown field is an error that tells where it stands.
func ParseSpec(text []byte) (Spec, error) {
	s := Spec{Game: "shake", ShakeRate: game.DefaultShakeRate}
	if len(text) > maxSpecBytes {
		return s, errors.New("campaign file: larger than 1 MiB")
	}
	d := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict(), yaml.CustomUnmarshaler(whole[int]), yaml.CustomUnmarshaler(whole[int64]),
		yaml.CustomUnmarshaler(moment))
	if err := d.Decode(&s); err != nil && !errors.Is(err, io.EOF) {
		return s, errors.New("campaign file: " + yaml.FormatError(err, false, false))
	}
	if err := d.Decode(new(struct{})); !errors.Is(err, io.EOF) {
		return s, errors.New("campaign file: want one document, not two")
	}
	return s, nil
}

// whole reads integers, with or without _ between digits; goccy alone would take 2.5 chances for 2.
func whole[T int | int64](n *T, text []byte) error {
	v, err := strconv.ParseInt(strings.ReplaceAll(string(bytes.TrimSpace(text)), "_", ""), 10, reflect.TypeFor[T]().Bits())
	if err != nil {
		return fmt.Errorf("%.20q: want a whole number that fits", bytes.TrimSpace(text))
	}
	*n = T(v)
	return nil
}

// moment reads times that carry their zone; without one, 20:00 in Singapore would be 20:00 in Greenwich.
func moment(t *time.Time, text []byte) (err error) {
	plain := strings.Trim(string(bytes.TrimSpace(text)), `"'`)
	if *t, err = time.Parse(time.RFC3339, plain); err != nil {
		return fmt.Errorf("%.40q: want a time with its zone like 2026-11-11T20:00:00+08:00", plain)
	}
	return nil
}

// Campaign is the campaign that the spec describes, without what only its life brings: version, run, keys.
func (s Spec) Campaign() game.Campaign {
	c := game.Campaign{
		ID: s.ID, Game: s.Game, Market: s.Market, Name: s.Name,
		WarmupAt: ms(s.WarmupAt), StartsAt: ms(s.StartsAt), EndsAt: ms(s.EndsAt),
		RoundMS: s.Round.ms(), EarlyMS: game.DefaultEarlyMS(s.Round.ms()), LateMS: game.DefaultLateMS,
		Chances: s.Chances, Pool: s.Pool, Floor: s.Floor, RoundCap: s.RoundCap, PlayerCap: s.PlayerCap,
		Shards: s.Shards, ShakeRate: s.ShakeRate, Curve: s.Curve, Assets: s.Assets,
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
	for i, p := range c.Curve { // what can't be a number must not reach a store
		if math.IsNaN(p.Probability) {
			c.Curve[i].Probability = -1
		}
	}
	return c
}

// ms drops what Redis does not count.
func ms(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
