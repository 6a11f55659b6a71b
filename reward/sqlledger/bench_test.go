package sqlledger_test

import (
	"database/sql"
	"fmt"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/internal/sqldb/sqldbtest"
	"github.com/shake-live/shake/reward/rewardtest"
	"github.com/shake-live/shake/reward/sqlledger"
)

const (
	benchEntries = 64 // a batch, as they come from Kafka under load
	benchRounds  = 16 // an entry, as the scripts batch them
	benchPlayers = 20_000
)

// BenchmarkApply books paying rounds in batches of 1024, each worker from a shard of its own. "base" is what
// a grant costs at the very least, to compare with on the same machine: a round id, two entries without an
// index and a wallet, in transactions of 500.
//
//	go test -run '^$' -bench Apply -benchtime 200x -count 3 ./reward/sqlledger
func BenchmarkApply(b *testing.B) {
	b.Run("mariadb/base", func(b *testing.B) { benchmarkBase(b, sqldbtest.MariaDB(b)) })
	b.Run("mariadb/workers=1", func(b *testing.B) { benchmarkApply(b, sqldbtest.MariaDB(b), 1) })
	b.Run("mariadb/workers=2", func(b *testing.B) { benchmarkApply(b, sqldbtest.MariaDB(b), 2) })
	b.Run("sqlite/workers=1", func(b *testing.B) { benchmarkApply(b, sqldbtest.SQLite(b), 1) })
}

func benchmarkApply(b *testing.B, db *sqldb.DB, workers int) {
	store := sqlledger.New(db, clock.System{})
	var left atomic.Int64
	left.Store(int64(b.N))
	var g errgroup.Group
	for shard := range workers {
		batch := benchBatches(shard)
		g.Go(func() error {
			for left.Add(-1) >= 0 {
				if _, err := store.Apply(b.Context(), batch()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	b.ResetTimer()
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N*benchEntries*benchRounds)/b.Elapsed().Seconds(), "grants/s")
}

func benchBatches(shard int) func() []event.Entry {
	w := rewardtest.NewWriter("bench", shard)
	w.Credit(1 << 40)
	player := 0
	return func() []event.Entry {
		for range benchEntries {
			wins := make([]rewardtest.Win, benchRounds)
			for i := range wins {
				player++
				wins[i] = rewardtest.Win{User: fmt.Sprintf("user-%d-%06d", shard, player*7919%benchPlayers), Paid: 25}
			}
			w.End(wins...)
		}
		log := w.Log
		w.Log = nil
		return log
	}
}

func benchmarkBase(b *testing.B, db *sqldb.DB) {
	for _, ddl := range []string{
		`CREATE TABLE base_rounds (round VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
			user VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin, coins BIGINT)`,
		`CREATE TABLE base_entries (id BIGINT AUTO_INCREMENT PRIMARY KEY, round VARCHAR(64) CHARACTER SET ascii
			COLLATE ascii_bin, account VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin, coins BIGINT)`,
		`CREATE TABLE base_wallets (user VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, coins BIGINT)`,
	} {
		if _, err := db.ExecContext(b.Context(), ddl); err != nil {
			b.Fatal(err)
		}
	}
	inserts := []sqldb.Insert{
		{Into: "base_rounds", Columns: []string{"round", "user", "coins"}},
		{Into: "base_entries", Columns: []string{"round", "account", "coins"}},
		{Into: "base_wallets", Columns: []string{"user", "coins"}, End: db.Add([]string{"user"}, []string{"coins"})},
	}
	const batch = 500
	player := 0
	for b.Loop() {
		flat := make([][]any, 3)
		for range batch {
			player++
			user := fmt.Sprintf("user-%06d", player*7919%benchPlayers)
			round := fmt.Sprintf("bench.1.1.%s.%d", user, player/benchPlayers)
			flat[0] = append(flat[0], round, user, 25)
			flat[1] = append(flat[1], round, "run:bench.1", -25, round, "user:"+user, 25)
			flat[2] = append(flat[2], user, 25)
		}
		err := db.Tx(b.Context(), func(tx *sql.Tx) error {
			for i, in := range inserts {
				if err := in.Exec(b.Context(), tx, flat[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "grants/s")
}
