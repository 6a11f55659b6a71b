// Package app puts the parts together. It alone sees both domains and stores, hands the ones to the others,
// starts them in order and stops them in reverse.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/shake-live/shake/admin"
	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/event/kafkabus"
	"github.com/shake-live/shake/event/redisoutbox"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/redisgame"
	"github.com/shake-live/shake/game/sqlcatalog"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/internal/config"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/inventory/redispool"
	"github.com/shake-live/shake/leaderboard/redisboard"
	"github.com/shake-live/shake/leaderboard/sqlboard"
	"github.com/shake-live/shake/ops"
	"github.com/shake-live/shake/reward"
	"github.com/shake-live/shake/reward/redisline"
	"github.com/shake-live/shake/reward/sqlinbox"
	"github.com/shake-live/shake/reward/sqlledger"
)

// stack is everything that roles and tools share: connections, and the stores and domains over them.
type stack struct {
	cfg     config.Config
	log     *slog.Logger
	metrics *ops.Metrics
	clock   clock.Clock
	owner   string // a name for leases and locks that no other process has
	stops   *stops

	redis   *redisdb.DB
	sql     *sqldb.DB
	bus     *kafkabus.Bus
	batcher *redisdb.Batcher
	topics  event.Topics

	keys      *redisdb.KeyCache
	pools     *redispool.Store
	levels    *redispool.Levels
	view      *inventory.View
	rounds    *redisgame.Store
	copies    *redisgame.Copies
	campaigns *sqlcatalog.Store
	keyring   *game.Keyring
	catalog   *game.Catalog
	outbox    *redisoutbox.Outbox
	relay     *event.Relay
	opener    *inventory.Opener
	office    *admin.Office
	ledger    *sqlledger.Store
	inbox     *sqlinbox.Store
	line      *redisline.Line
	pusher    *reward.Pusher
	board     *redisboard.Store
	finals    *sqlboard.Store
	building  sync.Mutex // of live boards
}

// open connects to the servers, in the order in which the parts need them, and builds the parts. Who writes to
// the log needs its topics; a process that only serves players starts without Kafka.
func open(ctx context.Context, cfg config.Config, log *slog.Logger, writes bool) (*stack, error) {
	s := newStack(cfg, log)
	steps := []func(context.Context) error{s.openSQL, s.openRedis, s.openKafka}
	if writes {
		steps = append(steps, s.makeTopics)
	} else {
		steps[0] = s.openSQLLater
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.stops.closeAll())
		}
	}
	if err := s.build(); err != nil {
		return nil, errors.Join(err, s.stops.closeAll())
	}
	return s, nil
}

// newStack has no connection yet.
func newStack(cfg config.Config, log *slog.Logger) *stack {
	return &stack{
		cfg: cfg, log: log, metrics: ops.NewMetrics(), clock: clock.System{}, owner: uuid.NewString(),
		stops: &stops{log: log}, topics: event.TopicsOf(cfg.Namespace),
	}
}

func (s *stack) openSQL(ctx context.Context) (err error) {
	if s.sql, err = openSQL(ctx, s.cfg.SQL, s.cfg.SQL.MaxConns); err != nil {
		return err
	}
	s.stops.add("sql", s.sql.Close)
	if s.cfg.SQL.Migrate {
		return s.sql.Migrate(ctx)
	}
	return nil
}

// openSQLLater is openSQL for a process that only serves players: on a night without database it starts by what Redis has.
func (s *stack) openSQLLater(ctx context.Context) error {
	err := s.openSQL(ctx)
	if !errors.Is(err, sqldb.ErrUnreachable) {
		return err
	}
	s.log.Warn("the database can't be reached: this node goes by what Redis has", "err", err)
	opts, err := sqlOptions(s.cfg.SQL, s.cfg.SQL.MaxConns)
	if err != nil {
		return err
	}
	opts.Lazy = true
	if s.sql, err = sqldb.Open(ctx, opts); err != nil {
		return err
	}
	s.stops.add("sql", s.sql.Close)
	return nil
}

// openSQL opens the database alone.
func openSQL(ctx context.Context, c config.SQL, conns int) (*sqldb.DB, error) {
	opts, err := sqlOptions(c, conns)
	if err != nil {
		return nil, err
	}
	return sqldb.Open(ctx, opts)
}

func sqlOptions(c config.SQL, conns int) (sqldb.Options, error) {
	tls, err := clientTLS("sql.tls", c.TLS)
	return sqldb.Options{Driver: c.Driver, DSN: c.DSN.Value(), TLS: tls, MaxConns: conns}, err
}

