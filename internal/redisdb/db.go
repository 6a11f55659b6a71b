// Package redisdb talks to Redis: one server, or a cluster. It names the keys of a run, and it gathers script
// calls into flights, so that the cost of a round falls as load rises.
package redisdb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Options says where Redis is and how long to wait for it.
type Options struct {
	Addrs        []string      // one for a single server; any nodes of a cluster
	Cluster      bool          // the addresses are nodes of a Redis Cluster
	Username     string        // ACL user; empty for none
	Password     string        // empty for none
	TLS          *tls.Config   // nil for none
	DialTimeout  time.Duration // default 500 ms
	ReadTimeout  time.Duration // default 1 s; also bounds writes
	PoolSize     int           // connections per node outside flights; default 16
	MaxRedirects int           // of plain commands in a cluster; default 3
}

func (o Options) withDefaults() Options {
	if o.DialTimeout == 0 {
		o.DialTimeout = 500 * time.Millisecond
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = time.Second
	}
	if o.PoolSize == 0 {
		o.PoolSize = 16
	}
	if o.MaxRedirects == 0 {
		o.MaxRedirects = 3
	}
	return o
}

// DB is a Redis server or cluster.
type DB struct {
	opts    Options
	client  redis.UniversalClient
	cluster *redis.ClusterClient // nil for a single server
}

// Open connects and checks that somebody answers.
func Open(ctx context.Context, opts Options) (*DB, error) {
	if len(opts.Addrs) == 0 {
		return nil, errors.New("redis: no address")
	}
	opts = opts.withDefaults()
	db := &DB{opts: opts}
	if opts.Cluster {
		db.cluster = redis.NewClusterClient(opts.forCluster())
		db.client = db.cluster
	} else {
		db.client = redis.NewClient(opts.forNode(opts.Addrs[0]))
	}
	if err := db.Ping(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// LogTo has what go-redis would print by itself, such as each failed dial of a fail-over, go to log at level debug: what
// somebody should look at is an error of a call, and is told there. It holds for the whole process, as go-redis has it.
func LogTo(log *slog.Logger) { redis.SetLogger(printer{log}) }

type printer struct{ log *slog.Logger }

func (p printer) Printf(ctx context.Context, format string, args ...any) {
	p.log.DebugContext(ctx, "go-redis", "says", fmt.Sprintf(format, args...))
}

// forNode sets what go-redis leaves off by default and we rely on: a context's deadline holds on the wire,
// and a plain server is not asked for notices that only a managed one sends.
func (o Options) forNode(addr string) *redis.Options {
	return &redis.Options{
		Addr: addr, Username: o.Username, Password: o.Password, TLSConfig: o.TLS,
		DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.ReadTimeout,
		ContextTimeoutEnabled: true, PoolSize: o.PoolSize, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

func (o Options) forCluster() *redis.ClusterOptions {
	node := o.forNode("")
	return &redis.ClusterOptions{
		Addrs: o.Addrs, Username: node.Username, Password: node.Password, TLSConfig: node.TLSConfig,
		DialTimeout: node.DialTimeout, ReadTimeout: node.ReadTimeout, WriteTimeout: node.WriteTimeout,
		ContextTimeoutEnabled: true, PoolSize: node.PoolSize, DisableIdentity: true,
		MaxRedirects: o.MaxRedirects, MaintNotificationsConfig: node.MaintNotificationsConfig,
	}
}

// Client is for plain commands: caches, boards, streams, publishing.
func (db *DB) Client() redis.UniversalClient { return db.client }

// Ping asks each primary; an error names the first that did not answer.
func (db *DB) Ping(ctx context.Context) error {
	return db.EachPrimary(ctx, func(ctx context.Context, node *redis.Client) error {
		if err := node.Ping(ctx).Err(); err != nil {
			return fmt.Errorf("redis %s: %w", node.Options().Addr, err)
		}
		return nil
	})
}

// PingAny asks each primary, and is content with the first that answers: its shards can be played, whatever the
// others do. It does not wait for one that hangs; the question to that one ends with ctx or its own timeout.
func (db *DB) PingAny(ctx context.Context) error {
	answered, all := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		all <- db.EachPrimary(ctx, func(ctx context.Context, node *redis.Client) error {
			err := node.Ping(ctx).Err()
			if err == nil {
				select {
				case answered <- struct{}{}:
				default:
				}
			}
			return err
		})
	}()
	select {
	case <-answered:
		return nil
	case err := <-all:
		select {
		case <-answered: // both came at once
			return nil
		default:
			return err
		}
	}
}

// EachPrimary calls fn for every primary at once and gives the first error.
func (db *DB) EachPrimary(ctx context.Context, fn func(context.Context, *redis.Client) error) error {
	if db.cluster != nil {
		return db.cluster.ForEachMaster(ctx, fn)
	}
	return fn(ctx, db.client.(*redis.Client))
}

// Close ends all connections.
func (db *DB) Close() error { return db.client.Close() }

// Node is the client of the primary that a key's slot belongs to, as far as is known: for pipelines whose commands
// must share a connection, which does not follow a slot that has moved. Reload, and ask again.
func (db *DB) Node(ctx context.Context, key string) (*redis.Client, error) {
	if db.cluster == nil {
		return db.client.(*redis.Client), nil
	}
	return db.cluster.MasterForKey(ctx, key)
}

// primary is the address of the node that a key's slot belongs to, as far as this client knows.
func (db *DB) primary(ctx context.Context, key string) (string, error) {
	if db.cluster == nil {
		return db.opts.Addrs[0], nil
	}
	node, err := db.cluster.MasterForKey(ctx, key)
	if err != nil {
		return "", err
	}
	return node.Options().Addr, nil
}

// primaries are the addresses of a cluster's primaries, as it names them now.
func (db *DB) primaries(ctx context.Context) (map[string]bool, error) {
	var mu sync.Mutex
	addrs := map[string]bool{}
	err := db.cluster.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		addrs[node.Options().Addr] = true
		return nil
	})
	return addrs, err
}

// Reload asks the cluster for its slots anew, after an answer that showed the map to be old.
func (db *DB) Reload(ctx context.Context) {
	if db.cluster != nil {
		db.cluster.ReloadState(ctx)
	}
}
