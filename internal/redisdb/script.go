package redisdb

import (
	"crypto/sha1" // #nosec G505 -- it is how EVALSHA names scripts
	"encoding/hex"
	"time"
)

// Script is a Lua program for flights. Its contract:
//
//	KEYS    those of the head, then one of each call, then any more of a call that flies alone
//	ARGV    the host, the head's arguments, then those of each call
//	result  an array of strings: "ok" or "fenced", the server's time in ms, then one result for each call
//
// It reads and checks everything before its first write, because Lua does not roll back; a call that cannot
// be served gets a result that says so and leaves the others alone; a call that comes twice changes nothing
// the second time.
type Script struct {
	Name   string
	source string
	sha    string
}

// NewScript makes a script from its source.
func NewScript(name, source string) *Script {
	sum := sha1.Sum([]byte(source)) // #nosec G401 -- it is how EVALSHA names scripts
	return &Script{Name: name, source: source, sha: hex.EncodeToString(sum[:])}
}

// Head is what all calls of one batch share. Calls with the same *Head may go in one script call, so whoever
// makes heads makes one per script, shard and version of the rules, and keeps it.
type Head struct {
	Script *Script
	Keys   []string // the first one names the slot
	Args   []any
}

// Call is one player's part of a batch.
type Call struct {
	Head *Head
	Key  string // of the player; two calls with the same key never share a flight
	Args []any  // as many for each call of a head

	MoreKeys []string // in the slot of Key; only where Key belongs to the head, so that the batch is one call
}

// Reply is the answer to one call.
type Reply struct {
	Result string    // what the script says of this call
	Now    time.Time // the server's clock when it ran
	Safe   bool      // as many replicas as wanted have it; true where none are wanted
}
