package access

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/internal/httpapi"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/reward"
)

// Game plays rounds.
type Game interface {
	Start(ctx context.Context, campaign, user string, number int64) (game.Open, error)
	End(ctx context.Context, campaign, user string, number int64, token string, shakes int64) (game.Result, error)
	Me(ctx context.Context, campaign, user string) (game.Me, error)
	Result(ctx context.Context, campaign, user string, number int64) (game.Result, error)
	// Redeem has a round paid whose settle was lost, by the claim that its player kept.
	Redeem(ctx context.Context, user, claim string) (game.Redeemed, error)
	Level(ctx context.Context, c *game.Live) (level inventory.Level, open bool, err error)
}

// Catalog knows the campaigns.
type Catalog interface {
	Get(ctx context.Context, id string) (*game.Live, error)
	Market(ctx context.Context, market string) ([]*game.Live, error)
}

// Place is one line of a leaderboard.
type Place struct {
	Rank  int64
	User  string
	Name  string // what is shown, which is never the id by default
	Coins int64
}

// Board is what a leaderboard answers.
type Board struct {
	Final   bool
	Entries []Place
	Me      *Place // nil where the player is not on the board, or nobody asked
}

// Boards shows leaderboards: the best so many, or so many around the user.
type Boards interface {
	Board(ctx context.Context, c *game.Live, user string, limit int, around bool) (Board, error)
}

// Wallets shows what players own.
type Wallets interface {
	Balance(ctx context.Context, user string) (int64, error)
	History(ctx context.Context, user, before string, limit int) ([]reward.Entry, string, error)
}

// Inboxes keeps the messages to players.
type Inboxes interface {
	Inbox(ctx context.Context, user, before string, limit int) ([]reward.Notice, string, error)
	// Receipt tells whether it is the first one.
	Receipt(ctx context.Context, user, id string, at time.Time) (bool, error)
}

// Referee hears of rounds that were settled and answered. It must not wait, and beats are its own from then on.
type Referee interface {
	Ended(round game.RoundID, device string, shakes int64, beats []int64)
}

// Options bounds the door. The zero value of a field means its default.
type Options struct {
	UserLimit    Limit            // calls of one player; default: none
	MarketLimit  Limit            // calls of the players of one market, so that its herd leaves room for the others'; default: none
	MarketLimits map[string]Limit // of markets with a limit of their own; default: none
	RouteLimits  map[string]Limit // of all calls of a route, by its name in RouteNames; default: none
	AddressLimit Limit            // sessions asked for from one address; default: none
	PublicLimit  Limit            // other calls from one address that bring no valid session; default: none
	MaxInFlight  int              // requests under way at once at most; more are shed; default 20000
	MinInFlight  int              // the number under way that is never too many; default 512
	Target       time.Duration    // while requests take longer on average, fewer are let in; default 250 ms
	PlayTimeout  time.Duration    // for one play call; default 2 s
	ReadTimeout  time.Duration    // for one read of wallet, inbox or board; default 2 s
	LoginTimeout time.Duration    // for one question to a provider; default 5 s
	MaxLogins    int              // questions to providers under way at once; default 4096

	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed; default: nobody's
	CORS           CORS           // default: no page of another origin
}

func (o Options) withDefaults() Options {
	if o.MaxInFlight == 0 {
		o.MaxInFlight = 20000
	}
	if o.MinInFlight == 0 {
		o.MinInFlight = 512
	}
	if o.Target == 0 {
		o.Target = 250 * time.Millisecond
	}
	if o.PlayTimeout == 0 {
		o.PlayTimeout = 2 * time.Second
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = 2 * time.Second
	}
	if o.MaxLogins == 0 {
		o.MaxLogins = 4096
	}
	if o.LoginTimeout == 0 {
		o.LoginTimeout = 5 * time.Second
	}
	return o
}

// Observer hears of requests, and of how many may be under way at once.
type Observer interface {
	httpapi.Observer
	Limit(requests int64)
}

// Deps are what the door works with.
type Deps struct {
	Game      Game
	Catalog   Catalog
	Boards    Boards
	Wallets   Wallets
	Inboxes   Inboxes
	Live      *Hub
	Referee   Referee // nil: nobody judges
	Sessions  *Sessions
	Providers map[string]Provider
	Names     *Names // nil: no provider tells names
	Clock     clock.Clock
	Log       *slog.Logger
	Observer  Observer
}

// Server is the players' door.
type Server struct {
	Deps
	opts      Options
	users     *limiter
	addresses *limiter
	public    *limiter
	markets   markets
	streams   *limiter // how many may be opened a second
	load      *load
	logins    chan struct{} // one for each question to a provider that is under way
	handler   http.Handler
}

// New builds the door.
func New(d Deps, opts Options) *Server {
	opts = opts.withDefaults()
	s := &Server{
		Deps: d, opts: opts, streams: newLimiter(opts.RouteLimits["live"]),
		users: newLimiter(opts.UserLimit), addresses: newLimiter(opts.AddressLimit), public: newLimiter(opts.PublicLimit),
		logins: make(chan struct{}, opts.MaxLogins), markets: newMarkets(opts.MarketLimit, opts.MarketLimits), load: newLoad(opts.MinInFlight, opts.MaxInFlight, opts.Target, d.Observer.Limit),
	}
	s.handler = s.routes()
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }
