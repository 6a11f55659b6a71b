package reward

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/shake-live/shake/internal/clock"
)

// CourierOptions bounds a Courier. The zero value of a field means its default.
type CourierOptions struct {
	Concurrency int           // deliveries at once, so also notices in memory; default 32
	Timeout     time.Duration // of one delivery; default 5 s
	GiveUp      time.Duration // age of a notice that is not given any more; default 24 h
	RetryMin    time.Duration // before a notice that failed is given again; doubles with each try; default 5 s
	RetryMax    time.Duration // and at most; default 10 min
	Rest        time.Duration // between two probes of a service that fails; default 5 s
	RestMax     time.Duration // how long it is left alone at most where it asks for more; default 1 min
}

func (o CourierOptions) withDefaults() CourierOptions {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	if o.Concurrency == 0 {
		o.Concurrency = 32
	}
	set(&o.Timeout, 5*time.Second)
	set(&o.GiveUp, 24*time.Hour)
	set(&o.RetryMin, 5*time.Second)
	set(&o.RetryMax, 10*time.Minute)
	set(&o.Rest, 5*time.Second)
	set(&o.RestMax, time.Minute)
	return o
}

const (
	// courierEvery is how often the courier looks for notices when nothing else wakes it, and asks whether it is still
	// the one.
	courierEvery = time.Second
	// storeLimit bounds one turn's work with the store, and the writing of outcomes at the end.
	storeLimit = 5 * time.Second
	// claimSlack is how much longer than a delivery a claim holds: the outcome has to be written within, or the notice
	// is given twice.
	claimSlack = 3*storeLimit + courierEvery
	// countEvery and countAtMost bound the counting of what waits: a metric is not worth reading an index of millions.
	countEvery  = 5 * time.Second
	countAtMost = 100_000
)

// What becomes of notices for a push service.
const (
	FateTaken   = "taken"
	FateRefused = "refused" // by the service, for good
	FateSeen    = "seen"    // on a page, so it never was given
	FateExpired = "expired" // it was not taken in time
)

// Fates are all of them.
var Fates = []string{FateTaken, FateRefused, FateSeen, FateExpired}

// CourierObserver hears of a courier's work, for metrics.
type CourierObserver interface {
	HandedOver(fate string) // for each notice once, but for a crash
	Underway(deliveries int)
	Waiting(notices int) // up to 100000
}

// Courier gives notices to a company's push service, each at least once and, but for retries, once. Whatever the
// service does, nobody else waits for it: what it has not taken stays in the store. One courier works at a time.
type Courier struct {
	handovers Handovers
	service   Service
	clock     clock.Clock
	watch     CourierObserver
	log       *slog.Logger
	opts      CourierOptions

	told     chan delivery // from those under way; it has room for all
	underway int
	ended    []delivery // whose outcome is not written yet
	counted  time.Time  // when those that wait were counted last

	mood     mood
	troubled bool // the store or the lease failed last time
	refused  complaint
	expired  complaint
}

// delivery is one notice and what became of it.
type delivery struct {
	Handover
	fate string // empty: to be given again
	err  error
}

// NewCourier makes a Courier.
func NewCourier(h Handovers, s Service, c clock.Clock, watch CourierObserver, log *slog.Logger, o CourierOptions) *Courier {
	o = o.withDefaults()
	return &Courier{handovers: h, service: s, clock: c, watch: watch, log: log, opts: o, told: make(chan delivery, o.Concurrency)}
}

// Run gives notices while mine says that this courier is the one; it is asked about once a second. When ctx ends,
// deliveries under way are waited for, their timeout at the longest, and what became of them is written.
func (c *Courier) Run(ctx context.Context, mine func(context.Context) (bool, error)) {
	var asked time.Time
	var one bool
	for ctx.Err() == nil {
		now := c.clock.Now()
		var err error
		if now.Sub(asked) >= courierEvery {
			one, err = mine(ctx)
			one, asked = one && err == nil, now
		}
		err = errors.Join(err, c.turn(ctx, one))
		c.note(ctx, err)
		enough := max(1, min(c.underway, (c.opts.Concurrency+1)/2)) // half at a time: few statements serve many notices
		if err != nil {
			enough = c.opts.Concurrency + 1 // no haste
		}
		c.listen(ctx, enough, c.pace())
	}
	for c.underway > 0 {
		c.hear(<-c.told)
	}
	c.note(context.WithoutCancel(ctx), c.write(context.WithoutCancel(ctx)))
	c.watch.Waiting(0)
}

// note logs the first of a row of errors of the store.
func (c *Courier) note(ctx context.Context, err error) {
	if err != nil && !c.troubled && ctx.Err() == nil {
		c.log.Warn("notices wait, since the courier can't look for them", "err", err)
	}
	c.troubled = err != nil
}

