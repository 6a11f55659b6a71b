package testenv

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// newMySQL prepares a MariaDB with an empty root password in a folder of its own.
func newMySQL(extra ...string) (*process, error) {
	bin, err := mariadbd.path()
	if err != nil {
		return nil, err
	}
	dir, err := newFolder("mariadb")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "my.cnf")
	if err := os.WriteFile(conf, []byte(mysqlConf(dir, port)+strings.Join(extra, "\n")+"\n"), 0o644); err != nil {
		return nil, err
	}
	if err := installMySQL(conf); err != nil {
		return nil, err
	}
	p := &process{name: "mariadbd", addr: loopback(port), dir: dir, args: []string{bin, "--defaults-file=" + conf}}
	p.ready = func() error { return asRoot(adminDSN(p.addr), "SELECT 1") }
	return p, nil
}

func mysqlConf(dir string, port int) string {
	lines := []string{
		"[mysqld]",
		"datadir=" + filepath.Join(dir, "data"),
		"bind-address=127.0.0.1",
		fmt.Sprintf("port=%d", port),
		"socket=sock", // beside the data: an absolute path may be longer than a socket's name can be
		"skip-name-resolve",
		"character-set-server=utf8mb4",
		"default-time-zone=+00:00",
		"max-connections=500",
		"innodb-buffer-pool-size=128M",
		"innodb-flush-log-at-trx-commit=2", // survives SIGKILL; only a power cut would lose a second
		"innodb-log-file-size=48M",
	}
	if os.Geteuid() == 0 {
		lines = append(lines, "user=root") // refused unless said
	}
	return strings.Join(lines, "\n") + "\n"
}

// installMySQL writes the system tables.
func installMySQL(conf string) error {
	bin, err := mariadbInit.path()
	if err != nil {
		return err
	}
	cmd := exec.Command(bin, "--defaults-file="+conf, "--auth-root-authentication-method=normal", "--skip-test-db")
	cmd.SysProcAttr = OwnedChild()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb-install-db: %w\n%s", err, out)
	}
	return nil
}

func adminDSN(addr string) string { return "root@tcp(" + addr + ")/" }

// database is the DSN of a database of the server that admin names, with the settings that every test gets.
func database(admin, name string) (string, error) {
	cfg, err := mysql.ParseDSN(admin)
	if err != nil {
		return "", err
	}
	cfg.DBName, cfg.ParseTime, cfg.Loc = name, true, time.UTC
	if cfg.Params == nil {
		cfg.Params = map[string]string{}
	}
	cfg.Params["time_zone"] = "'+00:00'"
	if err := cfg.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		return "", err
	}
	return cfg.FormatDSN(), nil
}

// Behind is a DSN whose server is reached by way of what front puts before its address.
func Behind(dsn string, front func(addr string) (string, error)) (string, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return "", err
	}
	if cfg.Addr, err = front(cfg.Addr); err != nil {
		return "", err
	}
	return cfg.FormatDSN(), nil
}

// asRoot runs one statement on the server that dsn names.
func asRoot(dsn, statement string) error {
	return onServer(dsn, func(ctx context.Context, db *sql.DB) error {
		_, err := db.ExecContext(ctx, statement)
		return err
	})
}

// serverLimit bounds what a test has a server do.
const serverLimit = time.Minute

func onServer(dsn string, do func(ctx context.Context, db *sql.DB) error) error {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return err
	}
	cfg.Logger = &mysql.NopLogger{} // a server that is still starting is no news
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), serverLimit)
	defer cancel()
	return do(ctx, db)
}

// Exec runs a statement as root on a server of StartMySQL.
func (s *Server) Exec(statement string) error { return asRoot(adminDSN(s.p.addr), statement) }

// Ask gives the one value of a query, as root on a server of StartMySQL.
func (s *Server) Ask(query string) (value string, err error) {
	err = onServer(adminDSN(s.p.addr), func(ctx context.Context, db *sql.DB) error { return db.QueryRowContext(ctx, query).Scan(&value) })
	return value, err
}
