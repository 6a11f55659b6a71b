package access

import (
	"context"
	"errors"

	"github.com/gin-gonic/gin"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/internal/httpapi"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/reward"
)

// problems says which code each of the domain's answers has. The first that fits counts.
var problems = []struct {
	is     error
	code   httpapi.Code
	detail string
}{
	{ErrUnreachable, httpapi.Busy, "the provider can't be asked for the moment"},
	{ErrSessionExpired, httpapi.SessionExpired, "log in again"},
	{game.ErrNotFound, httpapi.NotFound, "no such campaign or round"},
	{reward.ErrNotFound, httpapi.NotFound, "no such notice"},
	{reward.ErrBadPage, httpapi.Malformed, "next is no cursor of ours"},
	{game.ErrTokenInvalid, httpapi.TokenInvalid, "the token was not signed for this round"},
	{game.ErrClaimInvalid, httpapi.TokenInvalid, "this is no claim that was signed here"},
	{game.ErrNotYours, httpapi.NotYours, "the round belongs to another player"},
	{game.ErrOtherRun, httpapi.NotLive, "the claim's run is over, and what it paid is in the wallets"},
	{game.ErrNotLive, httpapi.NotLive, "rounds start while the campaign is live"},
	{game.ErrNoChances, httpapi.NoChances, "every chance has been used"},
	{game.ErrRoundOpen, httpapi.RoundOpen, "the open round must end or run out first"},
	{game.ErrTooEarly, httpapi.TooEarly, "keep shaking"},
	{game.ErrTooLate, httpapi.TooLate, "the round can't be ended any more"},
	{game.ErrNoCoins, httpapi.PoolEmpty, "no coin is left for the claim, which stays good"},
	{game.ErrPoolEmpty, httpapi.PoolEmpty, "no new rounds for now"},
	{game.ErrConflict, httpapi.Conflicting, "the first end counts"},
	{game.ErrOverloaded, httpapi.Overloaded, "try again in a moment"},
	{game.ErrBusy, httpapi.Busy, "try again in a moment"},
	{game.ErrUnavailable, httpapi.Busy, "try again in a moment"},
	{inventory.ErrBusy, httpapi.Busy, "try again in a moment"},
	{context.DeadlineExceeded, httpapi.Busy, "try again in a moment"},
	{context.Canceled, httpapi.Busy, "the client went away"},
}

// fail answers with what the error means to a client.
func fail(c *gin.Context, err error) {
	var wrong *game.WrongNumberError
	if errors.As(err, &wrong) {
		p := httpapi.Bad(httpapi.WrongNumber, "the next round is number %d", wrong.Next)
		p.More = map[string]any{"next_number": wrong.Next}
		httpapi.Fail(c, p)
		return
	}
	for _, p := range problems {
		if errors.Is(err, p.is) {
			httpapi.Fail(c, &httpapi.Problem{Code: p.code, Detail: p.detail})
			return
		}
	}
	httpapi.Fail(c, &httpapi.Problem{Code: httpapi.Internal, Detail: "the request id helps us find out why", Err: err})
}
