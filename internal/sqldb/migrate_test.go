package sqldb

import (
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/golang-migrate/migrate/v4"
	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/internal/testenv"
)

// eachUnmigrated runs a test on an empty SQLite file and an empty MariaDB database.
func eachUnmigrated(t *testing.T, run func(t *testing.T, o Options)) {
	t.Run("sqlite", func(t *testing.T) {
		run(t, Options{Driver: "sqlite", DSN: filepath.Join(t.TempDir(), "shake.db")})
	})
	t.Run("mariadb", func(t *testing.T) {
		run(t, Options{Driver: "mysql", DSN: testenv.MySQL(t)})
	})
}

func open(t *testing.T, o Options) *DB {
	t.Helper()
	db, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func tables(t *testing.T, db *DB) []string {
	t.Helper()
	query := "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
	if db.Dialect == SQLite {
		query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
	}
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestMigrate_upDownUp(t *testing.T) {
	eachUnmigrated(t, func(t *testing.T, o Options) {
		db := open(t, o)
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		full := tables(t, db)
		if !slices.Contains(full, "rounds") || !slices.Contains(full, "final_places") {
			t.Fatalf("tables after up: %v", full)
		}
		if err := db.migrate(t.Context(), (*migrate.Migrate).Down); err != nil {
			t.Fatal(err)
		}
		if got := tables(t, db); !slices.Equal(got, []string{"schema_migrations"}) {
			t.Fatalf("tables after down: %v", got)
		}
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := tables(t, db); !slices.Equal(got, full) {
			t.Fatalf("tables after up again: got %v, want %v", got, full)
		}
	})
}

func TestMigrate_concurrently(t *testing.T) {
	eachUnmigrated(t, func(t *testing.T, o Options) {
		var g errgroup.Group
		for range 8 {
			db := open(t, o) // a pool each, as processes have
			g.Go(func() error { return db.Migrate(t.Context()) })
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestMigrate_brokenLeavesNothingOnSQLite(t *testing.T) {
	db := open(t, Options{Driver: "sqlite", DSN: filepath.Join(t.TempDir(), "shake.db")})
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE wallets (mine INTEGER)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "wallets") {
		t.Fatalf("a table in the way: got %v, want an error that names it", err)
	}
	if got := tables(t, db); !slices.Equal(got, []string{"wallets"}) {
		t.Fatalf("tables after a broken migration: %v", got)
	}
	if _, err := db.ExecContext(t.Context(), "DROP TABLE wallets"); err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatalf("once the table is out of the way: %v", err)
	}
}

// Both folders carry the same steps, each with a way back, one statement a file.
func TestMigrations_files(t *testing.T) {
	names := map[string][]string{}
	err := fs.WalkDir(migrations, "migrations", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(migrations, file)
		if err != nil {
			return err
		}
		if strings.Count(string(text), ";\n") != 1 || !strings.HasSuffix(string(text), ";\n") {
			t.Errorf("%s: want exactly one statement", file)
		}
		names[path.Base(path.Dir(file))] = append(names[path.Base(path.Dir(file))], path.Base(file))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(names["mysql"], names["sqlite"]) {
		t.Errorf("steps differ:\nmysql  %v\nsqlite %v", names["mysql"], names["sqlite"])
	}
	for _, name := range names["mysql"] {
		if up, ok := strings.CutSuffix(name, ".up.sql"); ok && !slices.Contains(names["mysql"], up+".down.sql") {
			t.Errorf("%s has no way back", name)
		}
	}
}
