package redisdb

import (
	"strconv"
	"sync"

	"github.com/shake-live/shake/event"
)

// Keys names all keys of one run. The keys of a shard share one hash tag, so that one script call can touch
// its slice, its players and its outbox; the namespace keeps shadow traffic apart from the real one.
type Keys struct {
	prefixes []string // of shard s, up to and including "}:"
	bank     string
	run      string // what all begin with
}

// NewKeys chooses the tags of a run: shard s of N gets a tag whose slot lies in the middle half of the s-th
// of N equal stretches of the 16384 slots, so shards spread evenly over primaries by construction, whatever
// the campaign is called. The middle half, because nodes split the slots at places that round differently.
func NewKeys(namespace, campaign string, run int64, shards int) *Keys {
	name := campaign + "." + strconv.FormatInt(run, 10) + "."
	k := &Keys{prefixes: make([]string, shards), run: namespace + ":{" + name}
	taken := make(map[int]bool, shards)
	for s := range k.prefixes {
		tag := searchTag(name+strconv.Itoa(s), func(slot int) bool { return inMiddle(slot, s, shards) })
		taken[Slot(tag)] = true
		k.prefixes[s] = namespace + ":{" + tag + "}:"
	}
	k.bank = namespace + ":{" + searchTag(name+"bank", func(slot int) bool { return !taken[slot] }) + "}:"
	return k
}

// inMiddle tells whether slot lies in the middle half of stretch s of n, in units of a quarter slot.
func inMiddle(slot, s, n int) bool {
	return 4*n*slot >= (4*s+1)*Slots && 4*n*(slot+1) <= (4*s+3)*Slots
}

// searchTag tries name.0, name.1, … until the slot fits; it takes about as many tries as there are shards.
func searchTag(name string, fits func(slot int) bool) string {
	for salt := 0; ; salt++ {
		if tag := name + "." + strconv.FormatInt(int64(salt), 36); fits(Slot(tag)) {
			return tag
		}
	}
}

// Run is what all keys of the run begin with, and no others.
func (k *Keys) Run() string { return k.run }

// Shards is the number of shards of the run.
func (k *Keys) Shards() int { return len(k.prefixes) }

func (k *Keys) prefix(shard int) string {
	if shard == event.Bank {
		return k.bank
	}
	return k.prefixes[shard]
}

// Pool is the hash that counts a shard's coins (or the bank's): its slice.
func (k *Keys) Pool(shard int) string { return k.prefix(shard) + "pool" }

// Out is the stream of entries that are not yet safe in Kafka: the outbox.
func (k *Keys) Out(shard int) string { return k.prefix(shard) + "out" }

// Lease says which relay works on the outbox.
func (k *Keys) Lease(shard int) string { return k.prefix(shard) + "lease" }

// Keeper is the lease of the worker that keeps the run's pool.
func (k *Keys) Keeper() string { return k.bank + "keeper" }

// Player is the hash of one player of a shard.
func (k *Keys) Player(shard int, user string) string { return k.prefix(shard) + "p:" + user }

// Touch is written after the outbox was read, so that a WAIT has a write to follow.
func (k *Keys) Touch(shard int) string { return k.prefix(shard) + "touch" }

// KeyCache makes the keys of each run of a namespace once. The search for tags takes N² tries for N shards:
// a millisecond for 64, too long for each call.
type KeyCache struct {
	namespace string
	mu        sync.RWMutex
	keys      map[event.Run]*Keys
}

// NewKeyCache makes an empty cache for a namespace.
func NewKeyCache(namespace string) *KeyCache {
	return &KeyCache{namespace: namespace, keys: map[event.Run]*Keys{}}
}

// Namespace is in front of every key.
func (c *KeyCache) Namespace() string { return c.namespace }

// Of gives the keys of a run.
func (c *KeyCache) Of(run event.Run) *Keys {
	c.mu.RLock()
	k := c.keys[run]
	c.mu.RUnlock()
	if k != nil {
		return k
	}
	k = NewKeys(c.namespace, run.Campaign, run.Number, run.Shards)
	c.mu.Lock()
	defer c.mu.Unlock()
	for old := range c.keys {
		if old.Campaign == run.Campaign && old.Number < run.Number-1 {
			delete(c.keys, old) // the last run is still being settled; the ones before are over
		}
	}
	c.keys[run] = k
	return k
}