func (s *stack) openRedis(ctx context.Context) (err error) {
	opts := redisdb.Options{
		Addrs: s.cfg.Redis.Addrs, Cluster: s.cfg.Redis.Cluster, Username: s.cfg.Redis.Username, Password: s.cfg.Redis.Password.Value(),
		DialTimeout: time.Duration(s.cfg.Redis.DialTimeout), ReadTimeout: time.Duration(s.cfg.Redis.ReadTimeout),
	}
	if opts.TLS, err = clientTLS("redis.tls", s.cfg.Redis.TLS); err != nil {
		return err
	}
	redisdb.LogTo(s.log)
	if s.redis, err = redisdb.Open(ctx, opts); err != nil {
		return err
	}
	s.stops.add("redis", s.redis.Close)
	b := s.cfg.Batch
	s.batcher = redisdb.NewBatcher(s.redis, redisdb.BatchOptions{
		MaxBatch: b.MaxBatch, MaxFlight: b.MaxFlight, MaxQueue: b.MaxQueue, MaxAge: time.Duration(b.MaxAge), Flights: b.Flights,
		Replicas: s.cfg.Durability.Needed(), WaitTimeout: time.Duration(s.cfg.Durability.Wait), Observer: s.metrics,
	})
	s.stops.add("batcher", s.batcher.Close)
	return nil
}

func (s *stack) openKafka(context.Context) (err error) {
	k := s.cfg.Kafka
	opts := kafkabus.Options{
		Brokers: k.Brokers, Log: s.log, SASL: kafkabus.SASL{Mechanism: k.SASL.Mechanism, Username: k.SASL.Username, Password: k.SASL.Password.Value()},
	}
	if opts.TLS, err = clientTLS("kafka.tls", k.TLS); err != nil {
		return err
	}
	if s.bus, err = kafkabus.New(opts); err != nil {
		return err
	}
	s.stops.add("kafka", s.bus.Close)
	return nil
}

func (s *stack) makeTopics(ctx context.Context) error {
	k := s.cfg.Kafka
	return s.bus.EnsureTopics(ctx, []kafkabus.TopicSpec{
		{Name: s.topics.Entries, Partitions: k.Partitions, Replication: k.Replication, Retention: time.Duration(k.Retention)},
		{Name: s.topics.Dead, Partitions: 1, Replication: k.Replication, Retention: 4 * time.Duration(k.Retention)},
	})
}

// build makes stores and domains; nothing here waits for anybody.
func (s *stack) build() (err error) {
	if s.keyring, err = game.NewKeyring(s.cfg.Runs.Current, s.cfg.Runs.Bytes()); err != nil {
		return fmt.Errorf("runs: %w", err)
	}
	s.keys = redisdb.NewKeyCache(s.cfg.Namespace)
	s.pools = redispool.New(s.batcher, s.keys)
	s.levels = redispool.NewLevels(s.redis, s.keys)
	s.view = inventory.NewView(s.pools, s.clock)
	s.view.Summed = s.metrics.Summed
	s.metrics.Durable(s.cfg.Durability.Needed())
	s.rounds = redisgame.New(s.batcher, s.keys)
	s.copies = redisgame.NewCopies(s.redis, s.keys, time.Duration(s.cfg.Cache.CopyTTL))
	s.campaigns = sqlcatalog.New(s.sql)
	s.catalog = game.NewCatalog(s.copies, s.campaigns, s.keyring, s.clock, game.CacheOptions{
		TTL: time.Duration(s.cfg.Cache.TTL), MaxWait: time.Duration(s.cfg.Cache.MaxWait), MaxKeys: s.cfg.Cache.MaxCopies, Observer: s.metrics,
	})
	s.outbox = redisoutbox.New(s.redis, s.keys, redisoutbox.Options{
		Replicas: s.cfg.Durability.Needed(), WaitTimeout: time.Duration(s.cfg.Durability.Wait),
	})
	s.relay = event.NewRelay(s.outbox, s.bus, event.RelayOptions{
		Owner: s.owner, Topic: s.topics.Entries, Observer: s.metrics, Log: s.log,
	})
	s.opener = inventory.NewOpener(s.pools, s.relay, s.bus, s.bus, s.topics.Entries)
	s.opener.Instead = s.instead
	s.office = admin.New(admin.Deps{
		Campaigns: s.campaigns, Publisher: s.copies, Opener: s.opener, Pools: s.pools, Since: ends{s.bus, s.topics.Entries},
		KeyID: s.keyring.Current(), Owner: s.owner, Clock: s.clock, Log: s.log,
	})
	s.ledger = sqlledger.New(s.sql, s.clock)
	s.inbox = sqlinbox.New(s.sql, s.clock, sqlinbox.Options{
		HandOver: s.cfg.PushService.On(), HandOverAfter: time.Duration(s.cfg.PushService.After),
	})
	s.line = redisline.New(s.redis, s.keys)
	s.pusher = reward.NewPusher(s.inbox, s.line, s.clock, s.metrics, s.log)
	s.board = redisboard.New(s.redis.Client(), s.cfg.Namespace)
	s.finals = sqlboard.New(s.sql, s.clock)
	return nil
}

// ends tells where the log stands now: a run that begins now has nothing before.
type ends struct {
	log   event.Log
	topic string
}

// Since implements admin.Beginnings.
func (e ends) Since(ctx context.Context) (inventory.Since, error) {
	n, err := e.log.Partitions(ctx, e.topic)
	if err != nil {
		return nil, err
	}
	since := inventory.Since{}
	for p := range n {
		if since[p], err = e.log.End(ctx, e.topic, p); err != nil {
			return nil, err
		}
	}
	return since, nil
}
