// Package leaderboard ranks the players of a run by their coins, live while they play and for good once the
// run is over.
//
// The live board is fed with running totals: each settled round says what its player has won so far. Totals
// only rise, so the board keeps the highest it heard, and repeats and order make no difference. The final
// board is built once from what the ledger paid.
package leaderboard

import (
	"context"
	"errors"

	"github.com/shake-live/shake/event"
)

// MaxPage is the most entries that one question may ask for.
const MaxPage = 1000

// ErrNotRanked says that a player is not on the board: without coins nobody is.
var ErrNotRanked = errors.New("not ranked")

// Entry is one line of a board. Ranks begin at 1 and no two players share one: of equal coins, whoever had
// them first stands first; who got there within the same unit of the scale, by user id, the greater first
// (which is how Redis orders equal scores, seen from the top).
type Entry struct {
	Rank  int64
	User  string
	Coins int64
}

// Board answers who stands where in a run. Limits above MaxPage count as MaxPage.
type Board interface {
	// Range gives up to limit entries, after skipping the first from.
	Range(ctx context.Context, run event.Run, from int64, limit int) ([]Entry, error)
	// Rank gives the player's own entry, or ErrNotRanked.
	Rank(ctx context.Context, run event.Run, user string) (Entry, error)
	// Around gives the player's entry and up to n on each side, or ErrNotRanked.
	Around(ctx context.Context, run event.Run, user string, n int) ([]Entry, error)
	// Coins gives the coins of those of the users who are on the board.
	Coins(ctx context.Context, run event.Run, users []string) (map[string]int64, error)
	// Size counts the players on the board.
	Size(ctx context.Context, run event.Run) (int64, error)
}

// Top gives the best so many.
func Top(ctx context.Context, b Board, run event.Run, limit int) ([]Entry, error) {
	return b.Range(ctx, run, 0, limit)
}

// PageSize brings a wanted number of entries into bounds.
func PageSize(limit int) int { return min(max(limit, 0), MaxPage) }
