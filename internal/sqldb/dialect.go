package sqldb

import "strings"

// Dialect is which SQL the database speaks, and the few places where the two differ.
type Dialect int

// The dialects.
const (
	MySQL Dialect = iota
	SQLite
)

// String names the dialect as Options.Driver does.
func (d Dialect) String() string { return [...]string{"mysql", "sqlite"}[d] }

// ForUpdate ends a SELECT whose rows the transaction is going to change. SQLite needs none: its
// transactions hold the only write lock from their start.
func (d Dialect) ForUpdate() string {
	if d == SQLite {
		return ""
	}
	return " FOR UPDATE"
}

// Keep ends an INSERT: a row whose key is there already stays as it is, and counts as no affected row.
// It is used in place of INSERT IGNORE, which would also swallow values that do not fit.
func (d Dialect) Keep(key ...string) string {
	if d == SQLite {
		return " ON CONFLICT (" + strings.Join(key, ", ") + ") DO NOTHING"
	}
	return " ON DUPLICATE KEY UPDATE " + key[0] + " = " + key[0]
}

// Set ends an INSERT: a row whose key is there already takes the new values of these columns.
func (d Dialect) Set(key, columns []string) string {
	return d.upsert(key, columns, func(c, fresh string) string { return fresh })
}

// Add ends an INSERT: a row whose key is there already gets the new values added to these columns.
func (d Dialect) Add(key, columns []string) string {
	return d.upsert(key, columns, func(c, fresh string) string { return c + " + " + fresh })
}

func (d Dialect) upsert(key, columns []string, value func(column, fresh string) string) string {
	head, open, end := " ON DUPLICATE KEY UPDATE ", "VALUES(", ")"
	if d == SQLite {
		head, open, end = " ON CONFLICT ("+strings.Join(key, ", ")+") DO UPDATE SET ", "excluded.", ""
	}
	set := make([]string, len(columns))
	for i, c := range columns {
		set[i] = c + " = " + value(c, open+c+end)
	}
	return head + strings.Join(set, ", ")
}

// Div is the whole part of a/b; "/" alone makes a decimal in MySQL.
func (d Dialect) Div(a, b string) string {
	if d == SQLite {
		return "(" + a + ") / (" + b + ")"
	}
	return "(" + a + ") DIV (" + b + ")"
}

// Concat joins two strings; "||" means OR in MySQL.
func (d Dialect) Concat(a, b string) string {
	if d == SQLite {
		return a + " || " + b
	}
	return "CONCAT(" + a + ", " + b + ")"
}
