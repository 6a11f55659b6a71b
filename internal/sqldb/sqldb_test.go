package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// eachCounters runs a test on a table counters(name, n) with its key on name.
func eachCounters(t *testing.T, run func(t *testing.T, db *DB)) {
	eachUnmigrated(t, func(t *testing.T, o Options) {
		db := open(t, o)
		text := "VARBINARY(64)"
		if db.Dialect == SQLite {
			text = "TEXT"
		}
		_, err := db.ExecContext(t.Context(), "CREATE TABLE counters (name "+text+" NOT NULL PRIMARY KEY, n BIGINT NOT NULL)")
		if err != nil {
			t.Fatal(err)
		}
		run(t, db)
	})
}

func insert(t *testing.T, db *DB, end string, flat ...any) error {
	t.Helper()
	in := Insert{Into: "counters", Columns: []string{"name", "n"}, End: end}
	return db.Tx(t.Context(), func(tx *sql.Tx) error { return in.Exec(t.Context(), tx, flat) })
}

func count(t *testing.T, db *DB, name string) int {
	t.Helper()
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT n FROM counters WHERE name = ?", name).Scan(&n); err != nil {
		t.Fatalf("count of %q: %v", name, err)
	}
	return n
}

func TestOpen_refuses(t *testing.T) {
	for name, o := range map[string]Options{
		"unknown driver":  {Driver: "oracle", DSN: "x"},
		"bad dsn":         {Driver: "mysql", DSN: "mysql://root:secret@host"},
		"nobody there":    {Driver: "mysql", DSN: "root@tcp(127.0.0.1:1)/x"},
		"no file":         {Driver: "sqlite"},
		"memory":          {Driver: "sqlite", DSN: ":memory:"},
		"no such folder":  {Driver: "sqlite", DSN: filepath.Join(t.TempDir(), "a", "b.db")},
		"folder, no file": {Driver: "sqlite", DSN: t.TempDir()},
	} {
		if _, err := Open(t.Context(), o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want an error without the password", name, err)
		}
	}
}

// A path is a path: nothing in it is read as a parameter.
func TestOpen_oddPath(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a b?mode=ro&x=1#%41.db")
	db := open(t, Options{Driver: "sqlite", DSN: file})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
}

func TestInsert_ends(t *testing.T) {
	eachCounters(t, func(t *testing.T, db *DB) {
		key, n := []string{"name"}, []string{"n"}
		steps := []struct {
			end  string
			want int
		}{{"", 5}, {db.Keep("name"), 5}, {db.Add(key, n), 10}, {db.Set(key, n), 5}}
		for _, s := range steps {
			if err := insert(t, db, s.end, "ann", 5); err != nil {
				t.Fatalf("%q: %v", s.end, err)
			}
			if got := count(t, db, "ann"); got != s.want {
				t.Errorf("%q: got %d, want %d", s.end, got, s.want)
			}
		}
		if err := insert(t, db, "", "bob", 1, "ann", 1); !Duplicate(err) {
			t.Errorf("a second ann: got %v, want a duplicate", err)
		}
		if Duplicate(nil) || Transient(nil) || Unavailable(nil) {
			t.Error("nil is classified as an error")
		}
	})
}

