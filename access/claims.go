package access

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/internal/httpapi"
)

// claimBody is a result's claim as the player kept it.
type claimBody struct {
	Claim *string `json:"claim"`
}

type claimShape struct {
	Status string `json:"status"`
	Coins  int64  `json:"coins"`
}

// Waits that a claim which is on its way is told, in seconds, doubled at most by jitter: readers are as far within a second
// or two unless something stands still, and a review takes people.
const (
	claimAgain  = 2
	reviewAgain = 30
)

func (s *Server) postClaim(ctx context.Context, c *gin.Context, who Session) {
	var body claimBody
	p := httpapi.Read(c, maxBody, &body)
	if p == nil && body.Claim == nil {
		p = httpapi.Bad(httpapi.Malformed, "claim is missing")
	}
	if p != nil {
		httpapi.Fail(c, p)
		return
	}
	r, err := s.Game.Redeem(ctx, who.User, *body.Claim)
	switch {
	case errors.Is(err, game.ErrPending):
		after := claimAgain
		if errors.Is(err, game.ErrHeld) {
			after = reviewAgain
		}
		noStore(c)
		c.Header("Retry-After", strconv.Itoa(after+rand.N(after)))
		c.JSON(http.StatusAccepted, gin.H{"status": "pending"})
	case err != nil:
		fail(c, err)
	default:
		shape := claimShape{Status: "granted", Coins: r.Coins}
		if r.Already {
			shape.Status = "already_granted"
		}
		noStore(c)
		c.JSON(http.StatusOK, shape)
	}
}
