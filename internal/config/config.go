// Package config reads the configuration of `shake serve` once: one YAML file, secrets from the environment or
// from files, unknown keys refused. deploy/shake.yaml is the same with every default and a word on each.
package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shake-live/shake/internal/yamlfile"
)

// Config is everything a process is told.
type Config struct {
	Namespace       string     `yaml:"namespace"`
	Listen          Listen     `yaml:"listen"`
	Redis           Redis      `yaml:"redis"`
	Kafka           Kafka      `yaml:"kafka"`
	SQL             SQL        `yaml:"sql"`
	Sessions        Keys       `yaml:"sessions"`
	SessionTTL      Duration   `yaml:"session_ttl"`
	SessionLifetime Duration   `yaml:"session_lifetime"`
	Runs            Keys       `yaml:"runs"`
	Providers       Providers  `yaml:"providers"`
	Durability      Durability `yaml:"durability"`
	Batch           Batch      `yaml:"batch"`
	Cache           Cache      `yaml:"cache"`
	CORS            CORS       `yaml:"cors"`
	Page            Page       `yaml:"page"`
	Limits          Limits     `yaml:"limits"`
	Worker          Worker     `yaml:"worker"`
	Reconcile       Reconcile  `yaml:"reconcile"`
	LameDuck        Duration   `yaml:"lame_duck"`
	Drain           Duration   `yaml:"drain"`
	Log             Log        `yaml:"log"`

	PushService PushService `yaml:"push_service"`
	RoundLog    RoundLog    `yaml:"round_log"`
}

// RoundLog is where a node keeps the claims of the rounds that it settled; without a folder it keeps none.
type RoundLog struct {
	Dir       string   `yaml:"dir"`
	Flush     Duration `yaml:"flush"`
	Sync      Duration `yaml:"sync"`
	MaxBytes  int64    `yaml:"max_bytes"`
	KeepBytes int64    `yaml:"keep_bytes"`
	KeepFor   Duration `yaml:"keep_for"`
}

// Listen are the addresses of the doors; a port of 0 takes any free one.
type Listen struct {
	Access  string   `yaml:"access"`
	TLSCert string   `yaml:"tls_cert"`
	TLSKey  string   `yaml:"tls_key"`
	HSTS    Duration `yaml:"hsts"`
	H2C     bool     `yaml:"h2c"`
	Ops     string   `yaml:"ops"`
}

// Redis says where the rounds are kept.
type Redis struct {
	Addrs       []string `yaml:"addrs"`
	Cluster     bool     `yaml:"cluster"`
	Username    string   `yaml:"username"`
	Password    Secret   `yaml:"password"`
	TLS         TLS      `yaml:"tls"`
	DialTimeout Duration `yaml:"dial_timeout"`
	ReadTimeout Duration `yaml:"read_timeout"`
}

// Kafka says where entries go.
type Kafka struct {
	Brokers     []string `yaml:"brokers"`
	Partitions  int32    `yaml:"partitions"`
	Replication int16    `yaml:"replication"`
	Retention   Duration `yaml:"retention"`
	TLS         TLS      `yaml:"tls"`
	SASL        SASL     `yaml:"sasl"`
}

// SQL says where campaigns and the ledger are kept.
type SQL struct {
	Driver   string `yaml:"driver"`
	DSN      Secret `yaml:"dsn"`
	MaxConns int    `yaml:"max_conns"`
	Migrate  bool   `yaml:"migrate"`
	TLS      TLS    `yaml:"tls"`
}

// Keys are secret keys by id, and the id of the one for what is new.
type Keys struct {
	Current string            `yaml:"current"`
	Keys    map[string]Secret `yaml:"keys"`
}

// Durability says when an end counts as safe.
type Durability struct {
	Mode     string   `yaml:"mode"`
	Replicas int      `yaml:"replicas"`
	Wait     Duration `yaml:"wait"`
}

// Batch bounds the group commit.
type Batch struct {
	MaxBatch  int      `yaml:"max_batch"`
	MaxFlight int      `yaml:"max_flight"`
	MaxQueue  int      `yaml:"max_queue"`
	MaxAge    Duration `yaml:"max_age"`
	Flights   int      `yaml:"flights"`
}

// Cache bounds the catalog.
type Cache struct {
	TTL       Duration `yaml:"ttl"`
	MaxWait   Duration `yaml:"max_wait"`
	CopyTTL   Duration `yaml:"copy_ttl"`
	MaxCopies int      `yaml:"max_copies"`
}