// turn writes what became of deliveries, and begins as many new ones as there is room for.
func (c *Courier) turn(ctx context.Context, one bool) error {
	if err := c.write(ctx); err != nil {
		return err
	}
	if !one {
		c.watch.Waiting(0) // whoever is the one tells
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeLimit)
	defer cancel()
	return errors.Join(c.count(ctx), c.begin(ctx))
}

func (c *Courier) count(ctx context.Context) error {
	now := c.clock.Now()
	if now.Sub(c.counted) < countEvery {
		return nil
	}
	n, err := c.handovers.Waiting(ctx, countAtMost)
	if err != nil {
		return err
	}
	c.counted = now
	c.watch.Waiting(n)
	return nil
}

// begin begins deliveries.
func (c *Courier) begin(ctx context.Context) error {
	now := c.clock.Now()
	room := c.mood.allows(now, c.opts.Concurrency) - c.underway
	if room <= 0 {
		return nil
	}
	list, err := c.handovers.Claim(ctx, now, now.Add(c.opts.Timeout+claimSlack), room)
	if err != nil {
		return err
	}
	for _, h := range list {
		switch {
		case !h.ReceiptedAt.IsZero():
			c.end(delivery{Handover: h, fate: FateSeen})
		case now.Sub(h.At) > c.opts.GiveUp:
			c.end(delivery{Handover: h, fate: FateExpired})
		default:
			c.underway++
			go c.deliver(context.WithoutCancel(ctx), h)
		}
	}
	c.watch.Underway(c.underway)
	return nil
}

func (c *Courier) deliver(ctx context.Context, h Handover) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	d := delivery{Handover: h, err: c.service.Deliver(ctx, h.Notice)}
	switch {
	case d.err == nil:
		d.fate = FateTaken
	case errors.Is(d.err, ErrRefused):
		d.fate = FateRefused
	}
	c.told <- d
}

// pace is how long to wait for news before the next turn: for the end of the service's rest, if that is sooner.
func (c *Courier) pace() time.Duration {
	if rest := c.mood.rest.Sub(c.clock.Now()); rest > 0 {
		return min(rest, courierEvery)
	}
	return courierEvery
}

// listen hears what becomes of deliveries, until that is enough or most is over.
func (c *Courier) listen(ctx context.Context, enough int, most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	for len(c.ended) < enough {
		select {
		case <-ctx.Done():
			return
		case d := <-c.told:
			c.hear(d)
		case <-timer.C:
			return
		}
	}
}

// hear takes in what became of a delivery, and what that says about the service.
func (c *Courier) hear(d delivery) {
	c.underway--
	c.watch.Underway(c.underway)
	c.end(d)
	now := c.clock.Now()
	if d.fate == "" {
		if c.mood.failed(now, d.err, c.opts) {
			c.log.Error("the push service takes no notices; they wait for it", "err", d.err)
		}
	} else if lasted := c.mood.answered(now); lasted > 0 {
		c.log.Info("the push service takes notices again", "after", lasted.Round(time.Millisecond))
	}
}

// end keeps an outcome to be written.
func (c *Courier) end(d delivery) {
	c.ended = append(c.ended, d)
	now := c.clock.Now()
	switch d.fate {
	case "":
		return
	case FateRefused:
		if n := c.refused.due(now); n > 0 {
			c.log.Warn("the push service refuses notices; they are not given again", "notices", n, "err", d.err)
		}
	case FateExpired:
		if n := c.expired.due(now); n > 0 {
			c.log.Error("the push service did not take notices in time; they are in the inbox alone", "notices", n)
		}
	}
	c.watch.HandedOver(d.fate)
}

// write tells the store what became of deliveries. What can't be written is kept; it takes no room of new ones, of which
// there are none meanwhile.
func (c *Courier) write(ctx context.Context) error {
	if len(c.ended) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeLimit)
	defer cancel()
	var done []string
	later, now := map[string]time.Time{}, c.clock.Now()
	for _, d := range c.ended {
		if d.fate != "" {
			done = append(done, d.ID)
			continue
		}
		later[d.ID] = latest(now.Add(c.pause(d.Tries)), c.mood.rest)
	}
	if err := c.handovers.Done(ctx, done); err != nil {
		return err
	}
	if err := c.handovers.Later(ctx, later); err != nil {
		return err
	}
	c.ended = c.ended[:0]
	return nil
}

// pause is how long a notice waits that failed so many times before.
func (c *Courier) pause(tries int) time.Duration {
	pause := c.opts.RetryMin
	for range tries {
		if pause *= 2; pause >= c.opts.RetryMax {
			return jitter(c.opts.RetryMax)
		}
	}
	return jitter(pause)
}
