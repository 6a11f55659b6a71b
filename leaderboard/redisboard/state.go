package redisboard

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/leaderboard"
)

// state is what a script call expects to find, and what Judge starts from.
type state struct {
	cursors map[int]event.Cursor
	fields  map[string]string // as stored; "" where there is none
	scale   leaderboard.Scale
}

// load reads where the board is in these shards.
func (s *Store) load(ctx context.Context, run event.Run, scale leaderboard.Scale, shards map[int]bool) (state, error) {
	names := []string{fieldScale}
	for _, shard := range slices.Sorted(maps.Keys(shards)) {
		names = append(names, strconv.Itoa(shard))
	}
	values, err := s.client.HMGet(ctx, s.keys(run).state, names...).Result()
	if err != nil {
		return state{}, fmt.Errorf("board: %w", err)
	}
	st := state{cursors: map[int]event.Cursor{}, fields: map[string]string{}, scale: scale}
	for i, name := range names {
		text, _ := values[i].(string) // nil where there is no such field
		st.fields[name] = text
		if err := st.read(name, text); err != nil {
			return state{}, fmt.Errorf("board of %s.%d: %w", run.Campaign, run.Number, err)
		}
	}
	return st, nil
}

func (st *state) read(name, text string) (err error) {
	if text == "" {
		return nil
	}
	if name == fieldScale {
		st.scale, err = leaderboard.ParseScale(text)
		return err
	}
	shard, err := strconv.Atoi(name)
	if err != nil {
		return err
	}
	st.cursors[shard], err = parseCursor(text)
	return err
}

// Progress tells how far the board is in each pool of a run.
func (s *Store) Progress(ctx context.Context, campaign string, number int64) (map[int]event.Cursor, error) {
	st, err := s.all(ctx, event.Run{Campaign: campaign, Number: number})
	return st.cursors, err
}

// all reads where the board is in every shard.
func (s *Store) all(ctx context.Context, run event.Run) (state, error) {
	fields, err := s.client.HGetAll(ctx, s.keys(run).state).Result()
	if err != nil {
		return state{}, fmt.Errorf("board: %w", err)
	}
	st := state{cursors: map[int]event.Cursor{}}
	for name, text := range fields {
		if name == fieldHost {
			continue
		}
		if err := st.read(name, text); err != nil {
			return state{}, fmt.Errorf("board of %s.%d: %w", run.Campaign, run.Number, err)
		}
	}
	return st, nil
}
