package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/redisgame"
	"github.com/shake-live/shake/game/referee"
	"github.com/shake-live/shake/game/roundlog"
	"github.com/shake-live/shake/game/sqljudgements"
	"github.com/shake-live/shake/internal/config"
	"github.com/shake-live/shake/ops"
	"github.com/shake-live/shake/web"
)

// Roles that a process can have.
const (
	RoleAPI    = "api"
	RoleWorker = "worker"
)

// Roles are all roles.
var Roles = []string{RoleAPI, RoleWorker}

// App is one process with its roles, opened and ready to run.
type App struct {
	*stack
	roles  []string
	worker *worker
	access *listener
	hub    *access.Hub
	names  *access.Names // nil where no provider tells any
	judge  *referee.Referee
	ops    *listener
	door   *ops.Server
	checks []ops.Check // of readiness

	sessions *access.Sessions // nil without the role api
}

// New opens everything the roles need. Nothing is served before Run.
func New(ctx context.Context, cfg config.Config, roles []string, log *slog.Logger) (*App, error) {
	for _, r := range roles {
		if !slices.Contains(Roles, r) {
			return nil, fmt.Errorf("role %q: want api or worker", r)
		}
	}
	s, err := open(ctx, cfg, log, slices.Contains(roles, RoleWorker))
	if err != nil {
		return nil, err
	}
	a := &App{stack: s, roles: roles}
	if a.has(RoleWorker) {
		if a.worker, err = newWorker(s); err != nil {
			return nil, errors.Join(err, a.Close())
		}
	}
	if err := a.listen(); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *App) has(role string) bool { return slices.Contains(a.roles, role) }

// listen takes the sockets, so that a port in use is told before anything starts.
func (a *App) listen() (err error) {
	a.checks = a.readiness()
	a.door = ops.NewServer(a.metrics, a.checks)
	if a.ops, err = listen(a.cfg.Listen.Ops, a.door, a.log, listenOptions{}); err != nil {
		return err
	}
	a.stops.add("ops port", a.ops.server.Close)
	if !a.has(RoleAPI) {
		return nil
	}
	door, err := a.players()
	if err != nil {
		return err
	}
	at, options := a.cfg.Listen, listenOptions{h2c: a.cfg.Listen.H2C, hsts: time.Duration(a.cfg.Listen.HSTS), most: a.cfg.Limits.MaxConnections}
	if wait := time.Duration(a.cfg.Limits.MaxWait); wait > 0 {
		options.turnstile = access.NewTurnstile(wait)
		a.metrics.InLine(options.turnstile.Waiting)
	}
	if at.TLSCert != "" {
		if options.certificate, err = newCertificate(at.TLSCert, at.TLSKey, a.clock, a.log); err != nil {
			return err
		}
	}
	if a.access, err = listen(at.Access, door, a.log, options); err != nil {
		return err
	}
	a.stops.add("players' door", a.access.server.Close)
	return nil
}

// AccessURL is where players go; empty without the api role.
func (a *App) AccessURL() string {
	if a.access == nil {
		return ""
	}
	return a.access.scheme + "://" + a.access.Addr().String()
}

// OpsURL is the ops port.
func (a *App) OpsURL() string { return "http://" + a.ops.Addr().String() }

