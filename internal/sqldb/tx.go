package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	txTries = 6                     // a deadlock's loser wins within two or three; six is a database in trouble
	txPause = 10 * time.Millisecond // doubles from try to try: 310 ms in all
)

// Tx runs fn in one transaction and commits it. When the database breaks the transaction to resolve a
// deadlock or a lock wait, fn runs again in a new one; so fn changes nothing outside of tx, or sets it anew.
// Reads see what is committed when they run (read committed), not when the transaction began: no gap locks.
func (db *DB) Tx(ctx context.Context, fn func(tx *sql.Tx) error) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, db.opts.TxTimeout)
		defer cancel()
	}
	pause := txPause
	for try := 1; ; try++ {
		err := db.once(ctx, fn)
		if !Transient(err) || try == txTries {
			return err
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
			pause *= 2
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

func (db *DB) once(ctx context.Context, fn func(tx *sql.Tx) error) error {
	var opts *sql.TxOptions
	if db.Dialect == SQLite {
		select {
		case db.writer <- struct{}{}:
			defer func() { <-db.writer }()
		case <-ctx.Done():
			return ctx.Err()
		}
	} else {
		opts = &sql.TxOptions{Isolation: sql.LevelReadCommitted}
	}
	tx, err := db.DB.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() // also when fn panics; after Commit it does nothing
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
