package reward

import (
	"errors"
	"math/rand/v2"
	"time"
)

const (
	// patience is how many deliveries in a row may fail before the service counts as failing: one notice that it
	// stumbles over says little about it.
	patience = 8
	// complainEvery is between two log lines about notices that are lost to the service.
	complainEvery = time.Minute
)

// mood is what deliveries say about a service. One that fails is left alone, and then probed with one notice at a time
// until it takes one; so it comes back to a trickle and not to a herd, and notices that wait cost nothing.
type mood struct {
	row   int       // deliveries that failed, without one that did not
	since time.Time // the first of them
	rest  time.Time // until then it is left alone
}

// allows tells how many deliveries of so many may be under way now.
func (m *mood) allows(now time.Time, most int) int {
	switch {
	case now.Before(m.rest):
		return 0
	case m.row >= patience:
		return 1
	}
	return most
}

// failed notes a failure, and tells whether it is the one from which on the service counts as failing.
func (m *mood) failed(now time.Time, err error, o CourierOptions) (turned bool) {
	if m.row++; m.row == 1 {
		m.since = now
	}
	var notNow NotNow
	if errors.As(err, &notNow) {
		m.rest = latest(m.rest, now.Add(min(notNow.After, o.RestMax)))
	}
	if m.row >= patience {
		m.rest = latest(m.rest, now.Add(jitter(o.Rest)))
	}
	return m.row == patience
}

// answered notes that the service works, and tells for how long it had been failing, if it had.
func (m *mood) answered(now time.Time) (failing time.Duration) {
	if m.row >= patience {
		failing = max(1, now.Sub(m.since))
	}
	m.row = 0
	return failing
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// jitter spreads what would come back at once: it gives half to all of d.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// complaint counts what is logged now and then.
type complaint struct {
	n    int
	last time.Time
}

// due counts one more, and tells how many there were since the last line when it is time for one.
func (c *complaint) due(now time.Time) int {
	c.n++
	if now.Sub(c.last) < complainEvery {
		return 0
	}
	n := c.n
	c.n, c.last = 0, now
	return n
}
