package reconcile

import (
	"hash/maphash"
	"math/bits"
	"math/rand/v2"

	"github.com/shake-live/shake/event"
)

// user is what one look keeps of a player. The sums are of fingerprints: what the history says is added, what a store
// says is taken away, in any order, and what is not 0 at the end differs. So millions of rounds are compared without
// keeping one, and 64 bits of a random function leave no hole worth a name.
type user struct {
	name string

	asOf   event.Position // of the pool, when the player's hash was read
	stand  uint64         // fingerprint of number and open round in the hash
	result uint64         // of the last result in the hash; 0: none
	score  int64          // on the live board; 0: not there
	best   int64          // the highest score that the history told, as far as it was read
	total  int64          // as the last round told it
	number int64          // of the last round started or settled

	rounds  uint64 // history - ledger's rows
	gave    uint64 // history - entries of the run's account
	got     uint64 // history - entries of the player's account
	notices uint64 // history - inbox
	final   int64  // coins: ledger's grants - final board

	flags
}

type flags uint8

const (
	hashed    flags = 1 << iota // the player's hash is there
	early                       // the history has him from before the hashes were read, so a hash must be there
	standOK                     // number and open round are as the history has them
	resultOK                    // so is the last result
	scoreOK                     // so is the score
	suspected                   // something that no sum shows
)

func (f *flags) set(flag flags, on bool) {
	if on {
		*f |= flag
	} else {
		*f &^= flag
	}
}

func (f flags) is(flag flags) bool { return f&flag != 0 }

// span is the players whose hash begins with these bits.
type span struct {
	bits   int
	prefix uint64
}

func (s span) has(hash uint64) bool { return hash>>1>>(63-s.bits) == s.prefix }

// chunk is how many players are kept in one piece: pieces are never copied as the table grows.
const chunk = 4096

// table is the players of one look: all of a span, or some by name. When there are more than fit, the span is halved
// and the other half is left to another look, so memory has a bound however many players there are.
type table struct {
	seed  maphash.Seed
	max   int
	span  span
	later []span
	only  bool // no player is added

	index  map[string]int32
	chunks [][]user
	size   int
}

func newTable(seed maphash.Seed, max int, s span) *table {
	return &table{seed: seed, max: max, span: s, index: map[string]int32{}}
}

// named is a table of these players alone.
func named(names []string) *table {
	t := newTable(maphash.MakeSeed(), len(names)+1, span{})
	for _, name := range names {
		t.get(name)
	}
	t.only = true
	return t
}

// get gives the player's place; nil where he is another look's.
func (t *table) get(name string) *user {
	if i, ok := t.index[name]; ok {
		return &t.chunks[i/chunk][i%chunk]
	}
	if t.only || !t.span.has(t.hash(name)) {
		return nil
	}
	if t.size == t.max {
		t.halve()
		return t.get(name)
	}
	return t.add(user{name: name, flags: resultOK | scoreOK})
}

func (t *table) hash(name string) uint64 { return maphash.String(t.seed, name) }

func (t *table) add(u user) *user {
	if t.size%chunk == 0 {
		t.chunks = append(t.chunks, make([]user, 0, chunk))
	}
	last := &t.chunks[len(t.chunks)-1]
	*last = append(*last, u)
	t.index[u.name] = int32(t.size)
	t.size++
	return &(*last)[len(*last)-1]
}

// halve leaves half of the players to a later look.
func (t *table) halve() {
	t.span = span{t.span.bits + 1, t.span.prefix << 1}
	t.later = append(t.later, span{t.span.bits, t.span.prefix + 1})
	old := t.chunks
	t.chunks, t.index, t.size = nil, make(map[string]int32, t.max/2), 0
	for i, piece := range old {
		for _, u := range piece {
			if t.span.has(t.hash(u.name)) {
				t.add(u)
			}
		}
		old[i] = nil
	}
}

// each goes through all players.
func (t *table) each(fn func(*user)) {
	for _, piece := range t.chunks {
		for i := range piece {
			fn(&piece[i])
		}
	}
}

// printer makes fingerprints. Its keys are random, so nobody can make two facts that look alike.
type printer struct{ a, b uint64 }

func newPrinter() printer { return printer{rand.Uint64(), rand.Uint64() | 1} }

// of mixes numbers as wyhash does: a multiplication to 128 bits for each, its halves joined.
func (p printer) of(numbers ...int64) uint64 {
	h := p.a
	for _, n := range numbers {
		hi, lo := bits.Mul64(h^uint64(n), p.b)
		h = (hi ^ lo) + p.a
		hi, lo = bits.Mul64(h, p.b^0x9e3779b97f4a7c15)
		h = hi ^ lo
	}
	return h
}

// round is the fingerprint of a settled round with all its facts and its place.
func (p printer) round(shard int, at event.Position, r *event.Round) uint64 {
	return p.of(int64(shard), at.Epoch, at.Seq, r.Number, r.StartEpoch, r.StartedAt, r.Shakes, r.ElapsedMS, r.Computed, r.Paid, r.Total,
		r.ChancesLeft, r.SettledAt)
}

// stand is the fingerprint of where a player stands.
func (p printer) stand(number, startedAt, epoch int64) uint64 { return p.of(number, startedAt, epoch) }
