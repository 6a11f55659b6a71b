package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/ops"
	"github.com/shake-live/shake/reward"
)

//go:embed base.lua
var baseSource string

// reference serves what the project is compared with:
//
//	POST /hello/of/:name    gin's hello world
//	POST /base/:shard/:user one plain EVALSHA of a slim script that settles a round; no session, no body
//	POST /v1/inbox/…        our own players' door over an inbox that takes every receipt at once: what a checked
//	                        session costs, with limits, metrics and logs as in production, and no store behind
func reference(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("reference", flag.ContinueOnError)
	addr := flags.String("redis", "", "address")
	key := flags.String("key", "", "session key")
	if err := flags.Parse(args); err != nil {
		return err
	}
	client := redis.NewClient(&redis.Options{Addr: *addr})
	defer client.Close()
	sha, err := client.ScriptLoad(ctx, baseSource).Result()
	if err != nil {
		return err
	}
	door, err := sessionDoor(*key)
	if err != nil {
		return err
	}
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.POST("/hello/of/:name", func(c *gin.Context) { c.String(http.StatusOK, "hello") })
	r.POST("/base/:shard/:user", base(client, sha))
	return serve(ctx, pick{r, door})
}

// base settles one round: nobody checks who asks, and the coins are always the same.
func base(client *redis.Client, sha string) gin.HandlerFunc {
	return func(c *gin.Context) {
		tag := "base:{" + c.Param("shard") + "}:"
		user := c.Param("user")
		left, err := client.EvalSha(c, sha, []string{tag + "pool", tag + "out", tag + "p:" + user}, user, 5).Result()
		if err != nil {
			c.String(http.StatusInternalServerError, err.Error())
			return
		}
		c.JSON(http.StatusOK, gin.H{"coins": 5, "left": left})
	}
}

// pick sends API calls to the door and everything else to the plain router. A mux would cost the door a lookup
// that it does not pay in production.
type pick struct{ plain, door http.Handler }

func (p pick) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if len(r.URL.Path) > 3 && r.URL.Path[:4] == "/v1/" {
		p.door.ServeHTTP(w, r)
		return
	}
	p.plain.ServeHTTP(w, r)
}

// takesAll is an inbox that takes every receipt.
type takesAll struct{}

func (takesAll) Receipt(context.Context, string, string, time.Time) (bool, error) {
	return true, nil
}

func (takesAll) Inbox(context.Context, string, string, int) ([]reward.Notice, string, error) {
	return nil, "", errors.New("not part of the bench")
}

func sessionDoor(key string) (http.Handler, error) {
	sessions, err := newSessions(key)
	if err != nil {
		return nil, err
	}
	return access.New(access.Deps{
		Live:    access.NewHub(access.HubDeps{Watch: ops.NewMetrics()}, access.HubOptions{}),
		Inboxes: takesAll{}, Sessions: sessions, Clock: clock.System{},
		Log: slog.New(slog.NewJSONHandler(io.Discard, nil)), Observer: ops.NewMetrics(),
	}, access.Options{UserLimit: access.Limit{Rate: userRate, Burst: userBurst}}), nil
}

// serve serves on a free port, told on standard output, until ctx ends.
func serve(ctx context.Context, h http.Handler) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	// The timeouts of internal/app, so that neither side has fewer timers.
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 75 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close() // the bench has its answers
	}()
	profiles, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go http.Serve(profiles, ops.NewServer(ops.NewMetrics(), nil)) // ends with the process
	fmt.Printf("ready players=http://%s ops=http://%s\n", l.Addr(), profiles.Addr())
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
