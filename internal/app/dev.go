package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/internal/config"
	"github.com/shake-live/shake/internal/devserver"
)

// DevOptions are the flags of `shake dev`.
type DevOptions struct {
	Listen    string
	OpsListen string
	Data      string // folder; empty: a new one under .run, removed at the end
	Demo      Demo
	Bots      int
	Out       io.Writer // gets the line "ready …"
}

// Dev runs all roles on embedded servers until ctx ends.
func Dev(ctx context.Context, o DevOptions, log *slog.Logger) (err error) {
	folder, err := openFolder(o.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.close()) }()
	servers, err := startServers(folder)
	if err != nil {
		return err
	}
	defer servers.close()
	cfg, err := folder.config(servers)
	if err != nil {
		return err
	}
	cfg.Listen = config.Listen{Access: o.Listen, Ops: o.OpsListen}
	a, err := New(ctx, cfg, Roles, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	return a.dev(ctx, o, folder)
}

// dev runs the app with its demo campaign and, if wanted, bots.
func (a *App) dev(ctx context.Context, o DevOptions, folder *folder) error {
	demo := &demo{App: a, plan: o.Demo}
	a.worker.settled = demo.next
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.Run(ctx) })
	g.Go(func() error {
		if err := demo.begin(ctx); err != nil {
			return err
		}
		fmt.Fprintf(o.Out, "ready players=%s ops=%s campaign=%s data=%s\n", a.AccessURL(), a.OpsURL(), DemoID, folder.path)
		a.bots(ctx, o.Bots, o.Demo.Market)
		return nil
	})
	return g.Wait()
}

// folder is what a `shake dev` keeps between starts: the log, the ledger, the keys. One process at a time has it.
type folder struct {
	path      string
	temporary bool
	lock      *os.File
}

// DefaultFolders is where folders of their own go.
const DefaultFolders = ".run"

func openFolder(path string) (*folder, error) {
	f := &folder{path: path}
	if path == "" {
		if err := os.MkdirAll(DefaultFolders, 0o750); err != nil {
			return nil, err
		}
		var err error
		if f.path, err = os.MkdirTemp(DefaultFolders, "dev-"); err != nil {
			return nil, err
		}
		f.temporary = true
	}
	if err := os.MkdirAll(f.path, 0o700); err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(f.path, "lock"))
	if err != nil {
		return nil, fmt.Errorf("data folder %s is in use by another `shake dev`: %w", f.path, err)
	}
	f.lock = lock
	return f, nil
}

func (f *folder) close() error {
	err := errors.Join(os.Remove(f.file("addresses.json")), f.lock.Close())
	if f.temporary {
		return os.RemoveAll(f.path)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

// servers are the embedded ones.
type servers struct {
	redis *devserver.Redis
	kafka *devserver.Kafka
}

func startServers(f *folder) (*servers, error) {
	kafka, err := devserver.StartKafka("127.0.0.1:0", f.file("kafka"))
	if err != nil {
		return nil, err
	}
	redis, err := devserver.StartRedis("127.0.0.1:0")
	if err != nil {
		kafka.Close()
		return nil, err
	}
	return &servers{redis: redis, kafka: kafka}, nil
}

func (s *servers) close() {
	s.redis.Close()
	s.kafka.Close()
}

// addresses is what a running `shake dev` leaves in its folder for the other commands.
type addresses struct {
	Redis string   `json:"redis"`
	Kafka []string `json:"kafka"`
}

// config is the configuration of a dev process on its servers. The addresses are left in the folder.
func (f *folder) config(s *servers) (config.Config, error) {
	at := addresses{Redis: s.redis.Addr(), Kafka: s.kafka.Brokers()}
	text, err := json.Marshal(at)
	if err != nil {
		return config.Config{}, err
	}
	if err := os.WriteFile(f.file("addresses.json"), text, 0o600); err != nil {
		return config.Config{}, err
	}
	return devConfig(f.path, at)
}

// devConfig is the configuration for servers of a data folder.
func devConfig(path string, at addresses) (config.Config, error) {
	key, err := keptKey(filepath.Join(path, "key"))
	if err != nil {
		return config.Config{}, err
	}
	c := config.Default()
	c.Redis.Addrs = []string{at.Redis}
	c.Kafka = config.Kafka{Brokers: at.Kafka, Partitions: 4, Replication: 1, Retention: c.Kafka.Retention}
	c.SQL = config.SQL{Driver: "sqlite", DSN: config.SecretOf(filepath.Join(path, "shake.db")), MaxConns: 8, Migrate: true}
	keys := config.Keys{Current: "dev", Keys: map[string]config.Secret{"dev": config.SecretOf(key)}}
	c.Sessions, c.Runs = keys, keys
	c.Providers = config.Providers{"dev": config.DevProvider()}
	c.Durability.Mode = "async"
	c.Limits.UserRate = 0 // one tester is many players
	c.LameDuck = 0        // nobody balances
	c.RoundLog.Dir = filepath.Join(path, "round-log")
	c.Drain = config.Duration(2 * time.Second)
	return c, nil
}

// keptKey is a random key that stays the same between starts, so that sessions and tokens do too.
func keptKey(path string) (string, error) {
	text, err := os.ReadFile(path) // #nosec G304 -- in the folder that whoever starts us names
	if err == nil {
		return string(text), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	var b [32]byte
	_, _ = rand.Read(b[:]) // it never fails
	key := hex.EncodeToString(b[:])
	return key, os.WriteFile(path, []byte(key), 0o600)
}
