package reward

import (
	"context"
	"log/slog"
	"time"

	"github.com/shake-live/shake/internal/clock"
)

// Line carries notices to the pages that are open now, wherever they are. It may lose any of them, and may bring one
// twice: pages know notices by their ids.
type Line interface {
	Push(ctx context.Context, notices []Notice) error
}

// Outstanding keeps which notices wait for a receipt.
type Outstanding interface {
	// Due gives up to limit notices that are to be pushed again by now, and puts each off until its next time; after the
	// last one it is left to the inbox.
	Due(ctx context.Context, now time.Time, limit int) ([]Notice, error)
	// Unseen gives the notices of these users that wait for a receipt, at most limit for all of them.
	Unseen(ctx context.Context, users []string, limit int) ([]Notice, error)
}

// pushAgain is how long after its first push a notice without a receipt is pushed again. Reconnecting brings it too.
var pushAgain = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}

// PushAgain tells how long after its first push a notice has its next one when it was pushed again so many times, and
// whether it has any.
func PushAgain(times int) (after time.Duration, more bool) {
	if times >= len(pushAgain) {
		return 0, false
	}
	return pushAgain[times], true
}

// PushObserver hears of pushes, for metrics.
type PushObserver interface {
	Pushed(notices int, again bool)
	PushFailed()
}

// Pusher pushes again what was not shown.
type Pusher struct {
	notices Outstanding
	line    Line
	clock   clock.Clock
	watch   PushObserver
	log     *slog.Logger
}

// NewPusher makes a Pusher.
func NewPusher(notices Outstanding, line Line, c clock.Clock, watch PushObserver, log *slog.Logger) *Pusher {
	return &Pusher{notices: notices, line: line, clock: c, watch: watch, log: log}
}

// pushBatch bounds the notices of one look at the database and of one message on the line.
const pushBatch = 200

// Look pushes all that is due. What could not be pushed is due again at its next time.
func (p *Pusher) Look(ctx context.Context) error {
	for ctx.Err() == nil {
		due, err := p.notices.Due(ctx, p.clock.Now(), pushBatch)
		if err != nil {
			return err
		}
		p.push(ctx, due, true)
		if len(due) < pushBatch {
			return nil
		}
	}
	return ctx.Err()
}

// Fresh pushes notices for the first time. Whatever becomes of it, they are pushed again until they are shown.
func (p *Pusher) Fresh(ctx context.Context, notices []Notice) {
	for len(notices) > 0 {
		n := min(len(notices), pushBatch)
		p.push(ctx, notices[:n], false)
		notices = notices[n:]
	}
}

func (p *Pusher) push(ctx context.Context, notices []Notice, again bool) {
	if len(notices) == 0 {
		return
	}
	err := p.line.Push(ctx, notices)
	if err == nil {
		p.watch.Pushed(len(notices), again)
		return
	}
	p.watch.PushFailed()
	p.log.Debug("notices could not be pushed; they will be again", "notices", len(notices), "err", err)
}
