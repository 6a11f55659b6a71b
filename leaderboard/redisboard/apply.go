package redisboard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/leaderboard"
)

const (
	// scoresPerCall bounds how long a script holds up the primary, which settles rounds as well: 500 scores
	// on a board of a million take about 1 ms.
	scoresPerCall = 500
	// applyTries bounds how often two readers of one run get in each other's way: each of them moves only
	// the fields of its own shards, so it takes two that read the same shard.
	applyTries = 10
)

var errContended = errors.New("other readers keep moving the board's positions")

// Apply implements leaderboard.Live.
func (s *Store) Apply(ctx context.Context, run event.Run, scale leaderboard.Scale, entries []event.Entry) (leaderboard.Applied, error) {
	shards := map[int]bool{}
	for _, e := range entries {
		shards[e.Shard] = true
	}
	for range applyTries {
		st, err := s.load(ctx, run, scale, shards)
		if err != nil {
			return leaderboard.Applied{}, err
		}
		batch := leaderboard.Judge(st.cursors, entries)
		moved, err := s.write(ctx, run, st, batch)
		if err != nil {
			return leaderboard.Applied{}, fmt.Errorf("board: %w", err)
		}
		if moved {
			return batch.Applied, batch.Applied.Err()
		}
	}
	return leaderboard.Applied{}, fmt.Errorf("board of %s.%d: %w", run.Campaign, run.Number, errContended)
}

// write puts a batch on the board. It tells false where somebody else moved a position since load.
//
// A batch of many players goes in several calls, of which only the last one moves the positions: if the
// rest does not come through, the batch comes again, and what is there already stays as it is.
func (s *Store) write(ctx context.Context, run event.Run, st state, b leaderboard.Batch) (bool, error) {
	if b.Applied.Entries == 0 {
		return true, nil
	}
	players := slices.Collect(maps.Keys(b.Totals))
	for {
		n := min(len(players), scoresPerCall)
		args := st.args(b, n == len(players))
		for _, user := range players[:n] {
			t := b.Totals[user]
			args = append(args, st.scale.Score(t.Coins, t.AtMS), user)
		}
		k := s.keys(run)
		moved, err := s.apply.Run(ctx, s.client, []string{k.scores, k.state}, args...).Int()
		if err != nil || moved == 0 {
			return false, err
		}
		if players = players[n:]; len(players) == 0 {
			return true, nil
		}
	}
}

// args are the head of the script's arguments: each field that the batch rests on.
func (st *state) args(b leaderboard.Batch, last bool) []any {
	move := 0
	if last {
		move = 1
	}
	args := []any{len(b.Cursors) + 1, move, fieldScale, st.fields[fieldScale], st.scale.String()}
	for shard, c := range b.Cursors {
		name := strconv.Itoa(shard)
		args = append(args, name, st.fields[name], formatCursor(c))
	}
	return args
}

// SkipDead implements leaderboard.Live.
func (s *Store) SkipDead(ctx context.Context, source event.Source, p event.Position) error {
	run := event.Run{Campaign: source.Campaign, Number: source.Run}
	for range applyTries {
		st, err := s.load(ctx, run, leaderboard.Scale{}, map[int]bool{source.Shard: true})
		if err != nil {
			return err
		}
		c, moved, err := st.cursors[source.Shard].SkipDead(source, p)
		if err != nil || !moved {
			return err
		}
		k, name := s.keys(run), strconv.Itoa(source.Shard)
		done, err := s.apply.Run(ctx, s.client, []string{k.scores, k.state}, 1, 1, name, st.fields[name], formatCursor(c)).Int()
		if err != nil {
			return fmt.Errorf("board: skip %s %s: %w", source, p, err)
		}
		if done == 1 {
			return nil
		}
	}
	return fmt.Errorf("board: skip %s %s: %w", source, p, errContended)
}
