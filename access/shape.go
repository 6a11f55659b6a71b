package access

import (
	"time"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/reward"
)

// stamp is a time as the API writes it: RFC 3339, UTC, milliseconds.
type stamp time.Time

const stampLayout = "2006-01-02T15:04:05.000Z"

// MarshalJSON implements json.Marshaler.
func (t stamp) MarshalJSON() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat([]byte{'"'}, stampLayout+`"`), nil
}

type sessionShape struct {
	Token     string `json:"token"`
	User      string `json:"user"`
	Market    string `json:"market"`
	ExpiresAt stamp  `json:"expires_at"`
}

func sessionOf(who Session, token string, expires time.Time) sessionShape {
	return sessionShape{Token: token, User: who.User, Market: who.Market, ExpiresAt: stamp(expires)}
}

type campaignShape struct {
	ID           string            `json:"id"`
	Game         string            `json:"game"`
	Market       string            `json:"market"`
	Name         string            `json:"name"`
	Stage        game.Stage        `json:"stage"`
	Version      int64             `json:"version"`
	WarmupAt     stamp             `json:"warmup_at"`
	StartsAt     stamp             `json:"starts_at"`
	EndsAt       stamp             `json:"ends_at"`
	RoundSeconds float64           `json:"round_seconds"`
	LateSeconds  float64           `json:"late_seconds"`
	Chances      int64             `json:"chances"`
	Pool         poolShape         `json:"pool"`
	Assets       map[string]string `json:"assets"`
}

type poolShape struct {
	Funded int64 `json:"funded"`
	Left   int64 `json:"left"`
	Open   bool  `json:"open"`
}

// campaignOf shows a campaign. It carries no clock, so that caches can share it.
func campaignOf(c *game.Live, level inventory.Level, open bool, now time.Time) campaignShape {
	stage := c.StageAt(now)
	shape := campaignShape{
		ID: c.ID, Game: c.Game, Market: c.Market, Name: c.Name, Stage: stage, Version: c.Version,
		WarmupAt: stamp(c.WarmupAt), StartsAt: stamp(c.StartsAt), EndsAt: stamp(c.EndsAt),
		RoundSeconds: float64(c.RoundMS) / 1000, LateSeconds: float64(c.LateMS) / 1000, Chances: c.Chances, Assets: c.Assets,
		Pool: poolShape{Funded: level.Funded, Left: level.Left, Open: open && (stage == game.StageWarmup || stage == game.StageLive)},
	}
	if shape.Assets == nil {
		shape.Assets = map[string]string{}
	}
	return shape
}

type roundShape struct {
	Round       string `json:"round"`
	Number      int64  `json:"number"`
	Token       string `json:"token"`
	StartsAt    stamp  `json:"starts_at"`
	EndsAt      stamp  `json:"ends_at"`
	ChancesLeft int64  `json:"chances_left"`
}

func roundOf(o game.Open) roundShape {
	return roundShape{
		Round: o.ID.String(), Number: o.ID.Number, Token: o.Token,
		StartsAt: stamp(o.StartsAt), EndsAt: stamp(o.EndsAt), ChancesLeft: o.ChancesLeft,
	}
}

type resultShape struct {
	Round       string  `json:"round"`
	Number      int64   `json:"number"`
	Coins       int64   `json:"coins"`
	Total       int64   `json:"total"`
	Prize       *string `json:"prize"` // null: no game draws prizes yet
	ChancesLeft int64   `json:"chances_left"`
	Claim       string  `json:"claim"`
	SettledAt   stamp   `json:"settled_at"`
}

func resultOf(r game.Result) resultShape {
	return resultShape{
		Round: r.ID.String(), Number: r.ID.Number, Coins: r.Coins, Total: r.Total,
		ChancesLeft: r.ChancesLeft, Claim: r.Claim, SettledAt: stamp(r.SettledAt),
	}
}

type meShape struct {
	ChancesLeft int64        `json:"chances_left"`
	Coins       int64        `json:"coins"`
	NextNumber  int64        `json:"next_number"`
	OpenRound   *roundShape  `json:"open_round"`
	Last        *resultShape `json:"last"`
}

func meOf(m game.Me) meShape {
	shape := meShape{ChancesLeft: m.ChancesLeft, Coins: m.Coins, NextNumber: m.NextNumber}
	if m.Open != nil {
		open := roundOf(*m.Open)
		shape.OpenRound = &open
	}
	if m.Last != nil {
		last := resultOf(*m.Last)
		shape.Last = &last
	}
	return shape
}

type placeShape struct {
	Rank  int64  `json:"rank"`
	User  string `json:"user"`
	Name  string `json:"name"` // what the page shows
	Coins int64  `json:"coins"`
}

type boardShape struct {
	Final   bool         `json:"final"`
	Entries []placeShape `json:"entries"`
	Me      *placeShape  `json:"me"`
}

func boardOf(b Board) boardShape {
	shape := boardShape{Final: b.Final, Entries: make([]placeShape, 0, len(b.Entries))}
	for _, p := range b.Entries {
		shape.Entries = append(shape.Entries, placeOf(p))
	}
	if b.Me != nil {
		me := placeOf(*b.Me)
		shape.Me = &me
	}
	return shape
}

func placeOf(p Place) placeShape {
	return placeShape(p)
}

type entryShape struct {
	ID       string `json:"id"`
	Kind     string `json:"kind"`
	Campaign string `json:"campaign"`
	Round    string `json:"round"`
	Coins    int64  `json:"coins"`
	At       stamp  `json:"at"`
}

type walletShape struct {
	Balance int64        `json:"balance"`
	Entries []entryShape `json:"entries"`
	Next    *string      `json:"next"`
}

func walletOf(balance int64, entries []reward.Entry, next string) walletShape {
	shape := walletShape{Balance: balance, Entries: make([]entryShape, 0, len(entries)), Next: cursor(next)}
	for _, e := range entries {
		shape.Entries = append(shape.Entries, entryShape{
			ID: e.ID, Kind: e.Kind, Campaign: e.Campaign, Round: e.Round, Coins: e.Coins, At: stamp(e.At),
		})
	}
	return shape
}

type noticeShape struct {
	ID          string            `json:"id"`
	Kind        string            `json:"kind"`
	Campaign    string            `json:"campaign"`
	Round       string            `json:"round"`
	Title       string            `json:"title"`
	Body        string            `json:"body"`
	Params      map[string]string `json:"params"`
	At          stamp             `json:"at"`
	ReceiptedAt *stamp            `json:"receipted_at"`
}

type inboxShape struct {
	Notices []noticeShape `json:"notices"`
	Next    *string       `json:"next"`
}

func inboxOf(notices []reward.Notice, next string) inboxShape {
	shape := inboxShape{Notices: make([]noticeShape, 0, len(notices)), Next: cursor(next)}
	for _, n := range notices {
		shape.Notices = append(shape.Notices, noticeOf(n))
	}
	return shape
}

func noticeOf(n reward.Notice) noticeShape {
	shape := noticeShape{
		ID: n.ID, Kind: n.Kind, Campaign: n.Campaign, Round: n.Round, Title: n.Title, Body: n.Body, Params: n.Params, At: stamp(n.At),
	}
	if shape.Params == nil {
		shape.Params = map[string]string{}
	}
	if !n.ReceiptedAt.IsZero() {
		at := stamp(n.ReceiptedAt)
		shape.ReceiptedAt = &at
	}
	return shape
}

// cursor is null on the last page.
func cursor(next string) *string {
	if next == "" {
		return nil
	}
	return &next
}
