// Package redisgame keeps the rounds of players in Redis: one script call a start, one an end.
package redisgame

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/internal/redisdb"
)

var (
	//go:embed start.lua
	startSource string
	//go:embed end.lua
	endSource string
	//go:embed claim.lua
	claimSource string
	//go:embed read.lua
	readSource string
)

var (
	start = redisdb.NewScript("start", startSource)
	end   = redisdb.NewScript("end", endSource)
	claim = redisdb.NewScript("claim", claimSource)
	read  = redisdb.NewScript("read", readSource)
)

// Scripts are the programs of this store, to be loaded ahead of the first call.
func Scripts() []*redisdb.Script { return []*redisdb.Script{start, end, claim, read} }

// Store implements game.Rounds.
type Store struct {
	batcher *redisdb.Batcher
	keys    *redisdb.KeyCache
	heads   sync.Map // headKey -> *redisdb.Head
	desks   sync.Map // campaign's id -> *desk
}

// headKey tells calls apart that can't share a script call: other shard, or other rules.
type headKey struct {
	script *redisdb.Script
	run    event.Run
	shard  int
	rules  rules
}

// rules are what the scripts know of a campaign; times in ms.
type rules struct{ starts, ends, round, late, early, cap int64 }

// New makes a Store.
func New(batcher *redisdb.Batcher, keys *redisdb.KeyCache) *Store {
	return &Store{batcher: batcher, keys: keys}
}

// desk is what calls for a campaign need, found once for each copy of it that the catalog hands out.
type desk struct {
	campaign *game.Live
	keys     *redisdb.Keys
	heads    map[*redisdb.Script][]*redisdb.Head // by shard
}

func (s *Store) desk(c *game.Live) *desk {
	if d, ok := s.desks.Load(c.ID); ok && d.(*desk).campaign == c {
		return d.(*desk)
	}
	d := &desk{campaign: c, keys: s.keys.Of(c.Life), heads: map[*redisdb.Script][]*redisdb.Head{}}
	for _, sc := range Scripts() {
		for shard := range c.Life.Shards {
			d.heads[sc] = append(d.heads[sc], s.head(sc, c, d.keys, shard))
		}
	}
	s.desks.Store(c.ID, d)
	return d
}

func (s *Store) head(sc *redisdb.Script, c *game.Live, keys *redisdb.Keys, shard int) *redisdb.Head {
	key := headKey{script: sc, run: c.Life, shard: shard}
	if sc == start || sc == end {
		key.rules = rules{
			starts: c.StartsAt.UnixMilli(), ends: c.EndsAt.UnixMilli(),
			round: c.RoundMS, late: c.LateMS, early: c.EarlyMS, cap: c.PlayerCap,
		}
	}
	if h, ok := s.heads.Load(key); ok {
		return h.(*redisdb.Head)
	}
	h := &redisdb.Head{Script: sc, Keys: []string{keys.Pool(shard), keys.Out(shard)}}
	switch r := key.rules; sc {
	case start:
		h.Args = []any{r.starts, r.ends, r.round, r.late}
	case end:
		h.Args = []any{r.round, r.late, r.early, r.cap, game.Grace.Milliseconds()}
	case read:
		h.Keys = h.Keys[:1]
	}
	kept, _ := s.heads.LoadOrStore(key, h)
	return kept.(*redisdb.Head)
}

// call sends one player's call and takes the words of the answer apart.
func (s *Store) call(ctx context.Context, sc *redisdb.Script, c *game.Live, user string, args ...any) (word, rest string, reply redisdb.Reply, err error) {
	shard, d := c.Life.ShardOf(user), s.desk(c)
	reply, err = s.batcher.Do(ctx, redisdb.Call{Head: d.heads[sc][shard], Key: d.keys.Player(shard, user), Args: args})
	if err != nil {
		return "", "", reply, translate(err)
	}
	if word, rest, _ = strings.Cut(reply.Result, " "); word == "error" { // as if Redis had refused the whole call
		return "", "", reply, fmt.Errorf("%w: %s %s: %s", game.ErrBusy, sc.Name, user, rest)
	}
	return word, rest, reply, nil
}

// translate turns the batcher's errors into the game's.
func translate(err error) error {
	switch {
	case errors.Is(err, redisdb.ErrOverloaded):
		return fmt.Errorf("%w: %w", game.ErrOverloaded, err)
	case errors.Is(err, redisdb.ErrFenced), errors.Is(err, redisdb.ErrBusy), errors.Is(err, redisdb.ErrClosed):
		return fmt.Errorf("%w: %w", game.ErrBusy, err)
	}
	return err
}

// Start implements game.Rounds.
func (s *Store) Start(ctx context.Context, c *game.Live, r game.StartRequest) (game.Started, error) {
	closed := "0"
	if r.Closed {
		closed = "1"
	}
	word, rest, _, err := s.call(ctx, start, c, r.User, r.User, r.Number, r.Granted, closed)
	if err != nil {
		return game.Started{}, err
	}
	switch word {
	case "ok":
		n, err := numbers(rest, 2)
		if err != nil {
			return game.Started{}, err
		}
		return game.Started{Number: r.Number, At: n[0], Epoch: n[1]}, nil
	case "wrong":
		n, err := numbers(rest, 1)
		if err != nil {
			return game.Started{}, err
		}
		return game.Started{}, &game.WrongNumberError{Next: n[0]}
	case "open":
		return game.Started{}, game.ErrRoundOpen
	case "early", "late":
		return game.Started{}, game.ErrNotLive
	case "none":
		return game.Started{}, game.ErrNoChances
	case "empty":
		return game.Started{}, game.ErrPoolEmpty
	}
	return game.Started{}, fmt.Errorf("start %s/%d: %s %s", r.User, r.Number, word, rest)
}