// Limits bounds the players' door.
type Limits struct {
	UserRate     float64 `yaml:"user_rate"`
	UserBurst    int     `yaml:"user_burst"`
	AddressRate  float64 `yaml:"address_rate"`
	AddressBurst int     `yaml:"address_burst"`
	PublicRate   float64 `yaml:"public_rate"`
	PublicBurst  int     `yaml:"public_burst"`
	MarketRate   float64 `yaml:"market_rate"`
	MarketBurst  int     `yaml:"market_burst"`

	Markets map[string]float64 `yaml:"markets"`
	Routes  map[string]float64 `yaml:"routes"`

	MaxConnections int `yaml:"max_connections"`

	MaxInFlight int      `yaml:"max_in_flight"`
	MinInFlight int      `yaml:"min_in_flight"`
	MaxWait     Duration `yaml:"max_wait"`
	Target      Duration `yaml:"target"`
	MaxPages    int      `yaml:"max_pages"`
	PlayTimeout Duration `yaml:"play_timeout"`
	ReadTimeout Duration `yaml:"read_timeout"`

	TrustedProxies Proxies `yaml:"trusted_proxies"`
}

// Worker sets the rhythm of the jobs behind.
type Worker struct {
	Look        Duration `yaml:"look"`
	MaxBatch    int      `yaml:"max_batch"`
	MaxAge      Duration `yaml:"max_age"`
	RetireAfter Duration `yaml:"retire_after"`
}

// Reconcile says how often workers check that nothing was lost and nothing paid twice.
type Reconcile struct {
	Counters   Duration `yaml:"counters"` // between two checks of a run's counters; 0: none
	Rounds     Duration `yaml:"rounds"`   // between two checks of all its rounds; 0: none
	Settled    bool     `yaml:"settled"`  // all rounds of a run once, when it is settled
	MaxPlayers int      `yaml:"max_players"`
}

// Log says what is logged and how.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Default is the configuration where a file says nothing.
func Default() Config {
	const ms = Duration(time.Millisecond)
	const second = Duration(time.Second)
	return Config{
		Namespace:       "shake",
		Listen:          Listen{Access: "127.0.0.1:8080", HSTS: 365 * 24 * 3600 * second, Ops: "127.0.0.1:9090"},
		Redis:           Redis{Addrs: []string{"127.0.0.1:6379"}, DialTimeout: 500 * ms, ReadTimeout: second},
		Kafka:           Kafka{Brokers: []string{"127.0.0.1:9092"}, Partitions: 12, Replication: 3, Retention: 7 * 24 * 3600 * second},
		SQL:             SQL{Driver: "mysql", MaxConns: 16, Migrate: true},
		SessionTTL:      12 * 3600 * second,
		SessionLifetime: 72 * 3600 * second,
		Durability:      Durability{Mode: "replicated", Replicas: 1, Wait: 200 * ms},
		Batch:           Batch{MaxBatch: 64, MaxFlight: 1024, MaxQueue: 16384, MaxAge: second, Flights: 1},
		Cache:           Cache{TTL: second, MaxWait: 50 * ms, CopyTTL: 60 * second, MaxCopies: 4096},
		CORS:            CORS{Origins: []string{}, MaxAge: 600 * second},
		Page:            Page{FrameAncestors: []string{}},
		Limits: Limits{
			UserRate: 20, UserBurst: 50, Markets: map[string]float64{}, Routes: map[string]float64{}, MaxConnections: 50000, MaxInFlight: 20000, MinInFlight: 512, MaxWait: second, Target: 250 * ms,
			MaxPages: 20000, PlayTimeout: 2 * second, ReadTimeout: 2 * second, TrustedProxies: Proxies{},
		},
		PushService: PushService{After: 5 * second, Timeout: 5 * second, Concurrency: 32, GiveUp: 24 * 3600 * second},
		Worker:      Worker{Look: 100 * ms, MaxBatch: 500, MaxAge: 50 * ms, RetireAfter: 7 * 24 * 3600 * second},
		Reconcile:   Reconcile{Counters: 60 * second, Settled: true, MaxPlayers: 1 << 20},
		LameDuck:    3 * second,
		Drain:       20 * second,
		Log:         Log{Level: "info", Format: "json"},
		RoundLog:    RoundLog{Dir: "round-log", Flush: 10 * ms, Sync: second, MaxBytes: 64 << 20, KeepBytes: 8 << 30, KeepFor: 30 * 24 * 3600 * second},
	}
}

// Load reads a file over the defaults, fills in the secrets and validates.
func Load(path string, getenv func(string) string) (Config, error) {
	text, err := os.ReadFile(path) // #nosec G304 -- whoever starts us names the file
	if err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return Parse(text, getenv)
}

// ErrInvalid says that a configuration can't be used as it stands.
var ErrInvalid = errors.New("config")

