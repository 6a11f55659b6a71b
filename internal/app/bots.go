package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// bots are players without phones: each plays all its chances, run after run, through the players' door like
// anybody else, so that a developer sees a pool that moves.
func (a *App) bots(ctx context.Context, n int, market string) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			b := &bot{url: a.AccessURL(), name: fmt.Sprintf("bot-%04d", i), market: market}
			for ctx.Err() == nil {
				if err := b.play(ctx); err != nil && ctx.Err() == nil {
					a.log.Debug("bot pauses", "bot", b.name, "err", err)
				}
				pause(ctx, time.Second+rand.N(time.Second))
			}
		})
	}
	wg.Wait()
}

// bot is one of them.
type bot struct {
	url, name, market, token string
}

// play logs in if needed and plays one round.
func (b *bot) play(ctx context.Context) error {
	if b.token == "" {
		var s struct{ Token string }
		login := map[string]any{"provider": "dev", "credential": b.name, "market": b.market}
		if err := b.call(ctx, "POST", "/v1/sessions", login, &s); err != nil {
			return err
		}
		b.token = s.Token
	}
	base := "/v1/campaigns/" + DemoID
	var me struct {
		Next int64 `json:"next_number"`
	}
	if err := b.call(ctx, "GET", base+"/me", nil, &me); err != nil {
		return err
	}
	var round struct {
		Token    string
		StartsAt time.Time `json:"starts_at"`
		EndsAt   time.Time `json:"ends_at"`
	}
	at := fmt.Sprintf("%s/rounds/%d", base, me.Next)
	if err := b.call(ctx, "PUT", at, nil, &round); err != nil {
		return err
	}
	length := round.EndsAt.Sub(round.StartsAt)
	pause(ctx, length)
	end := map[string]any{"token": round.Token, "shakes": rand.Int64N(2 + int64(length.Seconds()*10))}
	return b.call(ctx, "POST", at+"/end", end, nil)
}

// call makes one call and reads its answer.
func (b *bot) call(ctx context.Context, method, path string, body, answer any) error {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, b.url+path, sent)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if b.token != "" {
		req.Header.Set("Authorization", "Bearer "+b.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %d %s", method, path, resp.StatusCode, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
