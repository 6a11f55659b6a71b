package redisgame

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/internal/redisdb"
)

//go:embed put.lua
var putSource string

var put = redis.NewScript(putSource)

// Copies implements game.Copies: the layer of campaigns between SQL and the nodes' memory. Publishing puts the
// new version here and tells all nodes.
type Copies struct {
	db        *redisdb.DB
	namespace string
	ttl       time.Duration
}

// keep is how long a copy stays beyond its time, for nodes that start while the database is away.
const keep = 24 * time.Hour

// NewCopies makes the copies of a namespace; each is fresh for ttl.
func NewCopies(db *redisdb.DB, keys *redisdb.KeyCache, ttl time.Duration) *Copies {
	return &Copies{db: db, namespace: keys.Namespace(), ttl: ttl}
}

func (c *Copies) key(id string) string      { return c.namespace + ":campaign:" + id }
func (c *Copies) list(market string) string { return c.namespace + ":campaigns:" + market }
func (c *Copies) channel() string           { return c.namespace + ":published" }

// Campaign implements game.Copies.
func (c *Copies) Campaign(ctx context.Context, id string) (*game.Campaign, bool, error) {
	var doc *redis.StringCmd
	var left *redis.DurationCmd
	_, err := c.db.Client().Pipelined(ctx, func(p redis.Pipeliner) error {
		doc, left = p.HGet(ctx, c.key(id), "doc"), p.PTTL(ctx, c.key(id))
		return nil
	})
	if errors.Is(err, redis.Nil) {
		return nil, false, game.ErrNotFound
	}
	if err != nil {
		return nil, false, err
	}
	var campaign game.Campaign
	if err := json.Unmarshal([]byte(doc.Val()), &campaign); err != nil {
		return nil, false, fmt.Errorf("copy of campaign %s: %w", id, err)
	}
	return &campaign, left.Val() > keep, nil
}

// Put implements game.Copies.
func (c *Copies) Put(ctx context.Context, campaign *game.Campaign) error {
	doc, err := json.Marshal(campaign)
	if err != nil {
		return err
	}
	return put.Run(ctx, c.db.Client(), []string{c.key(campaign.ID)}, campaign.Version, doc, (keep + c.ttl).Milliseconds()).Err()
}

// Published implements game.Copies.
func (c *Copies) Published(ctx context.Context, market string) (ids []string, err error) {
	text, err := c.db.Client().Get(ctx, c.list(market)).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, game.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &ids); err != nil {
		return nil, fmt.Errorf("copy of the campaigns of market %q: %w", market, err)
	}
	return ids, nil
}

// PutPublished implements game.Copies.
func (c *Copies) PutPublished(ctx context.Context, market string, ids []string) error {
	text, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	return c.db.Client().Set(ctx, c.list(market), text, keep).Err()
}

// Publish puts a new version here and tells all nodes of it.
func (c *Copies) Publish(ctx context.Context, campaign *game.Campaign) error {
	if err := c.Put(ctx, campaign); err != nil {
		return err
	}
	message := fmt.Sprintf("%s %d", campaign.ID, campaign.Version)
	return c.db.Client().Publish(ctx, c.channel(), message).Err()
}

// Listener gives fn the id of each campaign that is published.
func (c *Copies) Listener(fn func(id string)) redisdb.Listener {
	return redisdb.Listener{Channel: c.channel(), Fn: func(message string) {
		id, _, _ := strings.Cut(message, " ")
		fn(id)
	}}
}
