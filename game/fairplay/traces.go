package fairplay

import (
	"encoding/binary"
	"hash/maphash"
	"math"
)

// minCopyBits is how improbable a trace must be by itself before a second one like it counts as a copy. Slow shakes on
// a sensor of 16 samples a second have few different intervals, so two honest hands may well agree; with 40 bits, one
// of 2^17 traces in memory agrees with an honest one in 10^7.
const minCopyBits = 40

// Traces remembers the last traces of a node, so that a trace that comes again in another round is seen. It keeps a
// hash of each and of its round: 40 bytes or so a trace. A copy on another node, or after so many others, is not seen;
// neither is one with noise added, or stretched by anything but a whole number. It is for one goroutine.
type Traces struct {
	seed maphash.Seed // a node's own, so that nobody can make traces that fall together
	seen ring[uint64, uint64]
}

// NewTraces remembers so many.
func NewTraces(most int) *Traces {
	return &Traces{seed: maphash.MakeSeed(), seen: newRing[uint64, uint64](most)}
}

// Copied remembers a round's trace and tells whether another round had it before, whoever played that one: hands do
// not repeat themselves to the millisecond either. The first of two is not blamed.
func (t *Traces) Copied(round string, beats []int64, r Rules) bool {
	if int64(len(beats)) < max(r.MinBeats, 2) {
		return false
	}
	gaps := intervals(beats)
	if bits(gaps) < minCopyBits {
		return false
	}
	of := maphash.String(t.seed, round)
	first, known := t.seen.get(t.print(gaps))
	if !known {
		t.seen.put(t.print(gaps), of)
	}
	return known && first != of
}

// print is the hash of the intervals in their smallest whole proportion, so neither a shift nor a stretch by a whole
// number hides a copy.
func (t *Traces) print(gaps []int64) uint64 {
	var unit int64
	for _, gap := range gaps {
		unit = divisor(unit, gap)
	}
	b := make([]byte, 0, 2*len(gaps))
	for _, gap := range gaps {
		b = binary.AppendUvarint(b, uint64(gap/max(1, unit)))
	}
	return maphash.Bytes(t.seed, b)
}

func divisor(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// bits is the empirical entropy of the intervals: n x the sum of -p log2 p over their values.
func bits(gaps []int64) (sum float64) {
	count := make(map[int64]int, len(gaps))
	for _, gap := range gaps {
		count[gap]++
	}
	for _, n := range count {
		sum -= float64(n) * math.Log2(float64(n)/float64(len(gaps)))
	}
	return sum
}

// ring is a map that forgets what was put in first when it is full.
type ring[K comparable, V any] struct {
	values map[K]V
	keys   []K
	next   int
	most   int
}

func newRing[K comparable, V any](most int) ring[K, V] {
	return ring[K, V]{values: map[K]V{}, most: max(1, most)}
}

func (r *ring[K, V]) get(k K) (V, bool) {
	v, ok := r.values[k]
	return v, ok
}

// put sets a key's value; one that is new takes the place of the oldest.
func (r *ring[K, V]) put(k K, v V) {
	if _, known := r.values[k]; !known {
		if len(r.keys) < r.most {
			r.keys = append(r.keys, k)
		} else {
			delete(r.values, r.keys[r.next])
			r.keys[r.next] = k
			r.next = (r.next + 1) % r.most
		}
	}
	r.values[k] = v
}
