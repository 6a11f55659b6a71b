package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/shake-live/shake/admin"
	"github.com/shake-live/shake/internal/app"
	"github.com/shake-live/shake/internal/config"
)

// CLI is the command line.
type CLI struct {
	Dev      DevCmd      `cmd:"" help:"Run all roles on embedded servers, with a demo campaign."`
	Serve    ServeCmd    `cmd:"" help:"Run roles against real servers."`
	Migrate  MigrateCmd  `cmd:"" help:"Bring the database's schema up to date."`
	Campaign CampaignCmd `cmd:"" help:"Apply, list and show campaigns."`
	Pool     PoolCmd     `cmd:"" help:"Show the pools of a run, reopen closed ones by hand, and move them to other servers."`
	Verify   VerifyCmd   `cmd:"" help:"Derive the coins of a round again from what is stored."`
	FairPlay FairPlayCmd `cmd:"" name:"fairplay" help:"List the rounds of a campaign that fair play has flagged, newest first."`

	Reconcile ReconcileCmd `cmd:"" help:"Compare every store with a run's history, name the rounds behind each difference, and repair."`
	Replay    ReplayCmd    `cmd:"" help:"Bring to where it belongs what did not arrive: from outboxes, Kafka, claims, or a node's round log. Twice changes nothing."`

	DeadLetters DeadLettersCmd `cmd:"" name:"deadletters" help:"List, inspect, edit and resend entries that a consumer group could not read."`

	Version kong.VersionFlag `help:"Print the version."`
}

// errUsage marks a command line that parses and makes no sense.
var errUsage = errors.New("wrong usage")

// DevCmd is `shake dev`.
type DevCmd struct {
	Listen      string        `default:"127.0.0.1:8080" help:"Address of the players' door; port 0 takes a free one."`
	AdminListen string        `default:"127.0.0.1:8081" help:"Address of the operators' door. Kept for scripts: the console is not part of this version, and nothing listens there."`
	OpsListen   string        `default:"127.0.0.1:9090" help:"Address of the ops port."`
	Data        string        `type:"path" help:"Folder kept between starts. Default: one of its own under .run, removed at the end."`
	Market      string        `default:"SG" help:"Market of the demo campaign."`
	Warmup      time.Duration `default:"20s" help:"Warm-up before each run."`
	Live        time.Duration `default:"5m" help:"Length of each run."`
	Round       time.Duration `default:"10s" help:"Length of a round."`
	Late        time.Duration `default:"30s" help:"How long after its end a round may still be settled."`
	Chances     int64         `default:"50" help:"Rounds that a player may play in a run."`
	Pool        int64         `default:"1000000" help:"Coins in the pool of a run."`
	Floor       int64         `default:"0" help:"Pool level at or under which no round starts any more."`
	Shards      int           `default:"4" help:"Shards of a run."`
	Bots        int           `default:"0" help:"Simulated players."`
	Durability  string        `default:"async" enum:"async" help:"Embedded Redis has no replicas, so only async."`
	LogLevel    string        `default:"warn" enum:"debug,info,warn,error" help:"What is logged."`
}

// Run runs until interrupted.
func (c *DevCmd) Run(ctx context.Context, s *streams) error {
	err := errors.Join(config.CheckAddress("--listen", c.Listen), config.CheckAddress("--ops-listen", c.OpsListen))
	if c.Bots < 0 {
		err = errors.Join(err, fmt.Errorf("--bots %d: want 0 or more", c.Bots))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	log := app.NewLog(s.err, config.Log{Level: c.LogLevel, Format: "text"})
	err = app.Dev(ctx, app.DevOptions{
		Listen: c.Listen, OpsListen: c.OpsListen, Data: c.Data, Bots: c.Bots, Out: s.out,
		Demo: app.Demo{
			Market: c.Market, Warmup: c.Warmup, Live: c.Live, Round: c.Round, Late: c.Late,
			Chances: c.Chances, Pool: c.Pool, Floor: c.Floor, Shards: c.Shards,
		},
	}, log)
	if errors.Is(err, admin.ErrInvalid) { // the demo is what the flags say
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return err
}

// ServeCmd is `shake serve`.
type ServeCmd struct {
	Config string   `required:"" type:"existingfile" help:"Configuration file; deploy/shake.yaml has every key with a word on each."`
	Roles  []string `default:"api,worker" help:"Roles of this process: api, worker."`
}

// gcPercent lets the heap grow to five times what lives before it is collected. Little lives (some MiB for a
// campaign and its queues) and much is made and dropped, so the usual 100 would collect many times a second.
// GOGC in the environment overrides it.
const gcPercent = 400

// Run serves until interrupted, then drains.
func (c *ServeCmd) Run(ctx context.Context, s *streams) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ignoreFileLimits()
	cfg, err := config.Load(c.Config, os.Getenv)
	if err != nil {
		return err
	}
	log := app.NewLog(s.err, cfg.Log)
	roles, err := c.roles(log)
	if err != nil {
		return err
	}
	a, err := app.New(ctx, cfg, roles, log)
	if err != nil {
		return fmt.Errorf("%w: %w", app.ErrUnreachable, err)
	}
	stop := c.reloadOnSignal(a, log)
	fmt.Fprintf(s.out, "ready players=%s ops=%s roles=%s\n", a.AccessURL(), a.OpsURL(), strings.Join(roles, ","))
	err = a.Run(ctx)
	stop()
	return errors.Join(err, a.Close())
}

// reloadOnSignal reads the configuration again at each SIGHUP, until it is stopped. One that is no good changes nothing.
func (c *ServeCmd) reloadOnSignal(a *app.App, log *slog.Logger) (stop func()) {
	asked, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(asked, syscall.SIGHUP)
	go func() {
		defer close(done)
		for range asked {
			cfg, err := config.Load(c.Config, os.Getenv)
			if err == nil {
				err = a.Reload(cfg)
			}
			if err != nil {
				log.Error("the configuration was not read again; what was there stays", "err", err)
			}
		}
	}()
	return func() {
		signal.Stop(asked) // nothing is sent after it
		close(asked)
		<-done
	}
}

// roles are the roles that this version has. admin is known, so that one command line serves from now on; its door
// comes with the operators' console, and a process needs another role beside it until then.
func (c *ServeCmd) roles(log *slog.Logger) (roles []string, err error) {
	for _, r := range c.Roles {
		switch r {
		case app.RoleAPI, app.RoleWorker:
			roles = append(roles, r)
		case "admin":
			log.Warn("the operators' door is not part of this version: the role admin does nothing")
		default:
			return nil, fmt.Errorf("%w: role %q: want api, worker or admin", errUsage, r)
		}
	}
	if len(roles) == 0 {
		return nil, fmt.Errorf("%w: want the role api or worker", errUsage)
	}
	return roles, nil
}

// target says which system a command acts on.
type target struct {
	Config string `type:"existingfile" xor:"target" required:"" help:"Configuration file of real servers."`
	Data   string `type:"existingdir" xor:"target" required:"" help:"Data folder of a shake dev, running or stopped."`
}

func (t target) app() app.Target { return app.Target{Config: t.Config, Data: t.Data} }

// MigrateCmd is `shake migrate`.
type MigrateCmd struct{ target }

// Run migrates.
func (c *MigrateCmd) Run(ctx context.Context) error { return c.app().Migrate(ctx) }
