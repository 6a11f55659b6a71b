package sqldb

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// openSQLite opens a file that several processes may use at once: readers never wait (WAL), a transaction
// takes the write lock at its start, and waits for it instead of failing later.
func openSQLite(o Options) (*sql.DB, error) {
	if o.DSN == "" || o.DSN == ":memory:" {
		return nil, errors.New("sqlite: a file path is needed; every connection would see its own memory")
	}
	path, err := filepath.Abs(o.DSN)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	query := url.Values{
		"_txlock":       {"immediate"},
		"_busy_timeout": {strconv.FormatInt(o.LockTimeout.Milliseconds(), 10)},
		"_foreign_keys": {"on"},
		"_journal_mode": {"WAL"},
		"_synchronous":  {"NORMAL"}, // a killed process loses nothing, a power cut the last transactions whole
		"_dqs":          {"0"},
	}
	file := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query.Encode()}
	pool, err := sql.Open("sqlite", file.String())
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	return pool, nil
}
