package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/inventory"
)

// Campaigns keeps campaigns for good.
type Campaigns interface {
	Campaign(ctx context.Context, id string) (*game.Campaign, error)
	Save(ctx context.Context, c *game.Campaign, before int64, orders ...inventory.Order) error
	PendingFundings(ctx context.Context, run inventory.Run) ([]event.Funding, error)
	FundingDone(ctx context.Context, run inventory.Run, number int64) error
	// Funded is the sum of the run's fundings that are done or pending: what its bank was ever given, less what
	// went back.
	Funded(ctx context.Context, run inventory.Run) (int64, error)
	// FundingRefused notes that a funding was given up.
	FundingRefused(ctx context.Context, run inventory.Run, number int64) error
	// Order stores an order of coins unless one of that id is there.
	Order(ctx context.Context, run inventory.Run, order inventory.Order) error
}

// Publisher brings a campaign's version to all nodes.
type Publisher interface {
	Publish(ctx context.Context, c *game.Campaign) error
}

// Opener opens the pools of a run.
type Opener interface {
	Open(ctx context.Context, run inventory.Run, since inventory.Since) (inventory.Opened, error)
}

// Beginnings tells where the log of a run that begins now will begin.
type Beginnings interface {
	Since(ctx context.Context) (inventory.Since, error)
}

// Office does what operators ask for.
type Office struct {
	campaigns Campaigns
	publisher Publisher
	opener    Opener
	pools     inventory.Store
	since     Beginnings
	keyID     string
	owner     string
	clock     clock.Clock
	log       *slog.Logger
}

// Deps are what an Office works with.
type Deps struct {
	Campaigns Campaigns
	Publisher Publisher
	Opener    Opener
	Pools     inventory.Store
	Since     Beginnings
	KeyID     string // of the master key for new runs
	Owner     string // a name nobody else uses
	Clock     clock.Clock
	Log       *slog.Logger
}

// New makes an Office.
func New(d Deps) *Office {
	return &Office{
		campaigns: d.Campaigns, publisher: d.Publisher, opener: d.Opener, pools: d.Pools, since: d.Since,
		keyID: d.KeyID, owner: d.Owner, clock: d.Clock, log: d.Log,
	}
}

// Refusals of Apply.
var (
	ErrInvalid = errors.New("campaign is not valid")
	ErrRunning = errors.New("campaign is running: this can't change any more")
	ErrRefused = errors.New("withdrawal refused: the pool has less by now")
)

// applyTries bounds how often Apply starts over because somebody else changed the campaign meanwhile.
const applyTries = 10

// Apply checks, stores, funds and publishes a campaign. Applying the same spec again changes nothing, however
// often and however many at once; what an earlier call did not finish, a later one does.
func (o *Office) Apply(ctx context.Context, s Spec) (c *game.Campaign, changed bool, err error) {
	want := s.Campaign()
	if err := want.Validate(); err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	for range applyTries {
		c, changed, err = o.store(ctx, want)
		if !errors.Is(err, game.ErrStaleVersion) {
			break
		}
	}
	if err != nil {
		return nil, false, err
	}
	return c, changed, o.Finish(ctx, c)
}

// store writes what is new about the campaign, if anything, with the orders of coins that follow from it.
func (o *Office) store(ctx context.Context, want game.Campaign) (*game.Campaign, bool, error) {
	have, err := o.campaigns.Campaign(ctx, want.ID)
	switch {
	case errors.Is(err, game.ErrNotFound):
		return o.begin(ctx, want, 0, 0)
	case err != nil:
		return nil, false, err
	case same(want, *have):
		return have, false, nil
	case have.SettledAt != nil:
		return o.begin(ctx, want, have.Version, have.Run)
	}
	return o.change(ctx, want, *have)
}

