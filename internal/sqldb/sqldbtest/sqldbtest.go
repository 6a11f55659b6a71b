// Package sqldbtest gives tests an open database with the newest schema, one of each kind.
package sqldbtest

import (
	"path/filepath"
	"testing"

	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/internal/testenv"
)

// SQLite opens a file of the test's own.
func SQLite(t testing.TB) *sqldb.DB {
	t.Helper()
	return migrated(t, sqldb.Options{Driver: "sqlite", DSN: filepath.Join(t.TempDir(), "shake.db")})
}

// MariaDB opens a database of the test's own on the shared server.
func MariaDB(t testing.TB) *sqldb.DB {
	t.Helper()
	return migrated(t, sqldb.Options{Driver: "mysql", DSN: testenv.MySQL(t)})
}

// Each runs a test on both.
func Each(t *testing.T, run func(t *testing.T, open func(testing.TB) *sqldb.DB)) {
	t.Run("sqlite", func(t *testing.T) { run(t, SQLite) })
	t.Run("mariadb", func(t *testing.T) { run(t, MariaDB) })
}

func migrated(t testing.TB, o sqldb.Options) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}
