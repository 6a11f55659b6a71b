package sqldb

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	migratemysql "github.com/golang-migrate/migrate/v4/database/mysql"
	"github.com/golang-migrate/migrate/v4/source/iofs"
)

// One folder a dialect, same numbers, same names; one DDL a file, because MySQL commits each at once and a
// file that broke half-way could not be run again.
//
//go:embed migrations/*/*.sql
var migrations embed.FS

const (
	lockPause    = 100 * time.Millisecond // between two tries to become the one who migrates
	migrateLimit = 10 * time.Minute       // for callers who set no deadline
)

// Migrate brings the schema to the newest version. Any number of processes may call it at once: one works,
// the others wait for it and find nothing left to do.
func (db *DB) Migrate(ctx context.Context) error {
	return db.migrate(ctx, (*migrate.Migrate).Up)
}

func (db *DB) migrate(ctx context.Context, walk func(*migrate.Migrate) error) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, migrateLimit)
		defer cancel()
	}
	for {
		err := db.migrateOnce(ctx, walk)
		switch {
		case err == nil || errors.Is(err, migrate.ErrNoChange):
			return nil
		case !errors.Is(err, database.ErrLocked) && !errors.Is(err, migrate.ErrLockTimeout) && !Transient(err):
			return fmt.Errorf("migrate: %w", err)
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return fmt.Errorf("migrate: %w", errors.Join(err, ctx.Err()))
		}
	}
}

func (db *DB) migrateOnce(ctx context.Context, walk func(*migrate.Migrate) error) error {
	files, err := iofs.New(migrations, "migrations/"+db.Dialect.String())
	if err != nil {
		return err
	}
	defer files.Close()
	conn, err := db.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	target, err := db.migrationTarget(ctx, conn)
	if err != nil {
		return err
	}
	m, err := migrate.NewWithInstance("files", files, db.Dialect.String(), target)
	if err != nil {
		return err
	}
	m.LockTimeout = db.opts.LockTimeout + 5*time.Second // the database's own wait ends first
	stop := context.AfterFunc(ctx, func() { m.GracefulStop <- true })
	defer stop()
	return walk(m)
}

func (db *DB) migrationTarget(ctx context.Context, conn *sql.Conn) (database.Driver, error) {
	if db.Dialect == SQLite {
		return &sqliteTarget{ctx: ctx, conn: conn}, nil
	}
	return migratemysql.WithConnection(ctx, conn, &migratemysql.Config{})
}