// Parse is Load for a file's text.
func Parse(text []byte, getenv func(string) string) (Config, error) {
	c := Default()
	for _, step := range []func() error{
		func() error { return yamlfile.Decode(text, &c) },
		func() error { return c.reveal(getenv) },
		c.Validate,
	} {
		if err := step(); err != nil {
			return Config{}, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	return c, nil
}

// reveal replaces each secret's reference by what it refers to.
func (c *Config) reveal(getenv func(string) string) error {
	errs := []error{
		c.Redis.Password.reveal("redis.password", getenv), c.SQL.DSN.reveal("sql.dsn", getenv), c.Kafka.SASL.Password.reveal("kafka.sasl.password", getenv),
		c.PushService.Token.reveal("push_service.token", getenv), c.PushService.SigningKey.reveal("push_service.signing_key", getenv),
	}
	for where, keys := range map[string]Keys{"sessions": c.Sessions, "runs": c.Runs} {
		for id, secret := range keys.Keys {
			errs = append(errs, secret.reveal(where+".keys."+id, getenv))
			keys.Keys[id] = secret
		}
	}
	for name, p := range c.Providers {
		errs = append(errs, p.ClientSecret.reveal("providers."+name+".client_secret", getenv))
		c.Providers[name] = p
	}
	return errors.Join(errs...)
}

// Validate names everything that is wrong.
func (c *Config) Validate() error {
	var errs []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	need(c.Namespace != "" && !strings.ContainsAny(c.Namespace, "{}: \n"), "namespace %q: want a word without braces and colons", c.Namespace)
	need(len(c.Redis.Addrs) > 0, "redis.addrs: want at least one")
	need(c.Redis.Cluster || len(c.Redis.Addrs) == 1, "redis.addrs: want exactly one without cluster")
	need(len(c.Kafka.Brokers) > 0, "kafka.brokers: want at least one")
	need(c.Kafka.Partitions > 0 && c.Kafka.Replication > 0, "kafka: want partitions and replication of at least 1")
	need(c.SQL.Driver == "mysql" || c.SQL.Driver == "sqlite", "sql.driver %q: want mysql or sqlite", c.SQL.Driver)
	need(c.SQL.DSN.Value() != "", "sql.dsn: want one")
	need(c.SessionTTL >= Duration(time.Second), "session_ttl: want at least 1s")
	need(c.SessionLifetime >= c.SessionTTL, "session_lifetime: want at least session_ttl")
	need(c.Durability.Mode == "async" || c.Durability.Mode == "replicated", "durability.mode %q: want replicated or async", c.Durability.Mode)
	need(c.Durability.Mode == "async" || c.Durability.Replicas > 0, "durability.replicas: want at least 1, or mode async")
	need(c.Durability.Wait < c.Redis.ReadTimeout, "durability.wait: want less than redis.read_timeout, which ends the wait")
	need(slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level), "log.level %q: want debug, info, warn or error", c.Log.Level)
	need(c.Log.Format == "json" || c.Log.Format == "text", "log.format %q: want json or text", c.Log.Format)
	need((c.Listen.TLSCert == "") == (c.Listen.TLSKey == ""), "listen.tls_cert, listen.tls_key: want both or none")
	need(!c.Listen.H2C || c.Listen.TLSCert == "", "listen.h2c: want it without TLS alone; with TLS there is HTTP/2")
	need(c.Listen.HSTS >= 0, "listen.hsts: want 0 or more")
	need(c.LameDuck >= 0, "lame_duck: want 0 or more")
	errs = append(errs, c.Sessions.validate("sessions"), c.Runs.validate("runs"), c.positive(), c.addresses(), c.rates(), c.Providers.validate(), c.CORS.validate(), c.Page.validate(), c.PushService.validate())
	need(!c.SQL.TLS.On || c.SQL.Driver == "mysql", "sql.tls.on: want it with mysql alone")
	errs = append(errs, c.Redis.TLS.validate("redis.tls"), c.Kafka.TLS.validate("kafka.tls"), c.SQL.TLS.validate("sql.tls"), c.Kafka.SASL.validate("kafka.sasl"))
	need(c.Reconcile.Counters >= 0 && c.Reconcile.Rounds >= 0, "reconcile: want counters and rounds of 0 or more")
	need(c.Reconcile.MaxPlayers >= 1024, "reconcile.max_players: want at least 1024")
	_, err := c.Limits.TrustedProxies.Prefixes()
	errs = append(errs, err)
	return errors.Join(errs...)
}

// addresses checks what must be host:port.
func (c *Config) addresses() error {
	var errs []error
	check := func(name, addr string) { errs = append(errs, CheckAddress(name, addr)) }
	check("listen.access", c.Listen.Access)
	check("listen.ops", c.Listen.Ops)
	for _, addr := range c.Redis.Addrs {
		check("redis.addrs", addr)
	}
	for _, addr := range c.Kafka.Brokers {
		check("kafka.brokers", addr)
	}
	return errors.Join(errs...)
}

// CheckAddress wants host:port.
func CheckAddress(name, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%s %q: want host:port", name, addr)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%s %q: want a port from 0 to 65535", name, addr)
	}
	return nil
}

