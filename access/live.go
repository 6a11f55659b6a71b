package access

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/shake-live/shake/internal/httpapi"
)

const (
	// heartbeat is the longest silence of a stream, so that whatever is between does not take it for dead.
	heartbeat = 12 * time.Second
	// writeLimit is how long a page may take for one write before it is let go. It comes back.
	writeLimit = 5 * time.Second
)

// getLive streams what changes for as long as the page stays, or the session lasts.
func (s *Server) getLive(c *gin.Context) {
	who, p := s.session(c, s.Clock.Now())
	if p == nil && !s.streams.allow("live", s.Clock.Now()) {
		p = httpapi.Bad(httpapi.Overloaded, "poll, and try again later")
	}
	if p == nil && !s.users.allow(who.User, s.Clock.Now()) {
		p = httpapi.Bad(httpapi.RateLimited, "slow down")
	}
	values, bad := query(c, "campaign")
	if p == nil {
		p = bad
	}
	if p == nil && values.Get("campaign") == "" {
		p = httpapi.Bad(httpapi.Malformed, "campaign is missing")
	}
	if p != nil {
		httpapi.Fail(c, p)
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), who.ExpiresAt.Sub(s.Clock.Now()))
	defer cancel()
	looking, stop := context.WithTimeout(ctx, s.opts.ReadTimeout)
	defer stop()
	live, err := s.Catalog.Get(looking, values.Get("campaign"))
	if err != nil {
		fail(c, err)
		return
	}
	page, err := s.Live.open(looking, live.ID, who.User, c.GetHeader("Last-Event-ID"))
	if err != nil {
		httpapi.Fail(c, &httpapi.Problem{Code: httpapi.Overloaded, Detail: "poll, and try again later", Err: err})
		return
	}
	defer page.shut()
	s.stream(ctx, c, page)
}

// stream writes the page's events until either side ends it.
func (s *Server) stream(ctx context.Context, c *gin.Context, p *page) {
	h := c.Writer.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // proxies that gather answers would hold events up
	noStore(c)
	control := http.NewResponseController(c.Writer)
	_ = control.SetReadDeadline(time.Time{}) // the request's was for its head; recorders of tests have none
	beat := time.NewTimer(rand.N(heartbeat)) // pages that came at once do not beat at once
	defer beat.Stop()
	out := [][]byte{[]byte("retry: 2000\n\n")}
	for {
		if err := write(c, control, out); err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				s.Live.Watch.PageDropped("slow")
			}
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			out = [][]byte{[]byte(":\n\n")}
			beat.Reset(heartbeat)
		case <-p.wake:
			var err error
			if out, err = p.take(); err != nil {
				return
			}
		}
	}
}

func write(c *gin.Context, control *http.ResponseController, texts [][]byte) error {
	if len(texts) == 0 {
		return nil
	}
	_ = control.SetWriteDeadline(time.Now().Add(writeLimit))
	for _, text := range texts {
		if _, err := c.Writer.Write(text); err != nil {
			return err
		}
	}
	return control.Flush()
}
