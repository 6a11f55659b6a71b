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

// signedIn is a handler that knows who is calling. ctx is the request's with a deadline. It goes to stores rather than
// gin's, which becomes another request's as soon as this one is answered, and a store may look at it a moment longer.
type signedIn func(ctx context.Context, c *gin.Context, who Session)

// player lets only those in who hold a valid session and keep to their rate, and bounds what they ask for by d, so that
// none waits for a store longer than a player would. It is one function because it is part of every round: as three
// with the session in gin's map between them it cost 2 % more of an end.
func (s *Server) player(name string, k class, d time.Duration, serve signedIn) gin.HandlerFunc {
	return s.shed(name, k, func(c *gin.Context) {
		now := s.Clock.Now()
		who, p := s.session(c, now)
		if p == nil && !s.users.allow(who.User, now) {
			p = httpapi.Bad(httpapi.RateLimited, "slow down")
		}
		if p == nil && s.markets.any() && !s.markets.allow(k, s.marketOf(c, who), now) {
			p = httpapi.Bad(httpapi.RateLimited, "too much is going on in this market")
		}
		if p != nil {
			httpapi.Fail(c, p)
			return
		}
		ctx := &bounded{Context: c.Request.Context(), until: time.Now().Add(d)}
		defer ctx.end()
		serve(ctx, c, who)
	})
}

// marketOf is the market that a call counts for: that of its campaign, whatever market the player named when he logged in,
// for he may name any. A campaign that can't be found now is for the handler to tell.
func (s *Server) marketOf(c *gin.Context, who Session) string {
	if id := c.Param("id"); id != "" {
		if live, err := s.Catalog.Get(c.Request.Context(), id); err == nil {
			return live.Market
		}
	}
	return who.Market
}

// open lets in whoever keeps to the rate of his address.
func (s *Server) open(serve gin.HandlerFunc) gin.HandlerFunc {
	return func(c *gin.Context) {
		if p := s.stranger(c, s.Clock.Now()); p != nil {
			httpapi.Fail(c, p)
			return
		}
		serve(c)
	}
}

// stranger counts a call that brings no valid session for the address that it comes from.
func (s *Server) stranger(c *gin.Context, now time.Time) *httpapi.Problem {
	if s.public != nil && !s.public.allow(addressOf(c.Request, s.opts.TrustedProxies), now) {
		return httpapi.Bad(httpapi.RateLimited, "too many calls from this address")
	}
	return nil
}

// session checks whose session the request brings. Who tries out sessions runs into the rate of his address.
func (s *Server) session(c *gin.Context, now time.Time) (Session, *httpapi.Problem) {
	who, p := s.check(c, now)
	if p != nil {
		if limited := s.stranger(c, now); limited != nil {
			p = limited
		}
	}
	return who, p
}

func (s *Server) check(c *gin.Context, now time.Time) (Session, *httpapi.Problem) {
	scheme, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" { // RFC 9110: the scheme's case does not matter
		return Session{}, httpapi.Bad(httpapi.Unauthorized, "want Authorization: Bearer TOKEN")
	}
	session, err := s.Sessions.Check(token, now)
	switch {
	case errors.Is(err, ErrSessionExpired):
		return Session{}, httpapi.Bad(httpapi.SessionExpired, "log in again")
	case err != nil:
		return Session{}, httpapi.Bad(httpapi.Unauthorized, "the session's token is not valid")
	}
	return session, nil
}

// shed lets a request of this class in if it did not wait too long at the turnstile, and the load and its route's cap
// allow it.
func (s *Server) shed(name string, k class, serve gin.HandlerFunc) gin.HandlerFunc {
	routeCap := newLimiter(s.opts.RouteLimits[name])
	return func(c *gin.Context) {
		began := time.Now()
		if waitedTooLong(c.Request.Context()) || !s.load.admit(k, began) {
			httpapi.Fail(c, httpapi.Bad(httpapi.Overloaded, "try again in a moment"))
			return
		}
		defer func() { s.load.leave(began, time.Now()) }()
		if !routeCap.allow(name, began) {
			httpapi.Fail(c, httpapi.Bad(httpapi.Overloaded, "try again in a moment"))
			return
		}
		serve(c)
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
