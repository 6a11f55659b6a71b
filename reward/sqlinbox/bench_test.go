package sqlinbox_test

import (
	"fmt"
	"testing"

	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/internal/sqldb/sqldbtest"
	"github.com/shake-live/shake/reward/rewardtest"
	"github.com/shake-live/shake/reward/sqlinbox"
)

// BenchmarkApply writes notices in batches of 1024, for 20000 players, without a push service and with one.
//
//	go test -run '^$' -bench Apply -benchtime 100x ./reward/sqlinbox
func BenchmarkApply(b *testing.B) {
	for name, o := range map[string]sqlinbox.Options{"pages": {}, "service": handingOver} {
		b.Run(name, func(b *testing.B) { apply(b, sqlinbox.New(sqldbtest.MariaDB(b), clock.System{}, o)) })
	}
}

func apply(b *testing.B, store *sqlinbox.Store) {
	w := rewardtest.NewWriter("bench", 0)
	player := 0
	for b.Loop() {
		for range 64 {
			wins := make([]rewardtest.Win, 16)
			for i := range wins {
				player++
				wins[i] = rewardtest.Win{User: fmt.Sprintf("user-%06d", player*7919%20_000), Paid: 25}
			}
			w.End(wins...)
		}
		if _, err := store.Apply(b.Context(), w.Log); err != nil {
			b.Fatal(err)
		}
		w.Log = nil
	}
	b.ReportMetric(float64(b.N*1024)/b.Elapsed().Seconds(), "notices/s")
}
