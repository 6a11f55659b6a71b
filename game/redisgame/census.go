package redisgame

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/inventory"
)

// Census reads the hashes of all players of a run, for whoever checks them.
type Census struct {
	db   *redisdb.DB
	keys *redisdb.KeyCache
}

// NewCensus makes a Census.
func NewCensus(db *redisdb.DB, keys *redisdb.KeyCache) *Census { return &Census{db: db, keys: keys} }

// Citizen is one player's hash.
type Citizen struct {
	User string
	inventory.Player
	Fault string // why it could not be read; "" if it could
}

// Page is some players of one shard, all as of one position of its pool.
type Page struct {
	Shard   int
	At      event.Position
	Players []Citizen
}

const (
	// scanKeys is how many keys a SCAN looks at: some tenths of a millisecond of its server.
	scanKeys = 1000
	// pagePlayers is how many hashes are read in one step with their pool: a tenth of a millisecond.
	pagePlayers = 100
)

// Players calls fn with every player whose hash was there all the while, one page at a time, some of them perhaps twice.
// It goes through all keys of all primaries, others' too.
func (c *Census) Players(ctx context.Context, run event.Run, fn func(Page) error) error {
	r := c.reading(run, fn)
	pattern := c.keys.Namespace() + ":{" + run.Campaign + "." + fmt.Sprint(run.Number) + ".*}:p:*"
	err := c.db.EachPrimary(ctx, func(ctx context.Context, node *redis.Client) error {
		for cursor := uint64(0); ; {
			keys, next, err := node.Scan(ctx, cursor, pattern, scanKeys).Result()
			if err != nil {
				return err
			}
			if err := r.take(ctx, keys); err != nil {
				return err
			}
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	})
	if err == nil {
		err = r.flush(ctx)
	}
	if err != nil {
		return fmt.Errorf("players of %s.%d: %w", run.Campaign, run.Number, err)
	}
	return nil
}

// PlayersOf does what Players does for these alone; who has no hash is left out.
func (c *Census) PlayersOf(ctx context.Context, run event.Run, users []string, fn func(Page) error) error {
	r := c.reading(run, fn)
	for _, user := range users {
		if err := r.add(ctx, run.ShardOf(user), user); err != nil {
			return fmt.Errorf("players of %s.%d: %w", run.Campaign, run.Number, err)
		}
	}
	return r.flush(ctx)
}

// reading gathers keys by shard until a page is full.
type reading struct {
	*Census
	run  event.Run
	keys *redisdb.Keys
	fn   func(Page) error

	mu     sync.Mutex // primaries are scanned at once
	shards map[string]int
	users  map[int][]string
}

func (c *Census) reading(run event.Run, fn func(Page) error) *reading {
	r := &reading{Census: c, run: run, keys: c.keys.Of(run), fn: fn, shards: map[string]int{}, users: map[int][]string{}}
	for shard := range run.Shards {
		r.shards[r.keys.Player(shard, "")] = shard
	}
	return r
}

func (r *reading) take(ctx context.Context, keys []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	prefix := len(r.Census.keys.Namespace()) // at least
	for _, key := range keys {
		for end := prefix; end < len(key); end++ {
			if key[end-1] != ':' {
				continue
			}
			if shard, ours := r.shards[key[:end]]; ours {
				if err := r.add(ctx, shard, key[end:]); err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}

func (r *reading) add(ctx context.Context, shard int, user string) error {
	r.users[shard] = append(r.users[shard], user)
	if len(r.users[shard]) < pagePlayers {
		return nil
	}
	return r.page(ctx, shard)
}

func (r *reading) flush(ctx context.Context) error {
	for shard := range r.users {
		if err := r.page(ctx, shard); err != nil {
			return err
		}
	}
	return nil
}

// page reads the gathered players of a shard and its pool's position in one transaction.
func (r *reading) page(ctx context.Context, shard int) error {
	users := r.users[shard]
	if len(users) == 0 {
		return nil
	}
	pipe := r.db.Client().TxPipeline()
	pool := pipe.HMGet(ctx, r.keys.Pool(shard), "epoch", "seq")
	hashes := make([]*redis.SliceCmd, len(users))
	for i, user := range users {
		hashes[i] = pipe.HMGet(ctx, r.keys.Player(shard, user), "n", "s", "e", "r")
	}
	var answer redis.Error
	if _, err := pipe.Exec(ctx); err != nil && !errors.As(err, &answer) { // a key of a wrong type fails alone
		return err
	}
	at, err := words(pool)
	if err != nil {
		return err
	}
	page := Page{Shard: shard}
	if at[0] != "" {
		if page.At, err = event.ParsePosition(at[0] + "-" + at[1]); err != nil {
			return err
		}
	}
	for i, user := range users {
		if citizen, there := citizenOf(user, hashes[i]); there {
			page.Players = append(page.Players, citizen)
		}
	}
	r.users[shard] = users[:0]
	return r.fn(page)
}

func words(cmd *redis.SliceCmd) (w [4]string, err error) {
	values, err := cmd.Result()
	for i, v := range values {
		w[i], _ = v.(string)
	}
	return w, err
}

// citizenOf reads number, open since, its epoch and the last result; there is false where there is no hash.
func citizenOf(user string, cmd *redis.SliceCmd) (c Citizen, there bool) {
	w, err := words(cmd)
	if err == nil && w == [4]string{} {
		return c, false
	}
	if err == nil {
		c, err = parseCitizen(user, w)
	}
	if err != nil {
		return Citizen{User: user, Fault: err.Error()}, true
	}
	return c, true
}

func parseCitizen(user string, w [4]string) (Citizen, error) {
	c := Citizen{User: user}
	n, err := numbers(w[0], 1)
	if err != nil {
		return c, err
	}
	c.Number = n[0]
	if w[1] != "" {
		if n, err = numbers(w[1]+" "+w[2], 2); err != nil {
			return c, err
		}
		c.Open, c.StartedAt, c.Epoch = true, n[0], n[1]
	}
	if w[3] != "" {
		last, err := parseFacts(user, w[3])
		if err != nil {
			return c, err
		}
		c.Last, c.LastAt = &last.Round, last.At
	}
	return c, nil
}
