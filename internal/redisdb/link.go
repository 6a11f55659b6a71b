package redisdb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// link is one connection to one server process, whose run id it learned when it dialled. It never redials:
// a server that came back under the same address is another host, maybe with older data, and a call
// addressed to the one before must not reach it. A broken link is thrown away.
type link struct {
	client *redis.Client
	host   string        // the server's run id
	ahead  time.Duration // the server's clock less ours
}

var errLinkBroken = errors.New("redis: link broken")

// dial opens a link.
func (db *DB) dial(ctx context.Context, addr string) (*link, error) {
	opts := db.opts.forNode(addr)
	opts.Protocol = 2
	opts.PoolSize = 1
	opts.PipelinePoolSize = -1 // a pool of its own for pipelines would be a second connection
	opts.ReadBufferSize, opts.WriteBufferSize = 64<<10, 64<<10
	opts.MaxRetries = -1
	opts.DialerRetries = 1
	opts.ConnMaxIdleTime = -1
	opts.ConnMaxLifetime = -1
	var dialled atomic.Bool
	opts.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dialled.Swap(true) {
			return nil, errLinkBroken
		}
		dialer := &net.Dialer{Timeout: opts.DialTimeout}
		if opts.TLSConfig != nil {
			return (&tls.Dialer{NetDialer: dialer, Config: opts.TLSConfig}).DialContext(ctx, network, addr)
		}
		return dialer.DialContext(ctx, network, addr)
	}
	l := &link{client: redis.NewClient(opts)}
	if err := l.learn(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("redis %s: %w", addr, err), l.close())
	}
	return l, nil
}

// learn asks who the server is and what time it has.
func (l *link) learn(ctx context.Context) error {
	info, err := l.client.Info(ctx, "server").Result()
	if err != nil {
		return err
	}
	if l.host = runID(info); l.host == "" {
		return errors.New("server tells no run_id")
	}
	sent := time.Now()
	now, err := l.client.Time(ctx).Result()
	if err != nil {
		return err
	}
	l.ahead = now.Sub(sent.Add(time.Since(sent) / 2))
	return nil
}

// runID finds the run id in the answer of INFO server.
func runID(info string) string {
	for line := range strings.Lines(info) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "run_id:"); ok {
			return id
		}
	}
	return ""
}

func (l *link) close() error { return l.client.Close() }
