package redisdb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// passing are the answers of a server that cannot serve this slot now and may soon, or whose neighbour can.
var passing = []string{"TRYAGAIN", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "READONLY", "NOSCRIPT", "BUSY"}

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
	case isPassing(word):
		f.again(b.calls, strings.ToLower(word), 20*time.Millisecond)
	default:
		for _, p := range b.calls {
			p.finish(Reply{}, fmt.Errorf("redis: %s: %w", b.head.Script.Name, err))
		}
	}
	return false
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

func isPassing(word string) bool {
	for _, p := range passing {
		if word == p {
			return true
		}
	}
	return false
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
