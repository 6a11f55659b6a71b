package redisboard

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/leaderboard"
)

// formatCursor gives "<epoch>-<seq>/<fence>".
func formatCursor(c event.Cursor) string {
	return c.Position.String() + "/" + strconv.FormatInt(c.Fence, 10)
}

func parseCursor(text string) (event.Cursor, error) {
	position, fence, _ := strings.Cut(text, "/")
	p, err := event.ParsePosition(position)
	if err != nil {
		return event.Cursor{}, fmt.Errorf("cursor %q: %w", text, err)
	}
	f, err := strconv.ParseInt(fence, 10, 64)
	if err != nil {
		return event.Cursor{}, fmt.Errorf("cursor %q: %w", text, err)
	}
	return event.Cursor{Position: p, Fence: f}, nil
}

// parseAround reads what around.lua gives.
func parseAround(list []any) ([]leaderboard.Entry, error) {
	first, ok := list[0].(int64)
	if !ok || len(list)%2 != 1 {
		return nil, fmt.Errorf("board: around.lua gave %v", list)
	}
	entries := make([]leaderboard.Entry, 0, len(list)/2)
	for i := 1; i < len(list); i += 2 {
		user, _ := list[i].(string)
		text, _ := list[i+1].(string)
		score, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("board: score of %q: %w", user, err)
		}
		entries = append(entries, entry(first+int64(len(entries)), user, score))
	}
	return entries, nil
}
