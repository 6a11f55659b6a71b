package game

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shake-live/shake/internal/failpoint"
	"github.com/shake-live/shake/inventory"
)

// shortWait bounds how long an end waits for coins to reach its shard, before it is answered as pending.
// shortPause is the keeper's rhythm divided by a few: coins from idle shards come no faster.
const (
	shortWait  = 250 * time.Millisecond
	shortPause = 20 * time.Millisecond
)

// Service plays rounds.
type Service struct {
	catalog *Catalog
	rounds  Rounds
	levels  Levels
	coins   Coins
	archive Archive
	book    Book
	log     RoundLog

	observer Observer
}

// RoundLog keeps the claims of settled rounds beside all stores, for the night on which those lose them. It must not
// wait.
type RoundLog interface{ Append(claim string) }

// Deps are what a Service works with.
type Deps struct {
	Catalog *Catalog
	Rounds  Rounds
	Levels  Levels
	Coins   Coins
	Archive Archive
	Book    Book

	Log      RoundLog // nil: none
	Observer Observer // nil: nobody hears
}

// New makes a Service.
func New(d Deps) *Service {
	if d.Observer == nil {
		d.Observer = deaf{}
	}
	if d.Log == nil {
		d.Log = deaf{}
	}
	return &Service{catalog: d.Catalog, rounds: d.Rounds, levels: d.Levels, coins: d.Coins, archive: d.Archive, book: d.Book, log: d.Log, observer: d.Observer}
}

// Open is a round that the player can shake for.
type Open struct {
	ID          RoundID
	Token       string
	StartsAt    time.Time
	EndsAt      time.Time
	ChancesLeft int64
}

// Result is what a round brought.
type Result struct {
	ID          RoundID
	Coins       int64
	Total       int64
	ChancesLeft int64
	Claim       string
	SettledAt   time.Time
}

// Me is where a player stands.
type Me struct {
	ChancesLeft int64
	Coins       int64
	NextNumber  int64
	Open        *Open
	Last        *Result
}

// Level is how full a campaign's pool is, and whether it takes new rounds.
func (s *Service) Level(ctx context.Context, c *Live) (level inventory.Level, open bool, err error) {
	if c.SettledAt != nil { // its pool has gone back, and its Redis may be gone
		return inventory.Level{Campaign: c.ID, Run: c.Run, Funded: c.Pool}, false, nil
	}
	level, err = s.levels.Level(ctx, c.Life)
	return level, level.Left > c.Floor, err
}

// Start begins the player's round with this number, or gives it again while it is open. It costs one script
// call; the pool's level comes from memory.
func (s *Service) Start(ctx context.Context, campaign, user string, number int64) (Open, error) {
	c, err := s.catalog.Get(ctx, campaign)
	if err != nil {
		return Open{}, err
	}
	if c.SettledAt != nil {
		return Open{}, ErrNotLive
	}
	_, open, err := s.Level(ctx, c)
	if err != nil {
		return Open{}, err
	}
	started, err := s.rounds.Start(ctx, c, StartRequest{User: user, Number: number, Granted: c.Chances, Closed: !open})
	if err != nil {
		return Open{}, err
	}
	failpoint.Hit("start.done")
	return c.open(user, started), nil
}

// open gives a started round its token.
func (c *Live) open(user string, s Started) Open {
	start := time.UnixMilli(s.At).UTC()
	return Open{
		ID: RoundID{Campaign: c.ID, Run: c.Run, Epoch: s.Epoch, User: user, Number: s.Number},
		Token: c.Keys.Sign(Token{
			Run: c.Run, Epoch: s.Epoch, Number: s.Number, Shard: int64(c.Life.ShardOf(user)), StartedAt: s.At, User: user,
		}),
		StartsAt:    start,
		EndsAt:      start.Add(time.Duration(c.RoundMS) * time.Millisecond),
		ChancesLeft: max(0, c.Chances-s.Number),
	}
}

// End settles the round of a token once, and gives the same result for the same shakes ever after.
func (s *Service) End(ctx context.Context, campaign, user string, number int64, token string, shakes int64) (Result, error) {
	c, err := s.catalog.Get(ctx, campaign)
	if err != nil {
		return Result{}, err
	}
	t, err := s.verify(c, user, number, token)
	if err != nil {
		return Result{}, err
	}
	if c.SettledAt != nil {
		return s.fromArchive(ctx, c, user, number, shakes)
	}
	elapsed := s.rounds.Now(ctx, c, user).UnixMilli() - t.StartedAt
	settled, err := s.settle(ctx, c, t, shakes, elapsed)
	var skew *SkewError
	if errors.As(err, &skew) {
		settled, err = s.settle(ctx, c, t, shakes, skew.ElapsedMS)
	}
	if errors.As(err, &skew) { // between the two calls passed more time than between start and end should
		err = fmt.Errorf("%w: %w", ErrBusy, err)
	}
	if errors.Is(err, ErrOld) {
		return s.fromArchive(ctx, c, user, number, shakes)
	}
	if err != nil {
		return Result{}, err
	}
	if !settled.Safe {
		return Result{}, ErrPending
	}
	r := c.result(settled)
	failpoint.Hit("end.settled")
	s.log.Append(r.Claim)
	failpoint.Hit("end.logged")
	return r, nil
}

// verify reads the token. A true one of an earlier run is late rather than wrong; one of a later run tells that
// this node has not heard of it yet, which it will within a second.
func (s *Service) verify(c *Live, user string, number int64, token string) (Token, error) {
	t, err := c.Keys.Verify(token)
	if err != nil {
		return Token{}, s.otherRun(c, token, err)
	}
	switch {
	case t.User != user:
		return Token{}, ErrNotYours
	case t.Number != number || t.Run != c.Run || t.Shard != int64(c.Life.ShardOf(user)):
		return Token{}, ErrTokenInvalid
	}
	return t, nil
}

