package sqldb

import (
	"context"
	"database/sql"
	"fmt"
)

// Snapshot begins a transaction that only reads, and in which all reads see the database as of one moment: that of the
// first of them. It holds up nobody, and takes a connection until it is rolled back.
func (db *DB) Snapshot(ctx context.Context) (*sql.Tx, error) {
	opts := &sql.TxOptions{ReadOnly: true}
	if db.Dialect == MySQL {
		opts.Isolation = sql.LevelRepeatableRead
	}
	tx, err := db.DB.BeginTx(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	return tx, nil
}
