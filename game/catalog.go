package game

import (
	"context"
	"errors"
	"fmt"

	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/inventory"
)

// ErrNotFound says that there is no such campaign, or no such round.
var ErrNotFound = errors.New("not found")

// ErrUnusable says that a campaign is there and can't be played on this node: its master key is not configured, or
// its rules are not valid by now.
var ErrUnusable = errors.New("campaign can't be played here")

// ErrStaleVersion says that somebody else has changed a campaign meanwhile.
var ErrStaleVersion = errors.New("campaign has another version by now")

// Origin is where campaigns are kept for good.
type Origin interface {
	// Campaign gives a published campaign, or ErrNotFound.
	Campaign(ctx context.Context, id string) (*Campaign, error)
	// Published lists the ids of a market's published campaigns, or of all markets' ("").
	Published(ctx context.Context, market string) ([]string, error)
}

// Copies is the layer between the origin and the nodes. It may forget.
type Copies interface {
	// Campaign gives the copy, or ErrNotFound where there is none. One that is not fresh is for when the origin is away.
	Campaign(ctx context.Context, id string) (c *Campaign, fresh bool, err error)
	Put(ctx context.Context, c *Campaign) error
	// Published gives a market's list, or ErrNotFound where there is none.
	Published(ctx context.Context, market string) ([]string, error)
	PutPublished(ctx context.Context, market string, ids []string) error
}

// Live is a campaign as a node works with it: its rules, keys and rewarder, made once a version.
type Live struct {
	Campaign
	Life     inventory.Run
	Keys     *RunKeys
	Rewarder Rewarder
}

// Catalog knows the campaigns: process memory, then copies, then origin. It keeps the origin out of the request
// path: see funnel for what happens when it is slow.
type Catalog struct {
	copies    Copies
	origin    Origin
	keys      *Keyring
	observer  CacheObserver
	campaigns *funnel[*Live]
	lists     *funnel[[]string]
}

// NewCatalog makes a catalog.
func NewCatalog(copies Copies, origin Origin, keys *Keyring, c clock.Clock, opts CacheOptions) *Catalog {
	opts = opts.withDefaults()
	k := &Catalog{copies: copies, origin: origin, keys: keys, observer: opts.Observer}
	k.campaigns = newFunnel(k.load, c, opts)
	k.lists = newFunnel(k.loadList, c, opts)
	return k
}

// Get gives a campaign. ErrNotFound, or ErrUnavailable where there never was a copy and nobody answers.
func (k *Catalog) Get(ctx context.Context, id string) (*Live, error) {
	if !validID(id) {
		return nil, ErrNotFound
	}
	return k.campaigns.get(ctx, id)
}

// Market lists a market's published campaigns; one that can't be played here does not keep the others away.
func (k *Catalog) Market(ctx context.Context, market string) ([]*Live, error) {
	ids, err := k.lists.get(ctx, market)
	if err != nil {
		return nil, err
	}
	lives := make([]*Live, 0, len(ids))
	for _, id := range ids {
		live, err := k.Get(ctx, id)
		if definite(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lives = append(lives, live)
	}
	return lives, nil
}

// Published takes note that a campaign has a new version: the next answer has it.
func (k *Catalog) Published(ctx context.Context, id string) { k.campaigns.renew(ctx, id) }

// Sweep forgets made-up ids; to be called every few seconds.
func (k *Catalog) Sweep() {
	k.campaigns.sweep()
	k.lists.sweep()
}

// load goes down the funnel. A copy that is older than what is known here, as after a fail-over of the store that
// keeps the copies, does not count. An old one is better than none: it is how a node starts while the origin is away.
func (k *Catalog) load(ctx context.Context, id string) (*Live, error) {
	copied, fresh, err := k.copies.Campaign(ctx, id)
	have, known := k.campaigns.peek(id)
	usable := err == nil && (!known || copied.Version >= have.Version)
	if usable && fresh {
		k.observer.Answered("redis")
		return k.live(copied)
	}
	c, err := k.origin.Campaign(ctx, id)
	if err != nil && usable && !known && !errors.Is(err, ErrNotFound) {
		k.observer.Answered("redis")
		return k.live(copied)
	}
	if err != nil {
		return nil, err
	}
	k.observer.Answered("origin")
	_ = k.copies.Put(ctx, c) // it saves others the origin; where it fails, they can do without
	return k.live(c)
}

// loadList asks the origin, since a list has no version that would tell an old copy from a new one; the copy is for a node
// that starts while the origin is away.
func (k *Catalog) loadList(ctx context.Context, market string) ([]string, error) {
	ids, err := k.origin.Published(ctx, market)
	if err != nil {
		if _, known := k.lists.peek(market); !known {
			if copied, copyErr := k.copies.Published(ctx, market); copyErr == nil {
				return copied, nil
			}
		}
		return nil, err
	}
	_ = k.copies.PutPublished(ctx, market, ids) // it is for others
	return ids, nil
}

// live prepares a campaign for work.
func (k *Catalog) live(c *Campaign) (*Live, error) {
	keys, err := k.keys.RunKeys(c.KeyID, c.ID, c.Run)
	if err != nil {
		return nil, fmt.Errorf("%w: campaign %s: %w", ErrUnusable, c.ID, err)
	}
	live, err := Prepare(c, keys)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return live, nil
}

// Prepare makes a campaign ready to be played under its run's keys.
func Prepare(c *Campaign, keys *RunKeys) (*Live, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("campaign %s: %w", c.ID, err)
	}
	return &Live{Campaign: *c, Life: c.Life(), Keys: keys, Rewarder: games[c.Game](c)}, nil
}
