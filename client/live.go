package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Event is something that changed: Pool, Stage, Board or Notice, whichever is not nil.
type Event struct {
	ID     string
	Pool   *Pool
	Stage  *Stage
	Board  *Board
	Notice *Notice
}

// Stage is where a campaign is in its life.
type Stage struct {
	Campaign string `json:"campaign"`
	Stage    string `json:"stage"`
	Version  int64  `json:"version"`
}

// Board is the top of a leaderboard, or what is around the player.
type Board struct {
	Final   bool    `json:"final"`
	Entries []Place `json:"entries"`
	Me      *Place  `json:"me"` // nil in events, and where the player is not on it
}

// Place is one line of a leaderboard.
type Place struct {
	Rank  int64  `json:"rank"`
	User  string `json:"user"`
	Name  string `json:"name"`
	Coins int64  `json:"coins"`
}

// silence is how long a stream may be quiet before it is taken for dead; the door beats every 15 s at least.
const silence = 30 * time.Second

// Live calls fn for each event of a campaign until ctx ends, or the door says that it will never let this player watch.
// It comes back by itself where the stream breaks off, and goes on after the last event. A notice may come more than once.
func (c *Client) Live(ctx context.Context, campaign string, fn func(Event)) error {
	last, pause := "", firstPause
	for {
		began := time.Now()
		err := c.watch(ctx, campaign, &last, fn)
		var problem *Error
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.As(err, &problem) && problem.Code != "" && problem.Status < 500 && problem.Status != http.StatusTooManyRequests {
			return err
		}
		if time.Since(began) > silence {
			pause = firstPause // it had worked
		}
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		pause = min(lastPause, pause*3/2)
	}
}

// watch reads one stream to its end.
func (c *Client) watch(ctx context.Context, campaign string, last *string, fn func(Event)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := c.request(ctx, http.MethodGet, "/v1/live?campaign="+url.QueryEscape(campaign), nil)
	if err != nil {
		return err
	}
	if *last != "" {
		req.Header.Set("Last-Event-ID", *last)
	}
	dead := time.AfterFunc(silence, cancel)
	defer dead.Stop()
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		return problemOf(resp, text)
	}
	var name, data string
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxAnswer)
	for lines.Scan() {
		dead.Reset(silence)
		switch field, value, _ := strings.Cut(lines.Text(), ": "); field {
		case "event":
			name = value
		case "id":
			*last = value
		case "data":
			data = value
		case "":
			if name != "" {
				e, err := eventOf(name, data)
				if err != nil {
					return err
				}
				e.ID = *last
				fn(e)
			}
			name, data = "", ""
		}
	}
	return lines.Err()
}

func eventOf(name, data string) (e Event, err error) {
	var into any
	switch name {
	case "pool":
		e.Pool = &Pool{}
		into = e.Pool
	case "stage":
		e.Stage = &Stage{}
		into = e.Stage
	case "board":
		e.Board = &Board{}
		into = e.Board
	case "notice":
		e.Notice = &Notice{}
		into = e.Notice
	default:
		return e, nil // of a later version
	}
	if err := json.Unmarshal([]byte(data), into); err != nil {
		return e, fmt.Errorf("event %s: %w", name, err)
	}
	return e, nil
}