// same tells whether the stored campaign is what is wanted, apart from what its life brought.
func same(want, have game.Campaign) bool {
	want.Version, want.Run, want.KeyID, want.SettledAt, want.Since = have.Version, have.Run, have.KeyID, have.SettledAt, have.Since
	if len(want.Assets) == 0 && len(have.Assets) == 0 {
		want.Assets, have.Assets = nil, nil
	}
	return reflect.DeepEqual(want, have)
}

// begin stores a new run: the first one, or one after a run that is settled.
func (o *Office) begin(ctx context.Context, c game.Campaign, version, run int64) (*game.Campaign, bool, error) {
	if !c.EndsAt.After(o.clock.Now()) {
		return nil, false, fmt.Errorf("%w: ends_at %s is over", ErrInvalid, c.EndsAt.Format(time.RFC3339))
	}
	var err error
	if c.Since, err = o.since.Since(ctx); err != nil {
		return nil, false, fmt.Errorf("where the log begins: %w", err)
	}
	c.Version, c.Run, c.KeyID = version+1, run+1, o.keyID
	order := inventory.Order{ID: fmt.Sprintf("%s.%d.v%d", c.ID, c.Run, c.Version), Amount: c.Pool}
	return &c, true, o.campaigns.Save(ctx, &c, version, order)
}

// change stores a new version of the present run. Coins that its pool has too few or too many are ordered with it.
func (o *Office) change(ctx context.Context, want, have game.Campaign) (*game.Campaign, bool, error) {
	if want.Shards != have.Shards || want.Market != have.Market {
		return nil, false, fmt.Errorf("%w: shards and market are fixed for a run", ErrRunning)
	}
	if changed := changedPlay(want, have); len(changed) > 0 && !o.clock.Now().Before(have.StartsAt) {
		return nil, false, fmt.Errorf("%w: %s", ErrRunning, strings.Join(changed, ", "))
	}
	want.Run, want.KeyID, want.Since, want.Version = have.Run, have.KeyID, have.Since, have.Version+1
	more, err := o.missing(ctx, &want)
	if err != nil {
		return nil, false, err
	}
	var orders []inventory.Order
	if more != 0 {
		orders = append(orders, inventory.Order{ID: fmt.Sprintf("%s.%d.v%d", want.ID, want.Run, want.Version), Amount: more})
	}
	return &want, true, o.campaigns.Save(ctx, &want, have.Version, orders...)
}

// changedPlay names what decides how rounds are played and paid, as far as it differs. A run keeps that once it has
// begun: a round's coins are derived again from the run's campaign, whenever it was played.
func changedPlay(a, b game.Campaign) (names []string) {
	for _, part := range []struct {
		name string
		same bool
	}{
		{"starts_at", a.StartsAt.Equal(b.StartsAt)}, {"round", a.RoundMS == b.RoundMS}, {"game", a.Game == b.Game},
		{"shake_rate", a.ShakeRate == b.ShakeRate}, {"round_cap", a.RoundCap == b.RoundCap},
		{"player_cap", a.PlayerCap == b.PlayerCap}, {"curve", slices.Equal(a.Curve, b.Curve)},
	} {
		if !part.same {
			names = append(names, part.name)
		}
	}
	return names
}

// missing is how many coins the run's bank is to be given, or to give back (negative), for the campaign's pool. It
// goes by what was ordered, not by the version before: a withdrawal may have been refused since. What is pending
// is carried out first, because it may be refused.
func (o *Office) missing(ctx context.Context, c *game.Campaign) (int64, error) {
	if err := o.Fund(ctx, c.Life()); err != nil {
		return 0, err
	}
	funded, err := o.campaigns.Funded(ctx, c.Life())
	if err != nil || c.Pool >= funded {
		return c.Pool - funded, err
	}
	left, err := o.left(ctx, c.Life())
	if err == nil && left < funded-c.Pool {
		err = fmt.Errorf("%w: pool of %d has %d coins left, %d were to be taken out", ErrInvalid, funded, left, funded-c.Pool)
	}
	return c.Pool - funded, err
}

