package redisdb_test

import (
	"fmt"
	"testing"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/redisdb"
)

func TestSlot(t *testing.T) {
	// Answers of CLUSTER KEYSLOT of redis-server 7.0.15.
	for key, want := range map[string]int{"": 0, "123456789": 12739, "foo": 12182, "a{foo}b": 12182, "{}foo": 9500, "x{foo": 11351} {
		if got := redisdb.Slot(key); got != want {
			t.Errorf("Slot(%q) = %d, want %d", key, got, want)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Run("one slot a shard, evenly spread over any number of primaries", func(t *testing.T) {
		for _, campaign := range []string{"demo", "sg-1111", "th-1212-evening"} {
			for _, primaries := range []int{1, 2, 3, 4, 6, 10, 16} {
				shards := 4 * primaries
				counts := make([]int, primaries)
				keys := redisdb.NewKeys("shake", campaign, 7, shards)
				for s := range shards {
					slot := redisdb.Slot(keys.Pool(s))
					for _, key := range []string{keys.Out(s), keys.Lease(s), keys.Player(s, "ann")} {
						if got := redisdb.Slot(key); got != slot {
							t.Fatalf("%s: slot %d, its pool %d", key, got, slot)
						}
					}
					counts[slot*primaries/redisdb.Slots]++
				}
				for p, n := range counts {
					if n != 4 {
						t.Errorf("%s on %d primaries: primary %d holds %d shards, want 4", campaign, primaries, p, n)
					}
				}
			}
		}
	})
	t.Run("the bank has a slot of its own", func(t *testing.T) {
		for run := range int64(200) {
			keys := redisdb.NewKeys("shake", "demo", run+1, 64)
			bank := redisdb.Slot(keys.Pool(event.Bank))
			for s := range 64 {
				if redisdb.Slot(keys.Pool(s)) == bank {
					t.Fatalf("run %d: shard %d shares slot %d with the bank", run+1, s, bank)
				}
			}
		}
	})
	t.Run("namespaces keep apart", func(t *testing.T) {
		a, b := redisdb.NewKeys("shake", "demo", 1, 4), redisdb.NewKeys("shadow", "demo", 1, 4)
		if a.Pool(0) == b.Pool(0) || redisdb.Slot(a.Pool(0)) != redisdb.Slot(b.Pool(0)) {
			t.Errorf("got %s and %s, want other keys in the same slot", a.Pool(0), b.Pool(0))
		}
	})
}

func ExampleKeys() {
	keys := redisdb.NewKeys("shake", "demo", 3, 4)
	fmt.Println(keys.Pool(2), keys.Player(2, "ann"))
	// Output: shake:{demo.3.2.d}:pool shake:{demo.3.2.d}:p:ann
}
