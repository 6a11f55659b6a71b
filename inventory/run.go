// Package inventory counts coins so that none is promised twice, none is lost and none is stranded.
//
// The coins of a run lie in its bank and in the slices of its shards. Players are paid by their shard alone;
// coins move between bank and shards by numbered transfers; a keeper brings them to where they are needed.
package inventory

import "github.com/shake-live/shake/event"

// MaxCoins bounds a run's funding. Lua counts in doubles and prints 14 digits: this stays well within both.
const MaxCoins = 1_000_000_000_000

// MaxShards bounds the shards of a run, so that one level fits a few flights.
const MaxShards = 1024

// Run names one life of a campaign and says over how many shards its players are spread.
type Run = event.Run
