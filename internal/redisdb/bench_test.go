package redisdb_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
)

// BenchmarkDo is what a call costs this process, the script apart, when a hundred come at once.
func BenchmarkDo(b *testing.B) {
	r := newRig(b, redisdb.Options{Addrs: []string{testenv.Redis(b)}}, redisdb.BatchOptions{}, 4)
	keys := make([]string, 1024)
	for i := range keys {
		keys[i] = r.keys.Player(i%4, fmt.Sprint("user", i))
	}
	var next atomic.Int64
	b.SetParallelism(50)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := int(next.Add(1)) % len(keys)
			if _, err := r.b.Do(b.Context(), redisdb.Call{Head: r.heads[i%4], Key: keys[i], Args: []any{"x"}}); err != nil {
				b.Error(err)
			}
		}
	})
}
