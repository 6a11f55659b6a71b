package reward

import (
	"context"
	"errors"
	"time"
)

// Service is a company's own push service: it brings notices to phones whose page is closed.
type Service interface {
	// Deliver gives one notice to the service, which knows by its id whether it has it already. ErrRefused says that it
	// will never take this one. After any other error it is given again; NotNow among them says when.
	Deliver(ctx context.Context, n Notice) error
}

// ErrRefused says that a service will not take a notice, however often it is given.
var ErrRefused = errors.New("refused by the push service")

// NotNow is the error of a service that wants to be left alone for a while.
type NotNow struct {
	After time.Duration
	Err   error
}

// Error implements error.
func (n NotNow) Error() string { return n.Err.Error() }

// Unwrap gives the reason.
func (n NotNow) Unwrap() error { return n.Err }

// Handovers keeps which notices a company's push service has not taken yet.
type Handovers interface {
	// Claim gives up to limit of those that are due by now, the longest first, and makes them due again at until: if the
	// claimer dies, another gives them once more.
	Claim(ctx context.Context, now, until time.Time, limit int) ([]Handover, error)
	// Done forgets notices by their ids.
	Done(ctx context.Context, ids []string) error
	// Later says for notices that failed, by their ids, when each is due again.
	Later(ctx context.Context, due map[string]time.Time) error
	// Waiting counts what is kept, up to atMost.
	Waiting(ctx context.Context, atMost int) (int, error)
}

// Handover is a notice on its way to a company's push service.
type Handover struct {
	Notice
	Tries int // that failed
}
