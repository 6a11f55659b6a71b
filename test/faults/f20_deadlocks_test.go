package faults

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Somebody holds rows that the ledger wants, longer than it waits, and takes others in the wrong order.
func init() {
	add(20, "deadlocks-and-lock-waits", plan{recovery: prompt}, func(s *scene) {
		s.play()
		s.breaks("rows are held, and taken in the wrong order")
		ctx, stop := context.WithTimeout(s.ctx, 20*time.Second)
		defer stop()
		var wg sync.WaitGroup
		wg.Go(func() { s.hold(ctx, "SELECT * FROM cursors FOR UPDATE", 7*time.Second) }) // InnoDB is told to wait 5 s
		for range 3 {
			wg.Go(func() {
				for ctx.Err() == nil {
					s.swap(ctx)
				}
			})
		}
		wg.Wait()
		s.everyShard()
	})
}

// hold keeps rows locked for a while.
func (s *scene) hold(ctx context.Context, query string, d time.Duration) {
	tx, err := s.SQL.BeginTx(ctx, nil)
	if err != nil {
		s.t.Error(err)
		return
	}
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		s.t.Error(err)
	} else {
		_ = rows.Close()
		s.pause(d)
	}
	_ = tx.Rollback() // nothing was changed
}

// swap touches two wallets, in any order. Whoever loses a deadlock is rolled back: us, or the ledger.
func (s *scene) swap(ctx context.Context) {
	tx, err := s.SQL.BeginTx(ctx, nil)
	if err != nil {
		return
	}
	defer func() { _ = tx.Rollback() }()
	for range 2 {
		user := s.crowd.players[rand.IntN(len(s.crowd.players))].user
		if _, err := tx.ExecContext(ctx, "UPDATE wallets SET balance = balance WHERE user = ?", user); err != nil {
			return
		}
		s.pause(20 * time.Millisecond)
	}
}
