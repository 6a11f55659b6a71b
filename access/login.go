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

// postSession asks the provider who the player is, and makes a session of the answer.
func (s *Server) postSession(c *gin.Context) {
	if !s.addresses.allow(addressOf(c.Request, s.opts.TrustedProxies), s.Clock.Now()) {
		httpapi.Fail(c, httpapi.Bad(httpapi.RateLimited, "too many sessions from this address"))
		return
	}
	var body sessionBody
	p := httpapi.Read(c, maxBody, &body)
	if p == nil {
		p = body.check()
	}
	if p != nil {
		httpapi.Fail(c, p)
		return
	}
	provider := s.Providers[*body.Provider]
	if provider == nil {
		httpapi.Fail(c, httpapi.Bad(httpapi.Unauthorized, "provider is not known here"))
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), s.opts.LoginTimeout)
	defer cancel()
	user, err := provider.User(ctx, *body.Credential)
	if errors.Is(err, ErrRefused) { // the reason is for whoever sets the provider up, not for whoever tries
		httpapi.Fail(c, &httpapi.Problem{Code: httpapi.Unauthorized, Detail: "the provider does not vouch for this credential", Err: err})
		return
	}
	if err != nil {
		fail(c, err)
		return
	}
	who := Session{User: user, Market: *body.Market}
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
