package httpapi

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"
)

// validRequestID tells whether a client's own id can stand in logs: 8 to 64 letters, digits, _ and -.
func validRequestID(id string) bool {
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return len(id) >= 8 && len(id) <= 64
}

// RequestID is the id of the request, for answers and logs.
func RequestID(c *gin.Context) string { return c.Writer.Header().Get("X-Request-Id") }

// Observer hears of each request when it has been answered. The code is empty where all went well.
type Observer interface {
	Request(route, method string, status int, code string, took time.Duration)
}

// New makes a router that answers everything, also what nobody serves, in one shape.
func New(log *slog.Logger, observer Observer) *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.HandleMethodNotAllowed = true
	r.RedirectTrailingSlash = false
	r.RedirectFixedPath = false
	r.ContextWithFallback = true
	r.Use(watch(log, observer), recoverer(log))
	r.NoRoute(func(c *gin.Context) { Fail(c, Bad(NotFound, "no such path")) })
	r.NoMethod(func(c *gin.Context) { Fail(c, Bad(MethodNotAllowed, "%s is not served here", c.Request.Method)) })
	return r
}

// What each answer tells browsers: it is data of the type that it says, and no page, even where somebody opens it as one or
// puts it into a frame. The values are shared by all answers; nobody changes a header's values in place.
var (
	nosniff = []string{"nosniff"}
	inert   = []string{"default-src 'none'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox"}
)

// watch gives the request its id, and when it is answered tells the observer and, if somebody should look, the log.
func watch(log *slog.Logger, observer Observer) gin.HandlerFunc {
	return func(c *gin.Context) {
		began := time.Now()
		id := c.GetHeader("X-Request-Id")
		if !validRequestID(id) {
			id = newRequestID()
		}
		header := c.Writer.Header()
		header["X-Request-Id"] = []string{id}
		header["X-Content-Type-Options"], header["Content-Security-Policy"] = nosniff, inert
		c.Next()
		status, took := c.Writer.Status(), time.Since(began)
		observer.Request(c.FullPath(), c.Request.Method, status, c.GetString(codeKey), took)
		level := slog.LevelDebug
		if status == 500 {
			level = slog.LevelError
		}
		if log.Enabled(c, level) {
			log.Log(c, level, "request", "request_id", id, "method", c.Request.Method, "route", c.FullPath(),
				"status", status, "code", c.GetString(codeKey), "took_ms", took.Milliseconds(), "err", c.Errors.String())
		}
	}
}

// newRequestID is 24 hex digits at random; they tell requests apart and guard nothing.
func newRequestID() string {
	var b [12]byte
	binary.LittleEndian.PutUint64(b[:8], rand.Uint64())
	binary.LittleEndian.PutUint32(b[8:], rand.Uint32())
	var text [24]byte
	hex.Encode(text[:], b[:])
	return string(text[:])
}

// recoverer turns a panic into an answer and a log line; the server goes on.
func recoverer(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			if p := recover(); p != nil {
				log.Error("panic", "request_id", RequestID(c), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				Fail(c, &Problem{Code: Internal})
			}
		}()
		c.Next()
	}
}