// left is what the pool has, wherever in it.
func (o *Office) left(ctx context.Context, run inventory.Run) (int64, error) {
	all, err := inventory.Audit(ctx, o.pools, run)
	if err != nil {
		return 0, err
	}
	return inventory.LevelOf(run, all, o.clock.Now()).Left, nil
}

// Finish carries out what a stored campaign still lacks: open pools, coins, and nodes that know of it.
func (o *Office) Finish(ctx context.Context, c *game.Campaign) error {
	if c.SettledAt == nil {
		if err := o.ready(ctx, c); err != nil {
			return err
		}
	}
	if err := o.publisher.Publish(ctx, c); err != nil {
		return fmt.Errorf("publish %s: %w", c.ID, err)
	}
	return nil
}

// ready opens the pools and funds them. Where somebody else is opening them, it waits for that, within bounds.
func (o *Office) ready(ctx context.Context, c *game.Campaign) error {
	for range openTries {
		_, err := o.opener.Open(ctx, c.Life(), c.Since)
		if err != nil && !errors.Is(err, inventory.ErrBusy) && !errors.Is(err, inventory.ErrUnsafe) {
			return err
		}
		all, err := inventory.Audit(ctx, o.pools, c.Life())
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(s inventory.Slice) bool { return !s.Open }) {
			return o.Fund(ctx, c.Life())
		}
		select {
		case <-time.After(openPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("pools of %s: %w", c.ID, inventory.ErrBusy)
}

// An opener that died leaves its pools sealed for some seconds: this outlasts it.
const (
	openTries = 150
	openPause = 100 * time.Millisecond
)

// Fund carries out the fundings of a run that were ordered and are not done. ErrRefused where players were quicker
// than whoever wanted coins back. Any number of processes may be at it: the bank has one answer for each number, and
// whoever hears it writes it down.
func (o *Office) Fund(ctx context.Context, run inventory.Run) error {
	pending, err := o.campaigns.PendingFundings(ctx, run)
	if err != nil {
		return err
	}
	keeper := inventory.NewKeeper(o.pools, run, o.owner+"/fund")
	for _, f := range pending {
		amount, err := o.fundOnce(ctx, keeper, run, f)
		switch {
		case errors.Is(err, inventory.ErrStale): // somebody else has carried it out, and written it down
			continue
		case err != nil:
			return fmt.Errorf("fund %s with %d: %w", run.Campaign, f.Amount, err)
		case amount != f.Amount:
			return errors.Join(fmt.Errorf("%w: %d coins", ErrRefused, -f.Amount), o.campaigns.FundingRefused(ctx, run, f.Number))
		}
		if err := o.campaigns.FundingDone(ctx, run, f.Number); err != nil {
			return err
		}
		o.log.Info("funded", "campaign", run.Campaign, "run", run.Number, "number", f.Number, "coins", f.Amount)
	}
	return nil
}

// fundOnce waits, within bounds, while somebody else has the bank's lock, the pool is being opened, or coins that
// are to go back are still on their way to the bank. What the pool has no more is given up: the number brings 0 then.
func (o *Office) fundOnce(ctx context.Context, keeper *inventory.Keeper, run inventory.Run, f event.Funding) (amount int64, err error) {
	const tries, pause = 50, 100 * time.Millisecond
	for range tries {
		amount, err = keeper.Fund(ctx, f)
		switch {
		case errors.Is(err, inventory.ErrShort):
			left, leftErr := o.left(ctx, run)
			if leftErr != nil {
				return 0, leftErr
			}
			if left < -f.Amount {
				f.Amount = 0
				continue
			}
			err = fmt.Errorf("%w: coins are on their way to the bank", inventory.ErrBusy)
		case errors.Is(err, inventory.ErrLocked), errors.Is(err, inventory.ErrBusy), errors.Is(err, inventory.ErrUnsafe):
		default:
			return amount, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return 0, err
}
