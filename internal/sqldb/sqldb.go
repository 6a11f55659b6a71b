// Package sqldb opens the SQL database and hides which one it is: MySQL (or MariaDB) on servers, a SQLite
// file in `shake dev` and in tests. It is the only package that knows SQL drivers; stores write one SQL
// text for both and ask the Dialect where the two differ.
package sqldb

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"time"
)

// Options say which database to open and how much of it one process may take.
type Options struct {
	Driver string // "mysql" or "sqlite"
	DSN    string // mysql: user:password@tcp(host:port)/database; sqlite: the path of a file

	TLS *tls.Config // mysql's, whatever the DSN says; nil: what the DSN says

	MaxConns    int           // open connections at most
	ConnMaxAge  time.Duration // a connection is replaced after this, so that a failover is followed
	DialTimeout time.Duration // to connect to a server
	TxTimeout   time.Duration // for a transaction whose caller set no deadline of its own
	LockTimeout time.Duration // waiting for a row (mysql) or the file (sqlite) before the database gives up

	Lazy bool // connect when it is first needed
}

// Default gives every limit a value; Driver and DSN are the caller's.
func Default() Options {
	return Options{
		MaxConns:    16,
		ConnMaxAge:  5 * time.Minute,
		DialTimeout: 3 * time.Second,
		TxTimeout:   30 * time.Second,
		LockTimeout: 10 * time.Second,
	}
}

// withDefaults fills in what the caller left at zero.
func (o Options) withDefaults() Options {
	d := Default()
	if o.MaxConns <= 0 {
		o.MaxConns = d.MaxConns
	}
	fill(&o.ConnMaxAge, d.ConnMaxAge)
	fill(&o.DialTimeout, d.DialTimeout)
	fill(&o.TxTimeout, d.TxTimeout)
	fill(&o.LockTimeout, d.LockTimeout)
	return o
}

func fill(d *time.Duration, fallback time.Duration) {
	if *d <= 0 {
		*d = fallback
	}
}

// DB is an open database. Reads go through the embedded pool, writes through Tx.
type DB struct {
	*sql.DB
	Dialect

	opts Options
	// writer lets one transaction of this process in at a time on SQLite, which has one writer. Waiting
	// here is fair and ends with the context; waiting inside SQLite is a poll with sleeps of up to 100 ms.
	writer chan struct{}
}

// ErrDriver says that Options name a driver that nobody knows.
var ErrDriver = errors.New(`driver must be "mysql" or "sqlite"`)

// ErrUnreachable says that the database did not answer, which may pass; a database that refuses us is another matter.
var ErrUnreachable = errors.New("the database can't be reached")

// Open connects and checks that the database answers, unless that is left for later. The schema is Migrate's.
func Open(ctx context.Context, o Options) (*DB, error) {
	o = o.withDefaults()
	var pool *sql.DB
	var dialect Dialect
	var err error
	switch o.Driver {
	case "mysql":
		dialect = MySQL
		pool, err = openMySQL(o)
	case "sqlite":
		dialect = SQLite
		pool, err = openSQLite(o)
	default:
		return nil, fmt.Errorf("%w, not %q", ErrDriver, o.Driver)
	}
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(o.MaxConns)
	pool.SetMaxIdleConns(o.MaxConns) // closing what the next burst opens again costs more than it saves
	pool.SetConnMaxLifetime(o.ConnMaxAge)
	db := &DB{DB: pool, Dialect: dialect, opts: o, writer: make(chan struct{}, 1)}
	if o.Lazy {
		return db, nil
	}
	if err := db.Ping(ctx); err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return db, nil
}

// Ping tells whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	err := db.DB.PingContext(ctx)
	var network net.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &network), errors.Is(err, driver.ErrBadConn), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("ping %s: %w: %w", db.Dialect, ErrUnreachable, err)
	}
	return fmt.Errorf("ping %s: %w", db.Dialect, err)
}