func TestInsert_manyStatements(t *testing.T) {
	eachCounters(t, func(t *testing.T, db *DB) {
		plain := Insert{Into: "counters", Columns: []string{"name", "n"}, End: db.Keep("name")}
		bulk := db.Bulk(plain)
		if err := bulk.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		total := 0
		type inserter interface {
			Count(ctx context.Context, tx *sql.Tx, flat []any) (int, error)
		}
		for i, in := range []inserter{plain, bulk, db.Bulk(plain)} { // the last one not ready
			for _, rows := range []int{0, 1, bulkRows - 1, bulkRows, 2*bulkRows + 7, maxValues + 3} {
				flat := []any{"the same", i} // new once
				for range rows {
					total++
					flat = append(flat, fmt.Sprint("name", total), rows)
				}
				err := db.Tx(t.Context(), func(tx *sql.Tx) error {
					fresh, err := in.Count(t.Context(), tx, flat)
					if want := rows + 1; fresh != want && (total > rows && fresh != rows) {
						t.Errorf("%d rows: %d are new", rows, fresh)
					}
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		var rows int
		if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM counters").Scan(&rows); err != nil || rows != total+1 {
			t.Errorf("got %d rows (%v), want %d", rows, err, total+1)
		}
	})
}

// Ids that look alike are not the same: case, accents, trailing blanks, leading zeros.
func TestIDs_byteExact(t *testing.T) {
	eachCounters(t, func(t *testing.T, db *DB) {
		names := []string{"ann", "Ann", "ann ", "\u00e4nn", "a\u0308nn", "7", "07", "7.0", "🦆", "'", "\\", "?", ""}
		for i, name := range names {
			if err := insert(t, db, "", name, i); err != nil {
				t.Fatalf("%q: %v", name, err)
			}
		}
		for i, name := range names {
			if got := count(t, db, name); got != i {
				t.Errorf("%q: got the row of %q", name, names[got])
			}
		}
	})
}

func TestInsert_refusesWhatDoesNotFit(t *testing.T) {
	eachCounters(t, func(t *testing.T, db *DB) {
		if db.Dialect == SQLite {
			return // has no limits
		}
		if err := insert(t, db, db.Keep("name"), strings.Repeat("x", 65), 1); err == nil {
			t.Error("a name of 65 bytes was cut to 64")
		}
	})
}

func TestTx_rollsBack(t *testing.T) {
	eachCounters(t, func(t *testing.T, db *DB) {
		boom := errors.New("boom")
		err := db.Tx(t.Context(), func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(t.Context(), "INSERT INTO counters VALUES ('ann', 1)"); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Fatalf("got %v, want %v", err, boom)
		}
		if err := insert(t, db, "", "ann", 7); err != nil {
			t.Fatal(err)
		}
		if got := count(t, db, "ann"); got != 7 {
			t.Errorf("got %d, want 7", got)
		}
	})
}

func TestTx_endsWithItsContext(t *testing.T) {
	eachCounters(t, func(t *testing.T, db *DB) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		held, release := make(chan struct{}), make(chan struct{})
		var g errgroup.Group
		g.Go(func() error {
			return db.Tx(t.Context(), func(tx *sql.Tx) error {
				_, err := tx.ExecContext(t.Context(), "INSERT INTO counters VALUES ('ann', 1)")
				close(held)
				<-release
				return err
			})
		})
		<-held
		start := time.Now()
		err := db.Tx(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO counters VALUES ('ann', 2)")
			return err
		})
		if err == nil || time.Since(start) > 2*time.Second {
			t.Errorf("waited %v behind another transaction, got %v", time.Since(start), err)
		}
		close(release)
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// Two transactions that lock two rows crosswise deadlock on MySQL; both get through all the same.
func TestTx_deadlock(t *testing.T) {
	eachCounters(t, func(t *testing.T, db *DB) {
		if err := insert(t, db, "", "a", 0, "b", 0); err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		both.Add(2)
		cross := func(first, second string) error {
			tries := 0
			return db.Tx(t.Context(), func(tx *sql.Tx) error {
				tries++
				if _, err := tx.ExecContext(t.Context(), "UPDATE counters SET n = n + 1 WHERE name = ?", first); err != nil {
					return err
				}
				if tries == 1 && db.Dialect == MySQL {
					both.Done()
					both.Wait()
				}
				_, err := tx.ExecContext(t.Context(), "UPDATE counters SET n = n + 1 WHERE name = ?", second)
				return err
			})
		}
		var g errgroup.Group
		g.Go(func() error { return cross("a", "b") })
		g.Go(func() error { return cross("b", "a") })
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if a, b := count(t, db, "a"), count(t, db, "b"); a != 2 || b != 2 {
			t.Errorf("got %d and %d, want 2 and 2", a, b)
		}
	})
}

func TestTx_concurrentAdds(t *testing.T) {
	eachCounters(t, func(t *testing.T, db *DB) {
		var g errgroup.Group
		for range 8 {
			g.Go(func() error {
				for range 25 {
					if err := insert(t, db, db.Add([]string{"name"}, []string{"n"}), "ann", 1); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if got := count(t, db, "ann"); got != 200 {
			t.Errorf("got %d, want 200", got)
		}
	})
}

const envChild = "SQLDB_TEST_FILE"

// A SQLite file that another process opens, migrates and writes at the same time.
func TestSQLite_twoProcesses(t *testing.T) {
	file := os.Getenv(envChild)
	child := file != ""
	if !child {
		file = filepath.Join(t.TempDir(), "shared.db")
	}
	wait := func() error { return nil }
	if !child {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSQLite_twoProcesses$")
		cmd.Env = append(os.Environ(), envChild+"="+file)
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		wait = func() error {
			if err := cmd.Wait(); err != nil {
				return errors.New(out.String())
			}
			return nil
		}
	}
	db := open(t, Options{Driver: "sqlite", DSN: file})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	in := Insert{Into: "wallets", Columns: []string{"user", "balance"}, End: db.Add([]string{"user"}, []string{"balance"})}
	for range 200 {
		err := db.Tx(t.Context(), func(tx *sql.Tx) error { return in.Exec(t.Context(), tx, []any{"ann", 1}) })
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := wait(); err != nil {
		t.Fatal(err)
	}
	if child {
		return
	}
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT balance FROM wallets").Scan(&n); err != nil || n != 400 {
		t.Errorf("got %d (%v), want 400", n, err)
	}
}

func TestUnavailable(t *testing.T) {
	_, err := Open(t.Context(), Options{Driver: "mysql", DSN: "root@tcp(127.0.0.1:1)/x"})
	if !Unavailable(err) || Transient(err) || Duplicate(err) {
		t.Errorf("nobody listens: %v is not unavailable", err)
	}
	_, err = Open(t.Context(), Options{Driver: "sqlite", DSN: filepath.Join(t.TempDir(), "a", "b.db")})
	if !Unavailable(err) {
		t.Errorf("no such folder: %v is not unavailable", err)
	}
}