// otherRun is the answer to a token that this run's keys did not sign: err, unless those of another run of the
// campaign did.
func (s *Service) otherRun(c *Live, token string, err error) error {
	t, _, _, parseErr := parseToken(token)
	if parseErr != nil || t.Run == c.Run || !s.catalog.keys.signed(c.ID, t.Run, token) {
		return err
	}
	if t.Run > c.Run {
		return ErrBusy
	}
	return ErrTooLate
}

// settle computes the coins and has them debited. A shard that is short gets coins and another try.
func (s *Service) settle(ctx context.Context, c *Live, t Token, shakes, elapsedMS int64) (Settled, error) {
	elapsedMS = max(0, min(elapsedMS, c.RoundMS))
	id := RoundID{Campaign: c.ID, Run: c.Run, Epoch: t.Epoch, User: t.User, Number: t.Number}
	reward := c.Rewarder.Reward(c.Keys.Seed(id), Facts{Round: id, Shakes: shakes, ElapsedMS: elapsedMS})
	if reward.Counted < shakes {
		s.observer.Inflated(c.ID)
	}
	r := SettleRequest{Token: t, Shakes: shakes, ElapsedMS: elapsedMS, Computed: reward.Coins, Granted: c.Chances}
	for giveUp := time.Now().Add(shortWait); ; {
		settled, err := s.rounds.Settle(ctx, c, r)
		var short *ShortError
		if !errors.As(err, &short) {
			return settled, err
		}
		s.observer.Short(c.ID)
		if time.Now().After(giveUp) {
			return Settled{}, ErrPending
		}
		if err := s.supply(ctx, c, int(t.Shard), short.Need); err != nil {
			return Settled{}, err
		}
	}
}

// supply draws coins from the bank. Where that is empty, or busy, the keeper gets a moment to bring some.
func (s *Service) supply(ctx context.Context, c *Live, shard int, need int64) error {
	_, err := s.coins.Draw(ctx, c.Life, shard, need)
	if err == nil {
		return nil
	}
	timer := time.NewTimer(shortPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fromArchive gives the result of a round before the last one.
func (s *Service) fromArchive(ctx context.Context, c *Live, user string, number, shakes int64) (Result, error) {
	settled, err := s.archive.Settled(ctx, c.Life, user, number)
	switch {
	case errors.Is(err, ErrNotFound) && shakes >= 0:
		return Result{}, ErrTooLate // a later round is settled, and this one never was
	case err != nil:
		return Result{}, err
	case shakes >= 0 && settled.Round.Shakes != shakes:
		return Result{}, ErrConflict
	}
	return c.result(settled), nil
}

// result gives a settled round its claim.
func (c *Live) result(s Settled) Result {
	r := s.Round
	claim := Claim{Campaign: c.ID, Run: c.Run, Shard: int64(c.Life.ShardOf(r.User)), At: s.At, Round: r}
	return Result{
		ID:    RoundID{Campaign: c.ID, Run: c.Run, Epoch: r.StartEpoch, User: r.User, Number: r.Number},
		Coins: r.Paid, Total: r.Total, ChancesLeft: r.ChancesLeft,
		Claim: c.Keys.SignClaim(claim), SettledAt: time.UnixMilli(r.SettledAt).UTC(),
	}
}

// standing is where the player stands. A settled run is told from the archive: its Redis has nothing to say any more.
func (s *Service) standing(ctx context.Context, c *Live, user string) (Standing, error) {
	if c.SettledAt == nil {
		return s.rounds.Standing(ctx, c, user)
	}
	last, extra, err := s.archive.Last(ctx, c.Life, user)
	if errors.Is(err, ErrNotFound) {
		return Standing{}, nil
	}
	return Standing{Number: last.Round.Number, Last: &last, Extra: extra}, err
}

// Me tells where the player stands.
func (s *Service) Me(ctx context.Context, campaign, user string) (Me, error) {
	c, err := s.catalog.Get(ctx, campaign)
	if err != nil {
		return Me{}, err
	}
	st, err := s.standing(ctx, c, user)
	if err != nil {
		return Me{}, err
	}
	me := Me{ChancesLeft: max(0, c.Chances-st.Number), NextNumber: st.Number + 1}
	if st.Open != nil {
		open := c.open(user, *st.Open)
		me.Open = &open
	}
	switch {
	case st.Last == nil:
		me.Coins = st.Extra
	case st.Last.Safe:
		last := c.result(*st.Last)
		me.Last, me.Coins = &last, last.Total+st.Extra
	default: // it may be gone after a fail-over: what it brought is not told yet
		me.Coins = st.Last.Round.Total - st.Last.Round.Paid
	}
	return me, nil
}

// Result gives the result of one round. ErrPending while it is open or on its way, ErrNotFound if it never was.
func (s *Service) Result(ctx context.Context, campaign, user string, number int64) (Result, error) {
	c, err := s.catalog.Get(ctx, campaign)
	if err != nil {
		return Result{}, err
	}
	st, err := s.standing(ctx, c, user)
	if err != nil {
		return Result{}, err
	}
	switch {
	case number > st.Number || number < 1:
		return Result{}, ErrNotFound
	case st.Last != nil && st.Last.Round.Number == number:
		if !st.Last.Safe {
			return Result{}, ErrPending
		}
		return c.result(*st.Last), nil
	case st.Last == nil || st.Last.Round.Number < number:
		if st.Open != nil && st.Open.Number == number {
			return Result{}, ErrPending
		}
		return Result{}, ErrNotFound // it ran out
	}
	return s.fromArchive(ctx, c, user, number, -1)
}
