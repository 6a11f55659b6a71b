// Package clock tells the time, so that a test can set it.
package clock

import (
	"sync"
	"time"
)

// Clock tells the time.
type Clock interface{ Now() time.Time }

// System is the machine's clock, in UTC.
type System struct{}

// Now is the current time.
func (System) Now() time.Time { return time.Now().Add(offset).UTC() }

// Fake is a clock that a test moves by hand.
type Fake struct {
	mu  sync.Mutex
	now time.Time
}

// NewFake starts at the given time.
func NewFake(now time.Time) *Fake { return &Fake{now: now.UTC()} }

// Now is the time the test has set.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// Advance moves the clock on.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}
