package redisdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// passing are the answers of a server that cannot serve this slot now and may soon, or whose neighbour can.
var passing = []string{"TRYAGAIN", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "READONLY", "NOSCRIPT", "BUSY"}

// refusing are the answers of a server that takes no writes until somebody helps it: its memory is full, too few
// replicas follow it, its disk fails, a key is not what it should be. Sending again within a call's time would only hold
// up the others.
var refusing = []string{"OOM", "NOREPLICAS", "MISCONF", "WRONGTYPE"}

// fail deals with a batch that got no result. It tells whether the link is broken. Sending again is always
// safe: a script either ran whole or not at all, and a call that ran is recognised as a repeat.
func (f *flight) fail(b *batch) (broken bool) {
	err := b.cmd.Err()
	var answer redis.Error
	if !errors.As(err, &answer) {
		f.again(b.calls, "link", 0)
		return true
	}
	word, rest, _ := strings.Cut(answer.Error(), " ")
	switch {
	case word == "MOVED":
		f.again(b.calls, "moved", 5*time.Millisecond)
	case word == "ASK":
		f.lane.ask(b.calls, rest)
	case slices.Contains(refusing, word):
		f.lane.b.opts.Observer.Refused(strings.ToLower(word))
		finishAll(b.calls, fmt.Errorf("%w: %s: %w", ErrBusy, b.head.Script.Name, err))
	case slices.Contains(passing, word):
		f.again(b.calls, strings.ToLower(word), 20*time.Millisecond)
		return word == "READONLY" // go-redis has closed the connection
	default:
		finishAll(b.calls, fmt.Errorf("redis: %s: %w", b.head.Script.Name, err))
	}
	return false
}

func finishAll(calls []*pending, err error) {
	for _, p := range calls {
		p.finish(Reply{}, err)
	}
}

// again notes calls that go back in line when all of the flight's replies are handed out, so that a flight with
// many faults pauses once.
func (f *flight) again(calls []*pending, reason string, pause time.Duration) {
	f.lane.b.opts.Observer.Retry(reason)
	f.retry = append(f.retry, calls...)
	f.pause = max(f.pause, pause)
}

// sendAgain puts them back in line.
func (f *flight) sendAgain(ctx context.Context) {
	if len(f.retry) == 0 {
		return
	}
	if f.pause > 0 {
		f.lane.b.db.Reload(ctx)
	}
	f.lane.again(f.retry, f.pause)
	clear(f.retry)
	f.retry, f.pause = f.retry[:0], 0
}

// ask sends the calls, this once, to the node that is taking over their slot; where is "<slot> <address>".
func (l *lane) ask(calls []*pending, where string) {
	_, addr, _ := strings.Cut(where, " ")
	for _, p := range calls {
		p.asking = true
		if err := l.b.enqueueAt(addr, p); err != nil {
			p.finish(Reply{}, ErrBusy)
		}
	}
	l.b.opts.Observer.Retry("ask")
}
