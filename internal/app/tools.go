package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/shake-live/shake/admin"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/referee"
	"github.com/shake-live/shake/game/sqlcatalog"
	"github.com/shake-live/shake/game/sqljudgements"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/internal/config"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/ops"
	"github.com/shake-live/shake/reward/sqlledger"
)

// ErrUnreachable says that a system did not answer.
var ErrUnreachable = errors.New("not reachable")

// Target is the system that a command acts on: real servers by a configuration file, or the data folder of a
// `shake dev`, running or stopped.
type Target struct {
	Config string
	Data   string
}

// config is the target's configuration. For a folder whose `shake dev` is stopped, servers are started on it,
// and done stops them.
func (t Target) config() (cfg config.Config, done func(), err error) {
	nothing := func() {}
	if t.Config != "" {
		cfg, err = config.Load(t.Config, os.Getenv)
		return cfg, nothing, err
	}
	// The lock tells whether a `shake dev` runs here: the addresses of one that was killed are still there.
	f, locked := openFolder(t.Data)
	if locked != nil {
		text, err := os.ReadFile(filepath.Join(t.Data, "addresses.json"))
		if err != nil {
			return cfg, nothing, errors.Join(locked, err)
		}
		var at addresses
		if err := json.Unmarshal(text, &at); err != nil {
			return cfg, nothing, fmt.Errorf("%s: %w", t.Data, err)
		}
		cfg, err = devConfig(t.Data, at)
		return cfg, nothing, err
	}
	s, err := startServers(f)
	if err != nil {
		return cfg, nothing, errors.Join(err, f.close())
	}
	done = func() {
		s.close()
		_ = f.close() // nothing was written by us that matters
	}
	cfg, err = f.config(s)
	return cfg, done, err
}

// with opens the target's stack for fn; writes says that it may write to the log, whose topics are made then.
func (t Target) with(ctx context.Context, log *slog.Logger, writes bool, fn func(*stack) error) (err error) {
	cfg, done, err := t.config()
	if err != nil {
		return err
	}
	defer done()
	s, err := open(ctx, cfg, log, writes)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer func() { err = errors.Join(err, s.stops.closeAll()) }()
	return fn(s)
}

// Apply checks, stores, funds and publishes a campaign's file.
func (t Target) Apply(ctx context.Context, log *slog.Logger, spec admin.Spec) (c *game.Campaign, changed bool, err error) {
	err = t.with(ctx, log, true, func(s *stack) error {
		if err := s.waitForReplicas(ctx); err != nil {
			return fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
		c, changed, err = s.office.Apply(ctx, spec)
		return err
	})
	return c, changed, err
}

// replicaWait is how long a campaign waits for replicas that are still copying their primaries.
const replicaWait = 15 * time.Second

// waitForReplicas tells in time what would keep pools from being funded.
func (s *stack) waitForReplicas(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, replicaWait)
	defer cancel()
	for {
		err := s.redis.WantReplicas(ctx, s.cfg.Durability.Needed())
		if err == nil || ctx.Err() != nil {
			return err
		}
		pause(ctx, 200*time.Millisecond)
		if ctx.Err() != nil {
			return err
		}
	}
}

// Shown is a campaign as operators see it.
type Shown struct {
	*game.Campaign
	Stage  game.Stage `json:"stage"`  // now
	Booked Booked     `json:"booked"` // of its current run

	Since *struct{} `json:"since,omitempty"` // hides where the run's log begins, which is nobody's business outside
}

// Booked is what the ledger has of a run by now.
type Booked struct {
	Rounds int64 `json:"rounds"`
	Coins  int64 `json:"coins"` // paid
	Held   int64 `json:"held"`  // coins that wait for a review
}

func shown(ctx context.Context, db *sqldb.DB, c *game.Campaign) (Shown, error) {
	s := Shown{Campaign: c, Stage: c.StageAt(time.Now())}
	shards, err := sqlledger.New(db, clock.System{}).Progress(ctx, c.ID, c.Run)
	for _, shard := range shards {
		s.Booked.Rounds += shard.Rounds
		s.Booked.Coins += shard.Granted
		s.Booked.Held += shard.Held
	}
	return s, err
}

// List gives all campaigns.
func (t Target) List(ctx context.Context) (list []Shown, err error) {
	list = []Shown{}
	err = t.withSQL(ctx, func(_ config.Config, db *sqldb.DB) error {
		all, err := sqlcatalog.New(db).All(ctx)
		for i := 0; err == nil && i < len(all); i++ {
			var s Shown
			s, err = shown(ctx, db, all[i])
			list = append(list, s)
		}
		return err
	})
	return list, err
}

// Show gives one campaign.
func (t Target) Show(ctx context.Context, id string) (s Shown, err error) {
	err = t.withSQL(ctx, func(_ config.Config, db *sqldb.DB) error {
		c, err := sqlcatalog.New(db).Campaign(ctx, id)
		if err == nil {
			s, err = shown(ctx, db, c)
		}
		return err
	})
	return s, err
}

// Verify derives the coins of a round.
func (t Target) Verify(ctx context.Context, round string) (d ops.Derivation, err error) {
	err = t.withSQL(ctx, func(cfg config.Config, db *sqldb.DB) error {
		keyring, err := game.NewKeyring(cfg.Runs.Current, cfg.Runs.Bytes())
		if err != nil {
			return err
		}
		v := ops.Verifier{Rounds: sqlledger.New(db, clock.System{}).RoundByID, Campaigns: sqlcatalog.New(db).Run, Keys: keyring}
		d, err = v.Verify(ctx, round)
		return err
	})
	return d, err
}

// FairPlay gives the last so many rounds of a campaign that fair play has kept, newest first.
func (t Target) FairPlay(ctx context.Context, id string, limit int) (list []referee.Judgement, err error) {
	err = t.withSQL(ctx, func(_ config.Config, db *sqldb.DB) error {
		if _, err := sqlcatalog.New(db).Campaign(ctx, id); err != nil {
			return err
		}
		list, err = sqljudgements.New(db).Newest(ctx, id, limit)
		return err
	})
	return list, err
}

// Migrate brings the database's schema up to date.
func (t Target) Migrate(ctx context.Context) error {
	return t.withSQL(ctx, func(_ config.Config, db *sqldb.DB) error { return db.Migrate(ctx) })
}

// withSQL opens the target's database alone: what only reads it needs no other server.
func (t Target) withSQL(ctx context.Context, fn func(config.Config, *sqldb.DB) error) (err error) {
	var cfg config.Config
	if t.Config != "" {
		cfg, err = config.Load(t.Config, os.Getenv)
	} else if _, err = os.Stat(filepath.Join(t.Data, "shake.db")); err == nil {
		cfg, err = devConfig(t.Data, addresses{Redis: "none", Kafka: []string{"none"}})
	}
	if err != nil {
		return err
	}
	db, err := openSQL(ctx, cfg.SQL, 2)
	if errors.Is(err, config.ErrInvalid) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return fn(cfg, db)
}
