package reconcile

import (
	"fmt"
	"hash/maphash"
	"testing"
)

// However many players come, each is in exactly one look, and none is over its bound.
func TestTable_looksCoverEverybodyOnce(t *testing.T) {
	for _, n := range []int{0, 1, 99, 100, 101, 1000, 3000} {
		const most = 100
		seed, seen := maphash.MakeSeed(), map[string]int{}
		for spans := []span{{}}; len(spans) > 0; {
			last := len(spans) - 1
			table := newTable(seed, most, spans[last])
			for round := range 3 {
				for i := range n {
					if u := table.get(fmt.Sprint("player ", i)); u != nil {
						u.rounds += uint64(round)
					}
				}
			}
			spans = append(spans[:last], table.later...)
			if table.size > most || table.size != len(table.index) {
				t.Fatalf("%d players in a table of %d", table.size, most)
			}
			table.each(func(u *user) {
				seen[u.name]++
				if u.rounds != 0+1+2 {
					t.Errorf("%s was counted %d, want 3: he came and went", u.name, u.rounds)
				}
			})
		}
		if len(seen) != n {
			t.Errorf("%d of %d players were looked at", len(seen), n)
		}
		for name, times := range seen {
			if times != 1 {
				t.Errorf("%s was looked at %d times", name, times)
			}
		}
	}
}

func TestTable_named(t *testing.T) {
	table := named([]string{"ann", "bob", "ann"})
	if table.get("ann") == nil || table.get("bob") == nil || table.get("eve") != nil || table.size != 2 {
		t.Errorf("got %d players, want ann and bob alone", table.size)
	}
}

// Fingerprints tell any two facts apart, in any field, and differ from look to look.
func TestPrinter(t *testing.T) {
	p, seen := newPrinter(), map[uint64]bool{}
	for a := range int64(30) {
		for b := range int64(30) {
			for c := range int64(30) {
				seen[p.of(a, b, c)] = true
			}
		}
	}
	if len(seen) != 30*30*30 {
		t.Errorf("%d fingerprints of %d facts", len(seen), 30*30*30)
	}
	if newPrinter().of(1, 2) == p.of(1, 2) {
		t.Error("two looks make the same fingerprints")
	}
}
