package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// maxValues keeps one statement under SQLite's limit of 32766 values.
const maxValues = 30_000

// Insert writes many rows into one table with few statements.
type Insert struct {
	Into    string
	Columns []string
	End     string // Keep, Set or Add of the Dialect; empty: a duplicate is an error
}

// Exec inserts the rows whose values stand one after another in flat, len(Columns) a row.
func (i Insert) Exec(ctx context.Context, tx *sql.Tx, flat []any) error {
	_, err := i.Count(ctx, tx, flat)
	return err
}

// Count does what Exec does and tells how many rows are new; with Keep, that is: not there before.
func (i Insert) Count(ctx context.Context, tx *sql.Tx, flat []any) (fresh int, err error) {
	width := len(i.Columns)
	for len(flat) > 0 {
		n := min(len(flat), maxValues/width*width)
		rows, err := affected(tx.ExecContext(ctx, i.text(n/width), flat[:n]...))
		if err != nil {
			return 0, fmt.Errorf("insert into %s: %w", i.Into, err)
		}
		fresh += rows
		flat = flat[n:]
	}
	return fresh, nil
}

func (i Insert) text(rows int) string {
	return "INSERT INTO " + i.Into + " (" + strings.Join(i.Columns, ", ") + ") VALUES " +
		Repeat("("+Marks(len(i.Columns))+")", rows) + i.End
}

func affected(result sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// Marks gives "?, ?, ?" for n values.
func Marks(n int) string { return Repeat("?", n) }

// Repeat gives item n times with commas between.
func Repeat(item string, n int) string {
	return strings.TrimSuffix(strings.Repeat(item+", ", n), ", ")
}
