package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/internal/httpapi"
	"github.com/shake-live/shake/reward"
)

func (s *Server) getTime(c *gin.Context) {
	noStore(c)
	c.JSON(http.StatusOK, gin.H{"server_time": stamp(s.Clock.Now())})
}

func (s *Server) getCampaigns(c *gin.Context) {
	values, p := query(c, "market")
	market := values.Get("market")
	if p == nil && market != "" && !marketPattern.MatchString(market) {
		p = httpapi.Bad(httpapi.Malformed, "market: want two capital letters")
	}
	if p != nil {
		httpapi.Fail(c, p)
		return
	}
	lives, err := s.Catalog.Market(c.Request.Context(), market)
	if err != nil {
		fail(c, err)
		return
	}
	list := make([]campaignShape, 0, len(lives))
	for _, live := range lives {
		list = append(list, s.show(c, live))
	}
	cacheable(c, gin.H{"campaigns": list})
}

func (s *Server) getCampaign(c *gin.Context) {
	live, err := s.Catalog.Get(c.Request.Context(), c.Param("id"))
	if err != nil {
		fail(c, err)
		return
	}
	cacheable(c, s.show(c, live))
}

// show gives a campaign with its pool. Where the pool is not to be seen for the moment, it is shown closed:
// a page can live with that, and with an error it can't.
func (s *Server) show(c *gin.Context, live *game.Live) campaignShape {
	level, open, err := s.Game.Level(c.Request.Context(), live)
	if err != nil {
		level.Funded, open = live.Campaign.Pool, false
	}
	return campaignOf(live, level, open, s.Clock.Now())
}

// cacheable answers with an ETag, good for a second and a little stale after that, so that caches in front carry
// any number of viewers.
func cacheable(c *gin.Context, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		fail(c, err)
		return
	}
	sum := sha256.Sum256(body)
	etag := `"` + hex.EncodeToString(sum[:12]) + `"`
	c.Header("ETag", etag)
	c.Header("Cache-Control", "public, max-age=1, stale-while-revalidate=5")
	if matches(c.GetHeader("If-None-Match"), etag) {
		c.Status(http.StatusNotModified)
		return
	}
	c.Data(http.StatusOK, "application/json; charset=utf-8", body)
}

// matches compares weakly, as RFC 9110 says for If-None-Match.
func matches(header, etag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == etag {
			return true
		}
	}
	return false
}

func (s *Server) getBoard(ctx context.Context, c *gin.Context, who Session) {
	values, p := query(c, "limit", "around")
	around, n := values.Get("around"), 0
	if p == nil && around != "" && around != "me" {
		p = httpapi.Bad(httpapi.Malformed, `around: want "me"`)
	}
	if p == nil {
		n, p = limit(values)
	}
	if p != nil {
		httpapi.Fail(c, p)
		return
	}
	live, err := s.Catalog.Get(ctx, c.Param("id"))
	if err != nil {
		fail(c, err)
		return
	}
	if n == 0 {
		n = 10
	}
	board, err := s.Boards.Board(ctx, live, who.User, n, around == "me")
	if err != nil {
		fail(c, err)
		return
	}
	noStore(c)
	c.JSON(http.StatusOK, boardOf(board))
}

func (s *Server) getWallet(ctx context.Context, c *gin.Context, who Session) {
	n, next, p := paging(c)
	if p != nil {
		httpapi.Fail(c, p)
		return
	}
	entries, after, err := s.Wallets.History(ctx, who.User, next, n)
	if err != nil {
		fail(c, err)
		return
	}
	balance, err := s.Wallets.Balance(ctx, who.User)
	if err != nil {
		fail(c, err)
		return
	}
	noStore(c)
	c.JSON(http.StatusOK, walletOf(balance, entries, after))
}

func (s *Server) getInbox(ctx context.Context, c *gin.Context, who Session) {
	n, next, p := paging(c)
	if p != nil {
		httpapi.Fail(c, p)
		return
	}
	notices, after, err := s.Inboxes.Inbox(ctx, who.User, next, n)
	if err != nil {
		fail(c, err)
		return
	}
	noStore(c)
	c.JSON(http.StatusOK, inboxOf(notices, after))
}

func (s *Server) postReceipt(ctx context.Context, c *gin.Context, who Session) {
	if p := httpapi.NoBody(c); p != nil {
		httpapi.Fail(c, p)
		return
	}
	id := c.Param("id")
	if !opaque(id) {
		fail(c, reward.ErrNotFound)
		return
	}
	first, err := s.Inboxes.Receipt(ctx, who.User, id, s.Clock.Now())
	if err != nil {
		fail(c, err)
		return
	}
	if first {
		s.Live.Shown()
	}
	c.Status(http.StatusNoContent)
}
