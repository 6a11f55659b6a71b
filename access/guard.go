package access

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/shake-live/shake/internal/httpapi"
)

const sessionKey = "shake.session"

// session lets only players in who hold a valid session.
func (s *Server) session(c *gin.Context) {
	scheme, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" { // RFC 9110: the scheme's case does not matter
		httpapi.Fail(c, httpapi.Bad(httpapi.Unauthorized, "want Authorization: Bearer TOKEN"))
		return
	}
	session, err := s.Sessions.Check(token, s.Clock.Now())
	switch {
	case errors.Is(err, ErrSessionExpired):
		httpapi.Fail(c, httpapi.Bad(httpapi.SessionExpired, "log in again"))
	case err != nil:
		httpapi.Fail(c, httpapi.Bad(httpapi.Unauthorized, "the session's token is not valid"))
	default:
		c.Set(sessionKey, session)
	}
}

// caller is the player whose session was checked.
func caller(c *gin.Context) Session { return c.MustGet(sessionKey).(Session) }

// shed turns requests away at once when more are under way than the door can carry: a quick no is better for
// everybody than a slow yes.
func (s *Server) shed(c *gin.Context) {
	select {
	case s.inFlight <- struct{}{}:
		defer func() { <-s.inFlight }()
		c.Next()
	default:
		httpapi.Fail(c, httpapi.Bad(httpapi.Overloaded, "try again in a moment"))
	}
}

func (s *Server) limitUser(c *gin.Context) {
	if !s.users.allow(caller(c).User, s.Clock.Now()) {
		httpapi.Fail(c, httpapi.Bad(httpapi.RateLimited, "slow down"))
	}
}

func (s *Server) limitAddress(c *gin.Context) {
	if !s.addresses.allow(c.RemoteIP(), s.Clock.Now()) {
		httpapi.Fail(c, httpapi.Bad(httpapi.RateLimited, "too many sessions from this address"))
	}
}

// deadline bounds a request, so that none waits for a store longer than a player would. Handlers hand stores the
// request's own context: gin's becomes another request's as soon as this one is answered, and a store may look at
// it a moment longer.
func (s *Server) deadline(d time.Duration) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx := &bounded{Context: c.Request.Context(), until: time.Now().Add(d)}
		defer ctx.end()
		c.Request = c.Request.WithContext(ctx)
		c.Next()
	}
}

// bounded is a context with a deadline whose timer starts when somebody first waits on it. Most requests that are
// refused, and all that memory answers, never wait: the timer was a tenth of what the door cost them.
type bounded struct {
	context.Context // the request's, which ends when it is answered
	until           time.Time

	mu     sync.Mutex
	armed  context.Context // nil until somebody waits
	cancel context.CancelFunc
}

// Deadline implements context.Context.
func (b *bounded) Deadline() (time.Time, bool) { return b.until, true }

// Done implements context.Context.
func (b *bounded) Done() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.armed == nil {
		b.armed, b.cancel = context.WithDeadline(b.Context, b.until)
	}
	return b.armed.Done()
}

// Err implements context.Context.
func (b *bounded) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.armed != nil:
		return b.armed.Err()
	case b.Context.Err() != nil:
		return b.Context.Err()
	case !time.Now().Before(b.until):
		return context.DeadlineExceeded
	}
	return nil
}

// end lets go of the timer.
func (b *bounded) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cancel != nil {
		b.cancel()
	}
}
