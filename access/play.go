package access

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/internal/httpapi"
)

// maxBody bounds the bodies of play calls.
const maxBody = 4 << 10

// Bounds of what an end may tell. More shakes than any arm can do are no mistake but an attempt: they are taken,
// counted as the cap, and kept for the audit; only what can't be a count is refused.
const (
	maxShakes = 1_000_000_000
	maxBeatMS = 10 * 60 * 1000
)

// number reads a round's number from the path, in its one spelling.
func number(c *gin.Context) (int64, *httpapi.Problem) {
	text := c.Param("number")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || strconv.FormatInt(n, 10) != text {
		return 0, httpapi.Bad(httpapi.Malformed, "a round's number is a whole number from 1")
	}
	return n, nil
}

func (s *Server) putRound(ctx context.Context, c *gin.Context, who Session) {
	n, p := number(c)
	if p == nil {
		p = httpapi.NoBody(c)
	}
	if p != nil {
		httpapi.Fail(c, p)
		return
	}
	open, err := s.Game.Start(ctx, c.Param("id"), who.User, n)
	if err != nil {
		fail(c, err)
		return
	}
	writeRound(c, roundOf(open))
}

// endBody is what ends a round. Beats are the times of the shakes in ms since the round's start.
type endBody struct {
	Token  *string `json:"token"`
	Shakes *int64  `json:"shakes"`
	Beats  beats   `json:"beats"`
}

// beats are numbers throughout: json would take a null for 0, or for no beats at all.
type beats []int64

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (b *beats) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	var list []*int64
	if err := json.UnmarshalDecode(d, &list); err != nil {
		return err
	}
	if list == nil || slices.Contains(list, nil) {
		return errNull
	}
	*b = make(beats, len(list))
	for i, at := range list {
		(*b)[i] = *at
	}
	return nil
}

var errNull = errors.New("null is no beat")

func (b endBody) check() *httpapi.Problem {
	switch {
	case b.Token == nil:
		return httpapi.Bad(httpapi.Malformed, "token is missing")
	case b.Shakes == nil:
		return httpapi.Bad(httpapi.Malformed, "shakes is missing")
	case *b.Shakes < 0 || *b.Shakes > maxShakes:
		return httpapi.Bad(httpapi.Malformed, "shakes: want 0 to %d", maxShakes)
	}
	for i, at := range b.Beats {
		if at < 0 || at > maxBeatMS || i > 0 && at < b.Beats[i-1] {
			return httpapi.Bad(httpapi.Malformed, "beats: want ms since the round's start, in order")
		}
	}
	return nil
}

func (s *Server) postEnd(ctx context.Context, c *gin.Context, who Session) {
	n, p := number(c)
	var body endBody
	if p == nil {
		p = httpapi.Read(c, maxBody, &body)
	}
	if p == nil {
		p = body.check()
	}
	if p != nil {
		httpapi.Fail(c, p)
		return
	}
	result, err := s.Game.End(ctx, c.Param("id"), who.User, n, *body.Token, *body.Shakes)
	s.answer(c, n, result, err)
	if err == nil && s.Referee != nil {
		s.Referee.Ended(result.ID, who.Device, *body.Shakes, body.Beats)
	}
}

func (s *Server) getRound(ctx context.Context, c *gin.Context, who Session) {
	n, p := number(c)
	if p != nil {
		httpapi.Fail(c, p)
		return
	}
	result, err := s.Game.Result(ctx, c.Param("id"), who.User, n)
	s.answer(c, n, result, err)
}

// answer gives a result, or says that it is still on its way.
func (s *Server) answer(c *gin.Context, number int64, result game.Result, err error) {
	switch {
	case errors.Is(err, game.ErrPending):
		noStore(c)
		c.Header("Retry-After", "1") // coins and replicas come soon, and a round must not be late for waiting
		c.JSON(http.StatusAccepted, gin.H{"number": number, "status": "pending"})
	case err != nil:
		fail(c, err)
	default:
		writeResult(c, resultOf(result))
	}
}

func (s *Server) getMe(ctx context.Context, c *gin.Context, who Session) {
	me, err := s.Game.Me(ctx, c.Param("id"), who.User)
	if err != nil {
		fail(c, err)
		return
	}
	noStore(c)
	c.JSON(http.StatusOK, meOf(me))
}

// noStoreValue is the header's value for all answers, which saves each a slice. Nobody writes to it.
var noStoreValue = []string{"no-store"}

func noStore(c *gin.Context) { c.Writer.Header()["Cache-Control"] = noStoreValue }
