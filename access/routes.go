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
	r.Use(s.shed)

	v1 := r.Group("/v1")
	v1.POST("/sessions", s.limitAddress, s.postSession)
	v1.POST("/sessions/renew", s.player(s.opts.PlayTimeout, s.postRenewal))
	v1.GET("/time", s.getTime)
	v1.GET("/campaigns", s.getCampaigns)
	v1.GET("/campaigns/:id", s.getCampaign)

	v1.GET("/campaigns/:id/me", s.player(s.opts.PlayTimeout, s.getMe))
	v1.PUT("/campaigns/:id/rounds/:number", s.player(s.opts.PlayTimeout, s.putRound))
	v1.GET("/campaigns/:id/rounds/:number", s.player(s.opts.PlayTimeout, s.getRound))
	v1.POST("/campaigns/:id/rounds/:number/end", s.player(s.opts.PlayTimeout, s.postEnd))
	v1.GET("/campaigns/:id/leaderboard", s.player(s.opts.ReadTimeout, s.getBoard))
	v1.GET("/wallet", s.player(s.opts.ReadTimeout, s.getWallet))
	v1.GET("/inbox", s.player(s.opts.ReadTimeout, s.getInbox))
	v1.POST("/inbox/:id/receipt", s.player(s.opts.ReadTimeout, s.postReceipt))
	return r
}

// Routes lists method and path of every route, for the tests that hold docs/openapi.yaml against them.
func (s *Server) Routes() []string {
	var list []string
	for _, r := range s.handler.(*gin.Engine).Routes() {
		list = append(list, r.Method+" "+r.Path)
	}
	return list
}
