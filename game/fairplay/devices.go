package fairplay

import (
	"hash/maphash"
	"slices"
)

// maxUsers is how many accounts of one device are told apart; more count as so many.
const maxUsers = 64

// Devices counts the accounts of each device, for one node and within its memory: of another node's rounds it knows
// nothing, and the device that came first is forgotten first. It is for one goroutine.
type Devices struct {
	seed  maphash.Seed
	users ring[uint64, []uint64]
}

// NewDevices counts for so many devices.
func NewDevices(most int) *Devices {
	return &Devices{seed: maphash.MakeSeed(), users: newRing[uint64, []uint64](most)}
}

// Accounts notes that a user plays on a device and tells how many accounts that device has by now, and whether this
// one is new there.
func (d *Devices) Accounts(device, user string) (n int64, fresh bool) {
	key, of := maphash.String(d.seed, device), maphash.String(d.seed, user)
	users, _ := d.users.get(key)
	if fresh = len(users) < maxUsers && !slices.Contains(users, of); fresh {
		users = append(users, of)
		d.users.put(key, users)
	}
	return int64(len(users)), fresh
}

// Rounds remembers the last rounds, so that a repeat of an end is not judged again. It is for one goroutine.
type Rounds struct {
	seed maphash.Seed
	seen ring[uint64, struct{}]
}

// NewRounds remembers so many.
func NewRounds(most int) *Rounds {
	return &Rounds{seed: maphash.MakeSeed(), seen: newRing[uint64, struct{}](most)}
}

// Again remembers a round and tells whether it was there.
func (r *Rounds) Again(round string) bool {
	key := maphash.String(r.seed, round)
	_, known := r.seen.get(key)
	if !known {
		r.seen.put(key, struct{}{})
	}
	return known
}