// players builds the players' door: the API under /v1/, and the page.
func (a *App) players() (http.Handler, error) {
	var err error
	a.sessions, err = access.NewSessions(a.cfg.Sessions.Current, a.cfg.Sessions.Bytes(), time.Duration(a.cfg.SessionTTL), time.Duration(a.cfg.SessionLifetime))
	if err != nil {
		return nil, err
	}
	providers, err := a.providers()
	if err != nil {
		return nil, err
	}
	l := a.cfg.Limits
	caps, err := routeLimits(l.Routes)
	if err != nil {
		return nil, err
	}
	proxies, err := l.TrustedProxies.Prefixes()
	if err != nil {
		return nil, err
	}
	roundLog, err := a.roundLog()
	if err != nil {
		return nil, err
	}
	plays := game.New(game.Deps{
		Catalog: a.catalog, Rounds: a.rounds, Levels: a.view, Coins: newDraws(a.pools), Archive: archive{a.ledger}, Book: book{a.ledger},
		Log: roundLog, Observer: rounds{a.metrics},
	})
	kept, shown := a.openNames()
	a.names = kept
	best := newBoards(a.stack, shown)
	a.hub = access.NewHub(access.HubDeps{
		Catalog: a.catalog, Level: plays.Level, Boards: best, Unseen: a.inbox.Unseen, Clock: a.clock, Watch: a.metrics, Log: a.log,
	}, access.HubOptions{MaxPages: l.MaxPages})
	a.judge = referee.New(referee.Deps{
		Campaigns: a.catalog, Store: sqljudgements.New(a.sql), Clock: a.clock, Observer: a.metrics, Log: a.log,
	}, referee.Options{})
	api := access.New(access.Deps{
		Game: plays, Catalog: a.catalog, Boards: best, Wallets: a.ledger, Inboxes: a.inbox, Live: a.hub, Referee: a.judge,
		Sessions: a.sessions, Providers: providers, Names: a.names, Clock: a.clock, Log: a.log, Observer: a.metrics,
	}, access.Options{
		UserLimit:    access.Limit{Rate: l.UserRate, Burst: l.UserBurst},
		AddressLimit: access.Limit{Rate: l.AddressRate, Burst: l.AddressBurst},
		PublicLimit:  access.Limit{Rate: l.PublicRate, Burst: l.PublicBurst},
		RouteLimits:  caps,
		MarketLimit:  access.Limit{Rate: l.MarketRate, Burst: l.MarketBurst},
		MarketLimits: perSecond(l.Markets),
		MaxInFlight:  l.MaxInFlight, MinInFlight: l.MinInFlight, Target: time.Duration(l.Target), PlayTimeout: time.Duration(l.PlayTimeout), ReadTimeout: time.Duration(l.ReadTimeout),
		TrustedProxies: proxies, CORS: access.CORS{Origins: a.cfg.CORS.Origins, MaxAge: time.Duration(a.cfg.CORS.MaxAge)},
	})
	return besides(api, web.Handler(web.Options{FrameAncestors: a.cfg.Page.FrameAncestors})), nil
}

// roundLog opens the files that this node keeps claims in; nil where the configuration names no folder.
func (a *App) roundLog() (game.RoundLog, error) {
	o := a.cfg.RoundLog
	if o.Dir == "" {
		return nil, nil
	}
	w, err := roundlog.Open(roundlog.Options{
		Dir: o.Dir, Flush: time.Duration(o.Flush), Sync: time.Duration(o.Sync), MaxBytes: o.MaxBytes, KeepBytes: o.KeepBytes, KeepFor: time.Duration(o.KeepFor),
	}, a.metrics, a.log)
	if err != nil {
		return nil, fmt.Errorf("%w: round_log.dir: %w", config.ErrInvalid, err)
	}
	a.stops.add("round log", w.Close)
	return w, nil
}

// routeLimits are caps of routes, in requests a second.
func routeLimits(rates map[string]float64) (map[string]access.Limit, error) {
	for name := range rates {
		if !slices.Contains(access.RouteNames, name) {
			return nil, fmt.Errorf("%w: limits.routes.%s: want one of %s", config.ErrInvalid, name, strings.Join(access.RouteNames, ", "))
		}
	}
	return perSecond(rates), nil
}

// perSecond are limits of so many a second, of which a tenth may come at once: what comes at once is what others wait
// behind.
func perSecond(rates map[string]float64) map[string]access.Limit {
	limits := make(map[string]access.Limit, len(rates))
	for name, rate := range rates {
		limits[name] = access.Limit{Rate: rate, Burst: max(1, int(rate/10))}
	}
	return limits
}

// besides gives the API what is under /v1/ and the page the rest. It is no ServeMux: that one answers odd paths
// itself, and those under /v1/ are the API's to answer.
func besides(api, page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			api.ServeHTTP(w, r)
			return
		}
		page.ServeHTTP(w, r)
	})
}

// Reload takes from a configuration what can change while the process runs: the keys of sessions. Everything else, and
// the environment, is read at the start.
func (a *App) Reload(cfg config.Config) error {
	if a.sessions == nil {
		return nil
	}
	if err := a.sessions.SetKeys(cfg.Sessions.Current, cfg.Sessions.Bytes()); err != nil {
		return err
	}
	a.log.Info("session keys were read again", "current", cfg.Sessions.Current, "keys", len(cfg.Sessions.Keys))
	return nil
}

// readiness is what must be right before requests come. Play goes on without Kafka, without the database and with one
// primary of several, so a process that serves players is ready then too, whatever else it does; the metrics tell of
// the rest. Replicas must have been there once: without any no end would ever be safe, but one that is lost on the night
// must not take all nodes away.
func (a *App) readiness() []ops.Check {
	replicas := func(ctx context.Context) error { return a.redis.WantReplicas(ctx, a.cfg.Durability.Needed()) }
	if a.has(RoleAPI) {
		return []ops.Check{{Name: "redis", Fn: a.redis.PingAny}, {Name: "campaigns", Fn: a.knowsCampaigns}, {Name: "replicas", Fn: once(replicas)}}
	}
	return []ops.Check{
		{Name: "redis", Fn: a.redis.Ping}, {Name: "kafka", Fn: a.bus.Ping}, {Name: "sql", Fn: a.sql.Ping}, {Name: "replicas", Fn: replicas},
	}
}

