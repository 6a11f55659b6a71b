package admin_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shake-live/shake/admin"
	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/gametest"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/inventory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// before is an hour before the show.
var before = time.Date(2026, 11, 11, 11, 0, 0, 0, time.UTC)

// desk is an office over the model and a store of campaigns in memory.
type desk struct {
	*testing.T
	*admin.Office
	clock     *clock.Fake
	pools     *pools
	campaigns *campaigns
	publisher *publisher
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{T: t, clock: clock.NewFake(before), campaigns: newCampaigns(), publisher: &publisher{}}
	d.pools = &pools{Model: gametest.NewModel(d.clock.Now), now: d.clock.Now}
	d.Office = d.office("one")
	return d
}

// office is another process over the same stores.
func (d *desk) office(owner string) *admin.Office {
	return admin.New(admin.Deps{
		Campaigns: d.campaigns, Publisher: d.publisher, Opener: opener{d.pools}, Pools: d.pools, Since: beginning{},
		KeyID: "k1", Owner: owner, Clock: d.clock, Log: slog.New(slog.DiscardHandler),
	})
}

// pools is the model, with outboxes that are drained unless a test says otherwise.
type pools struct {
	*gametest.Model
	now  func() time.Time
	full bool
}

func (p *pools) Audit(ctx context.Context, run inventory.Run, shard int) (inventory.Slice, error) {
	s, err := p.Model.Audit(ctx, run, shard)
	s.At = p.now()
	if !p.full {
		s.Pending = 0
	}
	return s, err
}

type opener struct{ pools *pools }

func (o opener) Open(ctx context.Context, run inventory.Run, since inventory.Since) (inventory.Opened, error) {
	if since[0] != 7 {
		return inventory.Opened{}, fmt.Errorf("since %v, want where the run's log begins", since)
	}
	return inventory.Opened{}, gametest.OpenAll(ctx, o.pools, run)
}

// beginning is where the log stands.
type beginning struct{}

func (beginning) Since(context.Context) (inventory.Since, error) { return inventory.Since{0: 7}, nil }

// publisher remembers the versions that it brought to the nodes.
type publisher struct {
	mu       sync.Mutex
	versions []int64
	err      error
}

func (p *publisher) Publish(_ context.Context, c *game.Campaign) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.versions = append(p.versions, c.Version)
	}
	return p.err
}

func (p *publisher) last() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.versions) == 0 {
		return 0
	}
	return p.versions[len(p.versions)-1]
}

// campaigns is the store of campaigns as one would explain it.
type campaigns struct {
	mu       sync.Mutex
	all      map[string]game.Campaign
	fundings map[string][]*funding // by campaign and run
	ids      map[string]bool
	saves    int
	saved    func() // called after each save
}

type funding struct {
	event.Funding
	state string
}

func newCampaigns() *campaigns {
	return &campaigns{all: map[string]game.Campaign{}, fundings: map[string][]*funding{}, ids: map[string]bool{}}
}

func (s *campaigns) Campaign(_ context.Context, id string) (*game.Campaign, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.all[id]
	if !ok {
		return nil, game.ErrNotFound
	}
	return &c, nil
}

func (s *campaigns) Save(_ context.Context, c *game.Campaign, before int64, orders ...inventory.Order) error {
	s.mu.Lock()
	if s.all[c.ID].Version != before {
		s.mu.Unlock()
		return game.ErrStaleVersion
	}
	s.all[c.ID] = *c
	s.saves++
	for _, o := range orders {
		s.plan(c.Life(), o)
	}
	saved := s.saved
	s.mu.Unlock()
	if saved != nil {
		saved()
	}
	return nil
}

func of(run inventory.Run) string { return fmt.Sprintf("%s.%d", run.Campaign, run.Number) }

func (s *campaigns) plan(run inventory.Run, o inventory.Order) {
	if s.ids[o.ID] { // the database's key would object; the office must never come here
		panic("order " + o.ID + " is there already")
	}
	s.ids[o.ID] = true
	var last int64
	for _, f := range s.fundings[of(run)] {
		last = max(last, f.Number)
	}
	s.fundings[of(run)] = append(s.fundings[of(run)], &funding{event.Funding{Number: last + 1, Amount: o.Amount}, "pending"})
}

func (s *campaigns) Order(_ context.Context, run inventory.Run, o inventory.Order) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ids[o.ID] {
		s.plan(run, o)
	}
	return nil
}

func (s *campaigns) PendingFundings(_ context.Context, run inventory.Run) (list []event.Funding, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.fundings[of(run)] {
		if f.state == "pending" {
			list = append(list, f.Funding)
		}
	}
	return list, nil
}

func (s *campaigns) FundingDone(_ context.Context, run inventory.Run, number int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.fundings[of(run)] {
		if f.Number == number {
			f.state = "done"
		}
	}
	return nil
}

func (s *campaigns) FundingRefused(_ context.Context, run inventory.Run, number int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.fundings[of(run)] {
		if f.Number == number && f.state == "pending" {
			f.state = "refused"
		}
	}
	return nil
}

func (s *campaigns) Funded(_ context.Context, run inventory.Run) (sum int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.fundings[of(run)] {
		if f.state != "refused" {
			sum += f.Amount
		}
	}
	return sum, nil
}

// states lists the fundings of a run like "1000 done".
func (s *campaigns) states(run inventory.Run) (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.fundings[of(run)] {
		list = append(list, fmt.Sprint(f.Amount, " ", f.state))
	}
	return list
}

// apply applies the file and wants no error.
func (d *desk) apply(text string) (*game.Campaign, bool) {
	d.Helper()
	c, changed, err := d.Apply(d.Context(), parse(d, text))
	if err != nil {
		d.Fatalf("got %v, want no error", err)
	}
	return c, changed
}

// wantLevel sums the pools of the run; they must balance.
func (d *desk) wantLevel(run inventory.Run, funded, left int64) {
	d.Helper()
	all, err := inventory.Audit(d.Context(), d.pools, run)
	if err != nil {
		d.Fatal(err)
	}
	for _, s := range all {
		if !s.Balanced() {
			d.Errorf("%s does not balance: %+v", s.Source, s.State)
		}
	}
	if l := inventory.LevelOf(run, all, before); l.Funded != funded || l.Left != left {
		d.Errorf("got %d funded and %d left, want %d and %d", l.Funded, l.Left, funded, left)
	}
}

// spend lets a player win so many coins in the shard, after bringing them there.
func (d *desk) spend(c *game.Campaign, user string, coins int64) {
	d.Helper()
	live := gametest.Campaign(c.ID, c.Shards, func(g *game.Campaign) { *g = *c; g.KeyID, g.EarlyMS = "test", 0 })
	live.StartsAt, live.EndsAt = d.clock.Now(), d.clock.Now().Add(time.Hour)
	standing, err := d.pools.Standing(d.Context(), live, user)
	if err != nil {
		d.Fatal(err)
	}
	number := standing.Number + 1
	if _, err := inventory.New(d.pools).Draw(d.Context(), c.Life(), c.Life().ShardOf(user), coins); err != nil && !errors.Is(err, inventory.ErrEmpty) {
		d.Fatal(err)
	}
	started, err := d.pools.Start(d.Context(), live, game.StartRequest{User: user, Number: number, Granted: number})
	if err != nil {
		d.Fatal(err)
	}
	_, err = d.pools.Settle(d.Context(), live, game.SettleRequest{
		Token:    game.Token{Run: c.Run, Epoch: started.Epoch, Number: number, StartedAt: started.At, User: user},
		Computed: coins, Granted: number,
	})
	if err != nil {
		d.Fatal(err)
	}
}
