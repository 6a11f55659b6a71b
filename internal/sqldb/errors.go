package sqldb

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"

	"github.com/go-sql-driver/mysql"
	"modernc.org/sqlite"
	lite "modernc.org/sqlite/lib"
)

// Duplicate tells whether a UNIQUE key refused a row.
func Duplicate(err error) bool {
	switch mysqlCode(err) {
	case 1062, 1586: // ER_DUP_ENTRY, the same with the key's name
		return true
	}
	switch sqliteCode(err) {
	case lite.SQLITE_CONSTRAINT_UNIQUE, lite.SQLITE_CONSTRAINT_PRIMARYKEY, lite.SQLITE_CONSTRAINT_ROWID:
		return true
	}
	return false
}

// Transient tells whether the same transaction, run anew, is likely to go through.
func Transient(err error) bool {
	switch mysqlCode(err) {
	case 1205, 1213, 1020: // lock wait timeout, deadlock, row changed since the snapshot (MariaDB 11.6)
		return true
	}
	switch sqliteCode(err) & 0xff {
	case lite.SQLITE_BUSY, lite.SQLITE_LOCKED:
		return true
	}
	return false
}

// Unavailable tells whether the database could not be reached or takes no writes; a transaction that was
// under way may or may not have been committed.
func Unavailable(err error) bool {
	switch mysqlCode(err) {
	case 1040, 1053, 1290, 1792, 1836, 1927: // too many connections, shutdown, read only (3x), killed
		return true
	}
	switch sqliteCode(err) & 0xff {
	case lite.SQLITE_CANTOPEN, lite.SQLITE_IOERR, lite.SQLITE_FULL, lite.SQLITE_READONLY:
		return true
	}
	var network net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) ||
		errors.Is(err, sql.ErrConnDone) || errors.As(err, &network)
}

func mysqlCode(err error) uint16 {
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return e.Number
	}
	return 0
}

func sqliteCode(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()
	}
	return 0
}
