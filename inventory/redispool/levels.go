package redispool

import (
	"context"
	"encoding/json"

	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/inventory"
)

// Levels carries levels from the keeper to all nodes. What is lost is not missed: the next one comes soon.
type Levels struct {
	db      *redisdb.DB
	channel string
}

// NewLevels makes the levels' channel of a namespace.
func NewLevels(db *redisdb.DB, keys *redisdb.KeyCache) *Levels {
	return &Levels{db: db, channel: keys.Namespace() + ":level"}
}

// Publish pushes a level to all nodes.
func (l *Levels) Publish(ctx context.Context, level inventory.Level) error {
	text, err := json.Marshal(level)
	if err != nil {
		return err
	}
	return l.db.Client().Publish(ctx, l.channel, text).Err()
}

// Listener gives fn all levels that are pushed.
func (l *Levels) Listener(fn func(inventory.Level)) redisdb.Listener {
	return redisdb.Listener{Channel: l.channel, Fn: func(text string) {
		var level inventory.Level
		if json.Unmarshal([]byte(text), &level) == nil {
			fn(level)
		}
	}}
}
