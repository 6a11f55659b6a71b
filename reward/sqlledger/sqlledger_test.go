package sqlledger_test

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/internal/sqldb/sqldbtest"
	"github.com/shake-live/shake/reward/rewardtest"
	"github.com/shake-live/shake/reward/sqlledger"
)

func TestStore(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func(testing.TB) *sqldb.DB) {
		rewardtest.RunLedger(t, func(t testing.TB) rewardtest.Ledger { return sqlledger.New(open(t), clock.System{}) })
	})
}

// The server ends the connection in the middle of transactions: nothing of them stays, the retry books once.
func TestApply_connectionKilled(t *testing.T) {
	db := sqldbtest.MariaDB(t)
	store := sqlledger.New(db, clock.System{})
	stop := make(chan struct{})
	var g errgroup.Group
	g.Go(func() error { return killConnections(t, db, stop) })

	w := rewardtest.NewWriter("demo", 0)
	w.Credit(1 << 30)
	var want int64
	failed := 0
	for i := range 60 {
		var wins []rewardtest.Win
		for j := range 40 {
			wins = append(wins, rewardtest.Win{User: fmt.Sprint("user", j), Paid: int64(i)})
			want += int64(i)
		}
		w.End(wins...)
		for {
			_, err := store.Apply(t.Context(), w.Log)
			if err == nil {
				break
			}
			if failed++; !sqldb.Unavailable(err) {
				t.Fatalf("a killed connection reads %v", err)
			}
		}
		w.Log = w.Log[len(w.Log)-1:] // the last one comes again with the next
	}
	close(stop)
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d transactions failed", failed)
	sums, err := store.Sums(t.Context(), "demo", 1)
	if err != nil {
		t.Fatal(err)
	}
	if sums.Granted != want || sums.UserDelta != 0 || sums.ZeroSum != 0 || sums.Rounds != 60*40 {
		t.Errorf("got %+v, want %d granted and nothing left over", sums, want)
	}
}

func killConnections(t *testing.T, db *sqldb.DB, stop <-chan struct{}) error {
	conn, err := db.Conn(t.Context())
	if err != nil {
		return err
	}
	defer conn.Close()
	for {
		select {
		case <-stop:
			return nil
		case <-time.After(7 * time.Millisecond):
		}
		var id int64
		err := conn.QueryRowContext(t.Context(), `SELECT id FROM information_schema.processlist
			WHERE db = DATABASE() AND id <> CONNECTION_ID() ORDER BY RAND() LIMIT 1`).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		// It may be gone by itself by now.
		_, _ = conn.ExecContext(t.Context(), fmt.Sprint("KILL ", id))
	}
}
