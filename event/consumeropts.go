package event

import (
	"log/slog"
	"time"

	"github.com/shake-live/shake/internal/clock"
)

// ConsumerOptions bounds a consumer. The zero value of a field means its default.
type ConsumerOptions struct {
	Subscription
	DeadTopic string           // where unreadable messages go
	RetryMin  time.Duration    // pause after the first error; default 50 ms
	RetryMax  time.Duration    // pause at most, and the one before a gap is looked at again; default 5 s
	Observer  ConsumerObserver // default nobody
	Clock     clock.Clock      // default the machine's
	Log       *slog.Logger     // default slog.Default
}

func (o ConsumerOptions) withDefaults() ConsumerOptions {
	if o.MaxBatch == 0 {
		o.MaxBatch = 500
	}
	if o.RetryMin == 0 {
		o.RetryMin = 50 * time.Millisecond
	}
	if o.RetryMax == 0 {
		o.RetryMax = 5 * time.Second
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// ConsumerObserver hears of a consumer's work, for metrics and alarms.
type ConsumerObserver interface {
	// Applied: a batch was applied, which took so long; its last entry had been written age ago.
	Applied(group string, partition int32, entries int, took, age time.Duration)
	// Retried: the handler failed and gets the same batch again.
	Retried(group string, partition int32, err error)
	// Buried: a message went to the dead letters.
	Buried(group string, partition int32, reason error)
	// Stopped: a hole in the history; the partition stands still until the next Applied. Somebody should look.
	Stopped(group string, partition int32, gap *GapError)
	// Left: a partition that stood still is somebody else's from here on.
	Left(group string, partition int32)
}

// nobody observes.
type nobody struct{}

func (nobody) Applied(string, int32, int, time.Duration, time.Duration) {}
func (nobody) Retried(string, int32, error)                             {}
func (nobody) Buried(string, int32, error)                              {}
func (nobody) Stopped(string, int32, *GapError)                         {}
func (nobody) Left(string, int32)                                       {}
