package access

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/shake-live/shake/internal/httpapi"
)

// routes are all URLs of the players' door.
func (s *Server) routes() http.Handler {
	r := httpapi.New(s.Log, s.Observer)
	if len(s.opts.CORS.Origins) > 0 {
		r.Use(s.cors)
	}
	r.GET("/v1/live", s.getLive) // it has bounds of its own: a stream is no request under way

	v1, play, read := r.Group("/v1"), s.opts.PlayTimeout, s.opts.ReadTimeout
	v1.POST("/sessions", s.shed("sessions", starts, s.readLogin), s.postSession)
	v1.POST("/sessions/renew", s.player("renew", starts, play, s.postRenewal))
	v1.GET("/time", s.shed("time", reads, s.open(s.getTime)))
	v1.GET("/campaigns", s.shed("campaigns", reads, s.open(s.getCampaigns)))
	v1.GET("/campaigns/:id", s.shed("campaign", reads, s.open(s.getCampaign)))

	v1.GET("/campaigns/:id/me", s.player("me", starts, play, s.getMe))
	v1.PUT("/campaigns/:id/rounds/:number", s.player("start", starts, play, s.putRound))
	v1.GET("/campaigns/:id/rounds/:number", s.player("result", starts, play, s.getRound))
	v1.POST("/campaigns/:id/rounds/:number/end", s.player("end", ends, play, s.postEnd))
	v1.GET("/campaigns/:id/leaderboard", s.player("leaderboard", reads, read, s.getBoard))
	// A claim waits as well as a start: the ends that come again with it after a fail-over do not.
	v1.POST("/claims", s.player("claim", starts, play, s.postClaim))
	v1.GET("/wallet", s.player("wallet", reads, read, s.getWallet))
	v1.GET("/inbox", s.player("inbox", reads, read, s.getInbox))
	v1.POST("/inbox/:id/receipt", s.player("receipt", reads, read, s.postReceipt))
	return r
}

// RouteNames are what Options.RouteLimits may name.
var RouteNames = []string{
	"sessions", "renew", "time", "campaigns", "campaign", "me", "start", "result", "end", "claim", "leaderboard", "wallet", "inbox", "receipt", "live",
}

// Routes lists method and path of every route, for the tests that hold docs/openapi.yaml against them.
func (s *Server) Routes() []string {
	var list []string
	for _, r := range s.handler.(*gin.Engine).Routes() {
		list = append(list, r.Method+" "+r.Path)
	}
	return list
}
