package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/sqlcatalog"
	"github.com/shake-live/shake/ops"
	"github.com/shake-live/shake/reward"
	"github.com/shake-live/shake/reward/httppush"
)

// courierLease is how long a courier may be silent before another worker's takes over.
const courierLease = 10 * time.Second

// newCourier makes the courier to the company's push service; nil where there is none.
func (s *stack) newCourier() (*reward.Courier, error) {
	c := s.cfg.PushService
	if !c.On() {
		return nil, nil
	}
	service, err := httppush.New(httppush.Options{
		URL: c.URL, Token: c.Token.Value(), SigningKey: c.SigningKey.Value(),
		Timeout: time.Duration(c.Timeout), Concurrency: c.Concurrency, Market: newMarkets(s.campaigns).of,
	}, s.clock, s.metrics)
	if err != nil {
		return nil, err
	}
	s.stops.add("push service", service.Close)
	return reward.NewCourier(s.inbox, service, s.clock, s.metrics, s.log, reward.CourierOptions{
		Concurrency: c.Concurrency, Timeout: time.Duration(c.Timeout), GiveUp: time.Duration(c.GiveUp),
	}), nil
}

// handOver gives notices to the company's push service, on one worker at a time.
func (w *worker) handOver(ctx context.Context) {
	w.courier.Run(ctx, func(ctx context.Context) (bool, error) {
		return w.redis.Lease(ctx, w.cfg.Namespace+":courier", w.owner, courierLease)
	})
}

// markets remembers in which market each run is: that never changes, and there are few runs.
type markets struct {
	campaigns *sqlcatalog.Store
	mu        sync.Mutex
	known     map[event.Source]string
}

func newMarkets(campaigns *sqlcatalog.Store) *markets {
	return &markets{campaigns: campaigns, known: map[event.Source]string{}}
}

// of gives the market of a run; "" for one that is not stored.
func (m *markets) of(ctx context.Context, campaign string, run int64) (string, error) {
	key := event.Source{Campaign: campaign, Run: run}
	m.mu.Lock()
	market, ok := m.known[key]
	m.mu.Unlock()
	if ok {
		return market, nil
	}
	c, err := m.campaigns.Run(ctx, campaign, run)
	if errors.Is(err, game.ErrNotFound) {
		c, err = &game.Campaign{}, nil
	}
	if err != nil {
		return "", err
	}
	m.mu.Lock()
	m.known[key] = c.Market
	m.mu.Unlock()
	return c.Market, nil
}

var (
	_ reward.CourierObserver = (*ops.Metrics)(nil)
	_ httppush.Observer      = (*ops.Metrics)(nil)
)
