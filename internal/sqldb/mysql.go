package sqldb

import (
	"database/sql"
	"fmt"
	"net"
	"time"

	"github.com/go-sql-driver/mysql"
)

// backstop ends a read or write on the socket that nothing else ends: database/sql gives COMMIT no context.
// It is longer than the longest statement there is, the freezing of a final board of a million players.
const backstop = 5 * time.Minute

func openMySQL(o Options) (*sql.DB, error) {
	cfg, err := mysqlConfig(o)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("mysql: %w", err)
	}
	return sql.OpenDB(connector), nil
}

// mysqlConfig takes address and login from the DSN and sets what the stores rely on.
func mysqlConfig(o Options) (*mysql.Config, error) {
	cfg, err := mysql.ParseDSN(o.DSN)
	if err != nil {
		// The parser's message can quote the password.
		return nil, fmt.Errorf("mysql: the DSN is not user:password@tcp(host:port)/database")
	}
	if err := cfg.Apply(mysql.Charset("utf8mb4", "utf8mb4_bin")); err != nil {
		return nil, fmt.Errorf("mysql: %w", err)
	}
	if o.TLS != nil {
		cfg.TLS = o.TLS.Clone()
		if host, _, err := net.SplitHostPort(cfg.Addr); err == nil && cfg.TLS.ServerName == "" {
			cfg.TLS.ServerName = host
		}
	}
	cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout = o.DialTimeout, backstop, backstop
	cfg.InterpolateParams = true // a batch is one round trip instead of prepare, execute, close
	cfg.RejectReadOnly = true    // after a failover the old primary is read-only: connect anew
	cfg.ClientFoundRows = false
	cfg.MultiStatements = false
	cfg.Logger = &mysql.NopLogger{} // what it would print comes back as an error, too
	if cfg.Params == nil {
		cfg.Params = map[string]string{}
	}
	// Without strict mode a user id that is too long would be cut, and cut ids collide.
	cfg.Params["sql_mode"] = "'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"
	cfg.Params["time_zone"] = "'+00:00'"
	cfg.Params["innodb_lock_wait_timeout"] = fmt.Sprint(max(1, int(o.LockTimeout/time.Second)))
	return cfg, nil
}
