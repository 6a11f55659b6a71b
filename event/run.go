package event

import "github.com/cespare/xxhash/v2"

// Run names one life of a campaign and says over how many shards its players are spread.
type Run struct {
	Campaign string
	Number   int64
	Shards   int
}

// Source is one of the run's pools: a shard, or Bank.
func (r Run) Source(shard int) Source {
	return Source{Campaign: r.Campaign, Run: r.Number, Shard: shard}
}

// ShardOf is the player's shard, for as long as the run lasts.
func (r Run) ShardOf(user string) int {
	return int(xxhash.Sum64String(user) % uint64(r.Shards))
}

// Pools lists the run's pools, the bank first.
func (r Run) Pools() []int {
	pools := make([]int, 0, r.Shards+1)
	for s := Bank; s < r.Shards; s++ {
		pools = append(pools, s)
	}
	return pools
}
