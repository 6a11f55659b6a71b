package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"io"

	"github.com/golang-migrate/migrate/v4/database"
)

// sqliteTarget lets golang-migrate work on a SQLite file. Its own driver locks within one process only; here
// the lock is the file's write lock, held in one transaction from Lock to Unlock. So two processes cannot
// migrate at once, and a migration that breaks leaves nothing behind.
type sqliteTarget struct {
	ctx    context.Context
	conn   *sql.Conn
	broken bool // a statement failed: Unlock rolls back
}

func (t *sqliteTarget) exec(query string, args ...any) error {
	_, err := t.conn.ExecContext(t.ctx, query, args...)
	if err != nil {
		t.broken = true
	}
	return err
}

// Lock opens the transaction that everything until Unlock is part of.
func (t *sqliteTarget) Lock() error {
	t.broken = false
	if err := t.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := t.exec("CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER NOT NULL, dirty INTEGER NOT NULL)")
	if err != nil {
		return errors.Join(err, t.Unlock()) // nobody unlocks what was not locked
	}
	return nil
}

// Unlock commits, or rolls back when something failed. It works without a context: a half-open transaction
// must not stay on a connection that goes back to the pool.
func (t *sqliteTarget) Unlock() error {
	end := "COMMIT"
	if t.broken || t.ctx.Err() != nil {
		end = "ROLLBACK"
	}
	_, err := t.conn.ExecContext(context.WithoutCancel(t.ctx), end)
	return err
}

// Run executes one migration file.
func (t *sqliteTarget) Run(migration io.Reader) error {
	text, err := io.ReadAll(migration)
	if err != nil {
		return err
	}
	if err := t.exec(string(text)); err != nil {
		return &database.Error{OrigErr: err, Err: "migration failed", Query: text}
	}
	return nil
}

// SetVersion records how far the schema is.
func (t *sqliteTarget) SetVersion(version int, dirty bool) error {
	if err := t.exec("DELETE FROM schema_migrations"); err != nil {
		return err
	}
	if version == database.NilVersion {
		return nil
	}
	return t.exec("INSERT INTO schema_migrations (version, dirty) VALUES (?, ?)", version, dirty)
}

// Version tells how far the schema is.
func (t *sqliteTarget) Version() (version int, dirty bool, err error) {
	err = t.conn.QueryRowContext(t.ctx, "SELECT version, dirty FROM schema_migrations").Scan(&version, &dirty)
	if errors.Is(err, sql.ErrNoRows) {
		return database.NilVersion, false, nil
	}
	return version, dirty, err
}

// Open is how golang-migrate makes drivers from URLs, which nobody does here.
func (t *sqliteTarget) Open(string) (database.Driver, error) {
	return nil, errors.ErrUnsupported
}

// Drop would delete every table; migrations have a way down instead.
func (t *sqliteTarget) Drop() error { return errors.ErrUnsupported }

// Close leaves the connection to whoever opened it.
func (t *sqliteTarget) Close() error { return nil }