// rates checks what may be 0 and must be a plain number.
func (c *Config) rates() error {
	const slowest, fastest = 0.001, 1e6 // a second; between these an interval is a whole number of ns, and more than 0
	var errs []error
	for name, rate := range map[string]float64{"limits.user_rate": c.Limits.UserRate, "limits.address_rate": c.Limits.AddressRate, "limits.public_rate": c.Limits.PublicRate, "limits.market_rate": c.Limits.MarketRate} {
		if rate != 0 && !(rate >= slowest && rate <= fastest) {
			errs = append(errs, fmt.Errorf("%s: want 0, or %v to %v a second", name, slowest, fastest))
		}
	}
	for field, rates := range map[string]map[string]float64{"routes": c.Limits.Routes, "markets": c.Limits.Markets} {
		for name, rate := range rates {
			if !(rate >= slowest && rate <= fastest) {
				errs = append(errs, fmt.Errorf("limits.%s.%s: want %v to %v a second", field, name, slowest, fastest))
			}
		}
	}
	for name, n := range map[string]int{"limits.user_burst": c.Limits.UserBurst, "limits.address_burst": c.Limits.AddressBurst, "limits.public_burst": c.Limits.PublicBurst, "limits.market_burst": c.Limits.MarketBurst, "durability.replicas": c.Durability.Replicas, "limits.max_wait": int(c.Limits.MaxWait), "worker.retire_after": int(c.Worker.RetireAfter)} {
		if n < 0 {
			errs = append(errs, fmt.Errorf("%s: want 0 or more", name))
		}
	}
	return errors.Join(errs...)
}

// positive checks what must be more than nothing.
func (c *Config) positive() error {
	var errs []error
	for name, n := range map[string]int64{
		"redis.dial_timeout": int64(c.Redis.DialTimeout), "redis.read_timeout": int64(c.Redis.ReadTimeout),
		"kafka.retention": int64(c.Kafka.Retention), "sql.max_conns": int64(c.SQL.MaxConns), "durability.wait": int64(c.Durability.Wait),
		"batch.max_batch": int64(c.Batch.MaxBatch), "batch.max_flight": int64(c.Batch.MaxFlight), "batch.max_queue": int64(c.Batch.MaxQueue),
		"batch.max_age": int64(c.Batch.MaxAge), "batch.flights": int64(c.Batch.Flights), "cache.ttl": int64(c.Cache.TTL),
		"cache.max_wait": int64(c.Cache.MaxWait), "cache.copy_ttl": int64(c.Cache.CopyTTL), "cache.max_copies": int64(c.Cache.MaxCopies),
		"limits.max_connections": int64(c.Limits.MaxConnections), "limits.max_in_flight": int64(c.Limits.MaxInFlight), "limits.min_in_flight": int64(c.Limits.MinInFlight), "limits.target": int64(c.Limits.Target), "limits.max_pages": int64(c.Limits.MaxPages), "limits.play_timeout": int64(c.Limits.PlayTimeout),
		"limits.read_timeout": int64(c.Limits.ReadTimeout), "worker.look": int64(c.Worker.Look),
		"worker.max_batch": int64(c.Worker.MaxBatch), "worker.max_age": int64(c.Worker.MaxAge), "drain": int64(c.Drain),
		"round_log.flush": int64(c.RoundLog.Flush), "round_log.sync": int64(c.RoundLog.Sync), "round_log.max_bytes": c.RoundLog.MaxBytes,
		"round_log.keep_bytes": c.RoundLog.KeepBytes, "round_log.keep_for": int64(c.RoundLog.KeepFor),
	} {
		if n <= 0 {
			errs = append(errs, fmt.Errorf("%s: want more than 0", name))
		}
	}
	return errors.Join(errs...)
}

// minKeyBytes is the shortest key that is taken, as for sessions and runs.
const minKeyBytes = 16

func (k Keys) validate(name string) error {
	var errs []error
	if _, ok := k.Keys[k.Current]; !ok {
		errs = append(errs, fmt.Errorf("%s.current %q: want the id of one of %s.keys", name, k.Current, name))
	}
	for id, secret := range k.Keys {
		if len(secret.Value()) < minKeyBytes {
			errs = append(errs, fmt.Errorf("%s.keys.%s: want at least %d bytes", name, id, minKeyBytes))
		}
	}
	return errors.Join(errs...)
}

// Bytes are the keys themselves.
func (k Keys) Bytes() map[string][]byte {
	keys := make(map[string][]byte, len(k.Keys))
	for id, secret := range k.Keys {
		keys[id] = []byte(secret.Value())
	}
	return keys
}

// Replicas is how many replicas a safe end needs.
func (d Durability) Needed() int {
	if d.Mode == "async" {
		return 0
	}
	return d.Replicas
}
