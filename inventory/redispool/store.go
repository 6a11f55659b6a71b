// Package redispool keeps the pools of runs in Redis.
package redispool

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/inventory"
)

//go:embed *.lua
var sources embed.FS

var (
	audit   = script("audit")
	fund    = script("fund")
	debit   = script("debit")
	credit  = script("credit")
	dry     = script("dry")
	lock    = script("lock")
	seal    = script("seal")
	restore = script("restore")
	open    = script("open")
)

func script(name string) *redisdb.Script {
	source, err := sources.ReadFile(name + ".lua")
	if err != nil {
		panic(err) // the file is part of the program
	}
	return redisdb.NewScript(name, string(source))
}

// Scripts are the programs of this store, to be loaded ahead of the first call.
func Scripts() []*redisdb.Script {
	return []*redisdb.Script{audit, fund, debit, credit, dry, lock, seal, restore, open}
}

// Store implements inventory.Store.
type Store struct {
	batcher *redisdb.Batcher
	keys    *redisdb.KeyCache
	heads   sync.Map // headKey -> *redisdb.Head
}

type headKey struct {
	script *redisdb.Script
	run    event.Run
	shard  int
}

// New makes a Store.
func New(batcher *redisdb.Batcher, keys *redisdb.KeyCache) *Store {
	return &Store{batcher: batcher, keys: keys}
}

// Warm opens the links to the primaries of a run's pools and loads the scripts there.
func (s *Store) Warm(ctx context.Context, run inventory.Run, more ...*redisdb.Script) error {
	keys := s.keys.Of(run)
	pools := make([]string, 0, run.Shards+1)
	for _, shard := range run.Pools() {
		pools = append(pools, keys.Pool(shard))
	}
	return s.batcher.Warm(ctx, pools, append(Scripts(), more...)...)
}

// call runs a script on one pool. Its call key is the pool itself, so a pool has one such call a flight.
func (s *Store) call(ctx context.Context, sc *redisdb.Script, run inventory.Run, shard int, players []string, args ...any) (redisdb.Reply, error) {
	reply, err := s.batcher.Do(ctx, redisdb.Call{
		Head: s.head(sc, run, shard), Key: s.keys.Of(run).Pool(shard), MoreKeys: players, Args: args,
	})
	if err == nil && !reply.Safe {
		return reply, inventory.ErrUnsafe
	}
	return reply, busy(err)
}

func (s *Store) head(sc *redisdb.Script, run inventory.Run, shard int) *redisdb.Head {
	key := headKey{sc, run, shard}
	if h, ok := s.heads.Load(key); ok {
		return h.(*redisdb.Head)
	}
	keys := s.keys.Of(run)
	h, _ := s.heads.LoadOrStore(key, &redisdb.Head{Script: sc, Keys: []string{keys.Pool(shard), keys.Out(shard)}})
	return h.(*redisdb.Head)
}

// busy turns what may pass into inventory.ErrBusy.
func busy(err error) error {
	for _, passing := range []error{redisdb.ErrFenced, redisdb.ErrBusy, redisdb.ErrOverloaded, redisdb.ErrClosed} {
		if errors.Is(err, passing) {
			return fmt.Errorf("%w: %w", inventory.ErrBusy, err)
		}
	}
	return err
}

// answers are the words of the scripts that mean no.
var answers = map[string]error{
	"stale": inventory.ErrStale, "empty": inventory.ErrEmpty, "short": inventory.ErrShort,
	"locked": inventory.ErrLocked, "held": inventory.ErrLocked, "expired": inventory.ErrLocked, "lost": inventory.ErrLost,
}

// result gives the number behind "ok", if any, or the error that the word means.
func result(reply redisdb.Reply, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	word, rest, _ := strings.Cut(reply.Result, " ")
	switch {
	case word == "open":
		return 0, nil
	case word != "ok":
		if no, known := answers[word]; known {
			return 0, fmt.Errorf("%w (%s)", no, reply.Result)
		}
		return 0, fmt.Errorf("redis answered %q", reply.Result)
	case rest == "":
		return 0, nil
	}
	return strconv.ParseInt(rest, 10, 64)
}

// Fund implements inventory.Store.
func (s *Store) Fund(ctx context.Context, run inventory.Run, owner string, f event.Funding) (int64, error) {
	return result(s.call(ctx, fund, run, event.Bank, nil, f.Number, f.Amount, owner))
}

// Debit implements inventory.Store.
func (s *Store) Debit(ctx context.Context, run inventory.Run, shard, peer int, number, want, part int64) (int64, error) {
	return result(s.call(ctx, debit, run, shard, nil, peerName(peer), number, want, part))
}

// Credit implements inventory.Store.
func (s *Store) Credit(ctx context.Context, run inventory.Run, shard int, from event.Transfer) error {
	_, err := result(s.call(ctx, credit, run, shard, nil, peerName(from.Peer), from.Number, from.Amount))
	return err
}

// Dry implements inventory.Store.
func (s *Store) Dry(ctx context.Context, run inventory.Run, shard int, isDry bool, until time.Time) error {
	flag, deadline := 0, int64(0)
	if isDry {
		flag = 1
	}
	if !until.IsZero() {
		deadline = until.UnixMilli()
	}
	_, err := result(s.call(ctx, dry, run, shard, nil, flag, deadline))
	return err
}

// Lock implements inventory.Store.
func (s *Store) Lock(ctx context.Context, run inventory.Run, owner string, ttl time.Duration) (time.Time, error) {
	ms, err := result(s.call(ctx, lock, run, event.Bank, nil, owner, ttl.Milliseconds()))
	if err != nil || ms == 0 {
		return time.Time{}, err
	}
	return time.UnixMilli(ms).UTC(), nil
}

func peerName(shard int) string {
	if shard == event.Bank {
		return "bank"
	}
	return strconv.Itoa(shard)
}

func parsePeer(name string) (int, error) {
	if name == "bank" {
		return event.Bank, nil
	}
	return strconv.Atoi(name)
}
