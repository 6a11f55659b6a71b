package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/shake-live/shake/client"
)

// bots are players without phones: each plays all its chances, run after run, through the players' door like
// anybody else, so that a developer sees a pool that moves.
func (a *App) bots(ctx context.Context, n int, market string) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			b := &bot{Client: client.New(a.AccessURL(), nil), login: client.Login{Provider: "dev", Credential: fmt.Sprintf("bot-%04d", i), Market: market}}
			for ctx.Err() == nil {
				if err := b.play(ctx); err != nil && ctx.Err() == nil {
					a.log.Debug("bot pauses", "bot", b.login.Credential, "err", err)
				}
				pause(ctx, time.Second+rand.N(time.Second))
			}
		})
	}
	wg.Wait()
}

// bot is one of them.
type bot struct {
	*client.Client
	login client.Login
	known bool
}

// play logs in if needed and plays one round.
func (b *bot) play(ctx context.Context) error {
	if !b.known {
		if _, err := b.Login(ctx, b.login); err != nil {
			return err
		}
		b.known = true
	}
	me, err := b.Me(ctx, DemoID)
	if err != nil {
		var e *client.Error
		b.known = !(errors.As(err, &e) && e.Status == 401)
		return err
	}
	round, err := b.Start(ctx, DemoID, me.NextNumber)
	if err != nil {
		return err
	}
	length := round.EndsAt.Sub(round.StartsAt)
	pause(ctx, length)
	_, err = b.End(ctx, DemoID, round, rand.Int64N(2+int64(length.Seconds()*10)), nil)
	return err
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
