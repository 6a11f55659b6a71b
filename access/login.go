package access

import (
	"context"
	"errors"
	"net/http"
	"regexp"

	"github.com/gin-gonic/gin"

	"github.com/shake-live/shake/internal/httpapi"
)

type sessionBody struct {
	Provider   *string `json:"provider"`
	Credential *string `json:"credential"`
	Market     *string `json:"market"`
	Device     *string `json:"device"`
}

var marketPattern = regexp.MustCompile(`^[A-Z]{2}$`)

// maxDevice bounds a device's id, which stands in every token of its session.
const maxDevice = 64

func (b sessionBody) check() *httpapi.Problem {
	switch {
	case b.Provider == nil || b.Credential == nil || b.Market == nil || !marketPattern.MatchString(*b.Market):
		return httpapi.Bad(httpapi.Malformed, "want provider, credential and market (two capital letters)")
	case b.Device != nil && (!opaque(*b.Device) || len(*b.Device) > maxDevice):
		return httpapi.Bad(httpapi.Malformed, "device: want 1 to %d printable ASCII characters without spaces", maxDevice)
	}
	return nil
}

// loginKey is where gin keeps a login between its two halves.
const loginKey = "shake.login"

// readLogin is the half of a login that is work of ours.
func (s *Server) readLogin(c *gin.Context) {
	if !s.addresses.allow(addressOf(c.Request, s.opts.TrustedProxies), s.Clock.Now()) {
		httpapi.Fail(c, httpapi.Bad(httpapi.RateLimited, "too many sessions from this address"))
		return
	}
	var body sessionBody
	p := httpapi.Read(c, maxBody, &body)
	if p == nil {
		p = body.check()
	}
	if p == nil && s.Providers[*body.Provider] == nil {
		p = httpapi.Bad(httpapi.Unauthorized, "provider is not known here")
	}
	if p != nil {
		httpapi.Fail(c, p)
		return
	}
	c.Set(loginKey, body)
}

// postSession is the half that waits: it asks the provider who the player is, and makes a session of the answer. It is
// not counted as load, since how long a platform takes says nothing about us: one that is slow must not make us turn
// away those who play. So it has a bound of its own.
func (s *Server) postSession(c *gin.Context) {
	body := c.MustGet(loginKey).(sessionBody)
	select {
	case s.logins <- struct{}{}:
		defer func() { <-s.logins }()
	default:
		httpapi.Fail(c, httpapi.Bad(httpapi.Overloaded, "try again in a moment"))
		return
	}
	provider := s.Providers[*body.Provider]
	ctx, cancel := context.WithTimeout(c.Request.Context(), s.opts.LoginTimeout)
	defer cancel()
	player, err := provider.Player(ctx, *body.Credential)
	if errors.Is(err, ErrRefused) { // the reason is for whoever sets the provider up, not for whoever tries
		httpapi.Fail(c, &httpapi.Problem{Code: httpapi.Unauthorized, Detail: "the provider does not vouch for this credential", Err: err})
		return
	}
	if err != nil {
		fail(c, err)
		return
	}
	if s.Names != nil {
		s.Names.Tell(player.User, CleanName(player.Name))
	}
	who := Session{User: player.User, Market: *body.Market}
	if body.Device != nil {
		who.Device = *body.Device
	}
	token, expires := s.Sessions.Issue(who, s.Clock.Now())
	noStore(c)
	c.JSON(http.StatusOK, sessionOf(who, token, expires))
}

// postRenewal gives a new token for a session that still holds.
func (s *Server) postRenewal(_ context.Context, c *gin.Context, who Session) {
	if p := httpapi.NoBody(c); p != nil {
		httpapi.Fail(c, p)
		return
	}
	token, expires, err := s.Sessions.Renew(who, s.Clock.Now())
	if err != nil {
		fail(c, err)
		return
	}
	noStore(c)
	c.JSON(http.StatusOK, sessionOf(who, token, expires))
}
