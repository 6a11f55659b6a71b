// Package redisline carries notices from the workers to all nodes that hold pages, over one channel of Redis.
package redisline

import (
	"context"
	"encoding/json"

	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/reward"
)

// Line implements reward.Line. What is lost is pushed again, as for any page that did not show it.
type Line struct {
	db      *redisdb.DB
	channel string
}

// New makes the line of a namespace.
func New(db *redisdb.DB, keys *redisdb.KeyCache) *Line {
	return &Line{db: db, channel: keys.Namespace() + ":notices"}
}

// Push implements reward.Line.
func (l *Line) Push(ctx context.Context, notices []reward.Notice) error {
	text, err := json.Marshal(notices)
	if err != nil {
		return err
	}
	return l.db.Client().Publish(ctx, l.channel, text).Err()
}

// Listener gives fn all notices that are pushed.
func (l *Line) Listener(fn func([]reward.Notice)) redisdb.Listener {
	return redisdb.Listener{Channel: l.channel, Fn: func(text string) {
		var notices []reward.Notice
		if json.Unmarshal([]byte(text), &notices) == nil {
			fn(notices)
		}
	}}
}