// once asks until all was well for the first time.
func once(check func(context.Context) error) func(context.Context) error {
	var well atomic.Bool
	return func(ctx context.Context) error {
		if well.Load() {
			return nil
		}
		err := check(ctx)
		well.Store(err == nil)
		return err
	}
}

// knowsCampaigns fails closed: a node that never had the campaigns must not take players. One that had them goes
// on with what it has, whatever happens to the database.
func (a *App) knowsCampaigns(ctx context.Context) error {
	_, err := a.catalog.Market(ctx, "")
	return err
}

// Run serves until ctx ends, then drains: first the door turns not ready, then requests under way are answered,
// then the worker comes to rest. Close ends the rest.
func (a *App) Run(ctx context.Context) error {
	a.log.Info("serving", "roles", a.roles, "players", a.AccessURL(), "ops", a.OpsURL())
	g, failed := errgroup.WithContext(ctx)
	behind, stopBehind := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBehind()
	var wg sync.WaitGroup
	if a.has(RoleAPI) {
		wg.Go(func() { a.listenIn(behind) })
		wg.Go(func() { a.judge.Run(behind) })
		g.Go(a.access.serve)
	}
	if a.worker != nil {
		wg.Go(func() { a.stopped("worker", a.worker.run(behind)) })
	}
	wg.Go(func() { a.watchReady(behind) })
	g.Go(a.ops.serve)
	g.Go(func() error {
		<-failed.Done()
		a.log.Info("draining")
		a.drain()
		stopBehind()
		wg.Wait()
		return a.ops.server.Close()
	})
	return g.Wait()
}

func (a *App) stopped(name string, err error) {
	if err != nil {
		a.log.Error("stopped", "what", name, "err", err)
	}
}

// drain lets no new request in and waits for those under way.
func (a *App) drain() {
	a.door.Drain()
	if a.access == nil {
		return
	}
	var pages sync.WaitGroup
	pages.Go(func() { a.hub.Leave(time.Duration(a.cfg.LameDuck)) })
	defer pages.Wait()
	if err := a.access.shutdown(time.Duration(a.cfg.LameDuck), time.Duration(a.cfg.Drain)); err != nil {
		a.log.Warn("requests were cut off at the end of the drain", "err", err)
	}
}

// listenIn hears what the workers and operators tell all nodes, over one subscription: levels, new versions, notices.
func (a *App) listenIn(ctx context.Context) {
	var wg sync.WaitGroup
	published := func(id string) {
		wg.Go(func() {
			a.catalog.Published(ctx, id)
			a.warm(ctx, id)
		})
	}
	wg.Go(func() {
		a.quietly(ctx, "levels, versions and notices", a.redis.Subscribe(ctx, a.levels.Listener(a.view.Push), a.copies.Listener(published), a.line.Listener(a.hub.Push)))
	})
	wg.Go(func() { a.hub.Run(ctx) })
	if a.names != nil {
		wg.Go(func() { a.names.Run(ctx) })
	}
	wg.Go(func() { a.warmAll(ctx) })
	wg.Go(func() {
		tick := time.NewTicker(10 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				a.catalog.Sweep()
			}
		}
	})
	wg.Wait()
}

func (a *App) quietly(ctx context.Context, what string, err error) {
	if ctx.Err() == nil && err != nil {
		a.log.Error("stopped listening; the node goes on by polling", "what", what, "err", err)
	}
}

// warmAll warms for every campaign that is known at the start.
func (a *App) warmAll(ctx context.Context) {
	lives, err := a.catalog.Market(ctx, "")
	if err != nil && ctx.Err() == nil {
		a.log.Warn("campaigns are not known yet; the first to ask reads them", "err", err)
	}
	for _, live := range lives {
		a.warm(ctx, live.ID)
	}
}

// warm is Warm where a failure is no reason to stop: the first request does what is left.
func (a *App) warm(ctx context.Context, id string) {
	a.metrics.Plays(id)
	if err := a.Warm(ctx, id); err != nil && ctx.Err() == nil {
		a.log.Warn("campaign is not warm yet", "campaign", id, "err", err)
	}
}

// Warm does the first steps of every request ahead: links, scripts, configuration.
func (a *App) Warm(ctx context.Context, id string) error {
	live, err := a.catalog.Get(ctx, id)
	if err != nil {
		return err
	}
	if err := a.pools.Warm(ctx, live.Life, redisgame.Scripts()...); err != nil {
		return err
	}
	return a.view.Refresh(ctx, live.Life)
}

// Close ends all connections, last opened first.
func (a *App) Close() error {
	defer a.log.Info("ended")
	return a.stops.closeAll()
}
