package access

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/shake-live/shake/internal/httpapi"
)

// routes are all URLs of the players' door.
func (s *Server) routes() http.Handler {
	r := httpapi.New(s.Log, s.Observer)
	r.Use(s.shed)

	v1 := r.Group("/v1")
	v1.POST("/sessions", s.limitAddress, s.postSession)
	v1.GET("/time", s.getTime)
	v1.GET("/campaigns", s.getCampaigns)
	v1.GET("/campaigns/:id", s.getCampaign)

	mine := v1.Group("", s.session, s.limitUser)
	mine.GET("/campaigns/:id/me", s.deadline(s.opts.PlayTimeout), s.getMe)
	mine.PUT("/campaigns/:id/rounds/:number", s.deadline(s.opts.PlayTimeout), s.putRound)
	mine.GET("/campaigns/:id/rounds/:number", s.deadline(s.opts.PlayTimeout), s.getRound)
	mine.POST("/campaigns/:id/rounds/:number/end", s.deadline(s.opts.PlayTimeout), s.postEnd)
	mine.GET("/campaigns/:id/leaderboard", s.deadline(s.opts.ReadTimeout), s.getBoard)
	mine.GET("/wallet", s.deadline(s.opts.ReadTimeout), s.getWallet)
	mine.GET("/inbox", s.deadline(s.opts.ReadTimeout), s.getInbox)
	mine.POST("/inbox/:id/receipt", s.deadline(s.opts.ReadTimeout), s.postReceipt)
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
