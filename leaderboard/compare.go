package leaderboard

import (
	"context"
	"errors"
	"fmt"

	"github.com/shake-live/shake/event"
)

// Difference is a player whom two boards do not agree on; 0 coins is: not on it.
type Difference struct {
	User        string
	Live, Final int64 // coins
}

// Comparison is what sets two boards of a run apart.
type Comparison struct {
	Live, Final int64 // players
	Differences []Difference
	Cut         bool // there are more differences than were asked for
}

// Same tells whether the boards agree.
func (c Comparison) Same() bool { return c.Live == c.Final && len(c.Differences) == 0 }

// Compare names up to limit players whose coins differ between the live and the final board.
func Compare(ctx context.Context, live, final Board, run event.Run, limit int) (Comparison, error) {
	c := comparing{run: run, limit: limit}
	for _, b := range []struct {
		board Board
		size  *int64
	}{{live, &c.Live}, {final, &c.Final}} {
		n, err := b.board.Size(ctx, run)
		if err != nil {
			return Comparison{}, fmt.Errorf("compare boards: %w", err)
		}
		*b.size = n
	}
	both, err := c.walk(ctx, final, live, func(e Entry, other int64) Difference {
		return Difference{User: e.User, Live: other, Final: e.Coins}
	})
	if err == nil && both < c.Live { // somebody is on the live board alone
		_, err = c.walk(ctx, live, final, func(e Entry, other int64) Difference {
			return Difference{User: e.User, Live: e.Coins, Final: other}
		})
	}
	if err != nil && !errors.Is(err, errEnough) {
		return Comparison{}, fmt.Errorf("compare boards: %w", err)
	}
	return c.Comparison, nil
}

type comparing struct {
	Comparison
	run   event.Run
	limit int
	seen  map[string]bool // named already
}

var errEnough = errors.New("enough differences")

// walk goes through one board, looks each player up on the other, and counts who is on both.
func (c *comparing) walk(ctx context.Context, board, other Board, differ func(Entry, int64) Difference) (both int64, err error) {
	for from := int64(0); ; from += MaxPage {
		page, err := board.Range(ctx, c.run, from, MaxPage)
		if err != nil {
			return both, err
		}
		users := make([]string, len(page))
		for i, e := range page {
			users[i] = e.User
		}
		coins, err := other.Coins(ctx, c.run, users)
		if err != nil {
			return both, err
		}
		both += int64(len(coins))
		for _, e := range page {
			if err := c.note(e, coins[e.User], differ); err != nil {
				return both, err
			}
		}
		if len(page) < MaxPage {
			return both, nil
		}
	}
}

func (c *comparing) note(e Entry, other int64, differ func(Entry, int64) Difference) error {
	if e.Coins == other || c.seen[e.User] {
		return nil
	}
	if len(c.Differences) == c.limit {
		c.Cut = true
		return errEnough
	}
	if c.seen == nil {
		c.seen = map[string]bool{}
	}
	c.seen[e.User] = true
	c.Differences = append(c.Differences, differ(e, other))
	return nil
}