// Settle implements game.Rounds.
func (s *Store) Settle(ctx context.Context, c *game.Live, r game.SettleRequest) (game.Settled, error) {
	t := r.Token
	word, rest, reply, err := s.call(ctx, end, c, t.User,
		t.User, t.Number, t.StartedAt, t.Epoch, r.Shakes, r.ElapsedMS, r.Computed, r.Granted)
	if err != nil {
		return game.Settled{}, err
	}
	switch word {
	case "ok":
		settled, err := parseFacts(t.User, rest)
		settled.Safe = reply.Safe
		return settled, err
	case "conflict":
		return game.Settled{}, game.ErrConflict
	case "old":
		return game.Settled{}, game.ErrOld
	case "early":
		return game.Settled{}, game.ErrTooEarly
	case "late":
		return game.Settled{}, game.ErrTooLate
	case "short", "skew":
		n, err := numbers(rest, 1)
		switch {
		case err != nil:
			return game.Settled{}, err
		case word == "short":
			return game.Settled{}, &game.ShortError{Need: n[0]}
		}
		return game.Settled{}, &game.SkewError{ElapsedMS: n[0]}
	}
	return game.Settled{}, fmt.Errorf("end %s/%d: %s %s", t.User, t.Number, word, rest)
}

// Claim implements game.Rounds.
func (s *Store) Claim(ctx context.Context, c *game.Live, r game.ClaimRequest) (int64, error) {
	of, at := r.Claim.Round, r.Claim.At
	word, rest, reply, err := s.call(ctx, claim, c, of.User,
		of.User, of.Number, of.StartedAt, of.StartEpoch, of.Shakes, of.ElapsedMS, of.Computed, of.Paid, r.Granted,
		at.Epoch, at.Seq, of.SettledAt, r.Read)
	if err != nil {
		return 0, err
	}
	switch word {
	case "wait":
		return 0, game.ErrPending
	case "empty":
		return 0, game.ErrNoCoins
	case "ok", "short":
		n, err := numbers(rest, 1)
		switch {
		case err != nil:
			return 0, err
		case word == "short":
			return 0, &game.ShortError{Need: n[0]}
		case !reply.Safe:
			return 0, game.ErrPending
		}
		return n[0], nil
	}
	return 0, fmt.Errorf("claim %s/%d: %s %s", of.User, of.Number, word, rest)
}

// Standing implements game.Rounds.
func (s *Store) Standing(ctx context.Context, c *game.Live, user string) (game.Standing, error) {
	word, rest, reply, err := s.call(ctx, read, c, user)
	if err != nil {
		return game.Standing{}, err
	}
	if word != "ok" {
		return game.Standing{}, fmt.Errorf("read %s: %s %s", user, word, rest)
	}
	return standing(c, user, rest, reply)
}

// standing reads "reopened at|last number|open since|its epoch|coins of claims|facts".
func standing(c *game.Live, user, text string, reply redisdb.Reply) (game.Standing, error) {
	parts := strings.SplitN(text, "|", 6)
	if len(parts) != 6 {
		return game.Standing{}, fmt.Errorf("read %s: %q", user, text)
	}
	n, err := numbers(parts[0]+" "+parts[1]+" "+parts[4], 3)
	if err != nil {
		return game.Standing{}, err
	}
	st := game.Standing{Number: n[1], Extra: n[2]}
	if parts[2] != "" {
		open, err := numbers(parts[2]+" "+parts[3], 2)
		if err != nil {
			return st, err
		}
		if deadline := max(open[0]+c.RoundMS, n[0]) + c.LateMS; reply.Now.UnixMilli() <= deadline {
			st.Open = &game.Started{Number: st.Number, At: open[0], Epoch: open[1]}
		}
	}
	if parts[5] != "" {
		last, err := parseFacts(user, parts[5])
		if err != nil {
			return st, err
		}
		last.Safe = reply.Safe
		st.Last = &last
	}
	return st, nil
}

// Now implements game.Rounds.
func (s *Store) Now(ctx context.Context, c *game.Live, user string) time.Time {
	return s.batcher.Now(ctx, s.desk(c).keys.Pool(c.Life.ShardOf(user)))
}

// parseFacts reads what end.lua keeps of a settled round.
func parseFacts(user, text string) (game.Settled, error) {
	n, err := numbers(text, 12)
	if err != nil {
		return game.Settled{}, fmt.Errorf("facts of %s: %w", user, err)
	}
	return game.Settled{
		Round: event.Round{
			User: user, Number: n[0], Shakes: n[1], ElapsedMS: n[2], Computed: n[3], Paid: n[4], Total: n[5],
			ChancesLeft: n[6], SettledAt: n[10] + n[7], StartedAt: n[10], StartEpoch: n[11],
		},
		At: event.Position{Epoch: n[8], Seq: n[9]},
	}, nil
}

// numbers reads exactly so many whole numbers apart by spaces.
func numbers(text string, count int) ([12]int64, error) {
	var n [12]int64
	rest := text
	for i := range count {
		var word string
		word, rest, _ = strings.Cut(rest, " ")
		var err error
		if n[i], err = strconv.ParseInt(word, 10, 64); err != nil {
			return n, fmt.Errorf("%q: %w", text, err)
		}
	}
	if rest != "" {
		return n, fmt.Errorf("%q: more than %d numbers", text, count)
	}
	return n, nil
}
