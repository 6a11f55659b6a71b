package access

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/shake-live/shake/internal/httpapi"
)

// CORS lets pages of other origins call the door. There are no cookies, so credentials are never allowed: a page that
// has a session sends it itself.
type CORS struct {
	Origins []string      // like https://play.example, to the letter; "*" alone is any; none: no page of another origin
	MaxAge  time.Duration // for which browsers may remember what is allowed; default: as long as they like
}

// What pages may send and read, besides what they always may.
const (
	corsMethods = "GET, POST, PUT"
	corsHeaders = "Authorization, Content-Type, If-None-Match, Last-Event-ID, X-Request-Id"
	corsExposed = "ETag, Retry-After, X-Request-Id"
)

// cors answers preflights, which carry no session, and tells browsers which answers a page may read. It stands before
// everything that refuses, so that a page can read refusals too.
func (s *Server) cors(c *gin.Context) {
	options, header := s.opts.CORS, c.Writer.Header()
	origin := c.GetHeader("Origin")
	anybody := slices.Contains(options.Origins, "*")
	if !anybody {
		header.Add("Vary", "Origin") // also where none is sent: a cache must not give that answer to a page
	}
	allowed := origin != "" && (anybody || slices.Contains(options.Origins, origin))
	if allowed {
		header.Set("Access-Control-Allow-Origin", origin)
		if anybody {
			header.Set("Access-Control-Allow-Origin", "*")
		}
		header.Set("Access-Control-Expose-Headers", corsExposed)
	}
	if c.Request.Method != http.MethodOptions || origin == "" || c.GetHeader("Access-Control-Request-Method") == "" {
		return
	}
	if !allowed {
		httpapi.Fail(c, httpapi.Bad(httpapi.Forbidden, "pages of this origin are not allowed"))
		return
	}
	header.Add("Vary", "Access-Control-Request-Method")
	header.Add("Vary", "Access-Control-Request-Headers")
	header.Set("Access-Control-Allow-Methods", corsMethods)
	header.Set("Access-Control-Allow-Headers", corsHeaders)
	if options.MaxAge > 0 {
		header.Set("Access-Control-Max-Age", strconv.FormatInt(int64(options.MaxAge/time.Second), 10))
	}
	header.Del("Access-Control-Expose-Headers") // for answers alone
	c.AbortWithStatus(http.StatusNoContent)
}
