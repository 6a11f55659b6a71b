package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"log/slog"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/ops"
)

// The benchmarks count what the door adds to net/http, without network and Redis: time and, above all, what it
// allocates, which no busy neighbour changes.

func BenchmarkHello(b *testing.B) {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.POST("/hello", func(c *gin.Context) { c.String(http.StatusOK, "hello") })
	serveAll(b, r, "POST", "/hello", "", 200)
}

func BenchmarkSession(b *testing.B) {
	serveAll(b, door(b), "POST", "/v1/inbox/1/receipt", "", 204)
}

func BenchmarkStart(b *testing.B) {
	serveAll(b, door(b), "PUT", "/v1/campaigns/bench/rounds/7", "", 200)
}

// BenchmarkRefused is what a request costs that is told to go away: here for a route that is none.
func BenchmarkRefused(b *testing.B) {
	serveAll(b, door(b), "PUT", "/v1/nowhere", "", 404)
}

func BenchmarkEnd(b *testing.B) {
	serveAll(b, door(b), "POST", "/v1/campaigns/bench/rounds/7/end", `{"token":"`+strings.Repeat("a", 70)+`","shakes":40}`, 200)
}

const benchKey = "a key for benchmarks only"

func door(b *testing.B) http.Handler {
	sessions, err := newSessions(benchKey)
	if err != nil {
		b.Fatal(err)
	}
	return access.New(access.Deps{
		Live: access.NewHub(access.HubDeps{Watch: ops.NewMetrics()}, access.HubOptions{}),
		Game: instant{}, Inboxes: takesAll{}, Sessions: sessions, Clock: clock.System{},
		Log: slog.New(slog.NewJSONHandler(io.Discard, nil)), Observer: ops.NewMetrics(),
	}, access.Options{UserLimit: access.Limit{Rate: 1e9, Burst: 1 << 30}})
}

// instant is a game without a store.
type instant struct{}

var id = game.RoundID{Campaign: "bench", Run: 1, Epoch: 1, User: "player-0000001", Number: 7}

func (instant) Start(context.Context, string, string, int64) (game.Open, error) {
	now := time.Unix(1_700_000_000, 0)
	return game.Open{ID: id, Token: strings.Repeat("a", 70), StartsAt: now, EndsAt: now, ChancesLeft: 3}, nil
}

func (instant) End(context.Context, string, string, int64, string, int64) (game.Result, error) {
	return game.Result{ID: id, Coins: 5, Total: 50, ChancesLeft: 3, Claim: strings.Repeat("a", 100), SettledAt: time.Unix(1_700_000_000, 0)}, nil
}

func (instant) Me(context.Context, string, string) (game.Me, error) { return game.Me{}, nil }

func (instant) Result(context.Context, string, string, int64) (game.Result, error) {
	return game.Result{}, nil
}

func (instant) Redeem(context.Context, string, string) (game.Redeemed, error) {
	return game.Redeemed{}, nil
}

func (instant) Level(context.Context, *game.Live) (inventory.Level, bool, error) {
	return inventory.Level{}, true, nil
}

// quiet is a ResponseWriter that keeps nothing but the status.
type quiet struct {
	header http.Header
	status int
}

func (q *quiet) Header() http.Header         { return q.header }
func (q *quiet) Write(p []byte) (int, error) { return len(p), nil }
func (q *quiet) WriteHeader(status int)      { q.status = status }

func serveAll(b *testing.B, h http.Handler, method, path, body string, want int) {
	players, err := newPlayers(benchKey, 1)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context()) // a request's context can be cancelled
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, path, nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+players.bearer[0])
	req.Header.Set("Content-Type", "application/json")
	req.ContentLength = int64(len(body))
	text := strings.NewReader(body)
	req.Body = io.NopCloser(text)
	w := &quiet{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		w.status = 200
		text.Reset(body)
		h.ServeHTTP(w, req)
		if w.status != want {
			b.Fatalf("status %d, want %d", w.status, want)
		}
	}
}
