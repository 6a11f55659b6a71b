// Package platform asks a company's own login who a player is: by the signed tokens it gives (OIDC, JWT), or by its
// introspection endpoint. It is asked once a login; after that the session vouches.
package platform

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/game"
)

// Names says which user a player of a platform is, and by what name others see him.
type Names struct {
	Claim   string // the claim that has the platform's own id of the player
	Prefix  string // what stands before it, so that no two platforms have a user in common
	Display string // the claim that has what others may see; empty: none
}

const (
	maxName = 512  // bytes of a platform's id
	hashed  = "x:" // stands before the hash of an id that can't stand for itself
)

// player makes a player of the claims. What is to be shown is no reason to refuse anybody: a claim that is no text is none.
func (n Names) player(claims jwt.MapClaims) (access.Player, error) {
	user, err := n.user(claims)
	if err != nil {
		return access.Player{}, err
	}
	player := access.Player{User: user}
	if n.Display != "" {
		player.Name, _ = claims[n.Display].(string)
	}
	return player, nil
}

// user makes a user of the claims. A platform's id stands for itself where it can; one that can't, since it has a
// character too many or is too long, gets its hash. No two ids become one user: none that begins like a hash stands
// for itself.
func (n Names) user(claims jwt.MapClaims) (string, error) {
	var name string
	switch v := claims[n.Claim].(type) {
	case string:
		name = v
	case json.Number:
		name = v.String()
	}
	if name == "" || len(name) > maxName || strings.ContainsAny(name, "\x00\r\n") {
		return "", refused("no usable claim " + n.Claim)
	}
	if user := n.Prefix + name; game.ValidUser(user) && !strings.HasPrefix(name, hashed) {
		return user, nil
	}
	sum := sha256.Sum256([]byte(name))
	return n.Prefix + hashed + hex.EncodeToString(sum[:16]), nil
}

// refused says why a credential is not taken, in words of ours: a credential or a part of it must not get into a log.
func refused(why string) error { return fmt.Errorf("%w: %s", access.ErrRefused, why) }

// unreachable says why a platform gave no answer.
func unreachable(why error) error { return fmt.Errorf("%w: %w", access.ErrUnreachable, why) }

// reasons are what may be wrong with claims or a signature. The first that fits counts.
var reasons = []error{
	jwt.ErrTokenExpired, jwt.ErrTokenNotValidYet, jwt.ErrTokenUsedBeforeIssued, jwt.ErrTokenInvalidAudience, jwt.ErrTokenInvalidIssuer,
	jwt.ErrTokenRequiredClaimMissing, jwt.ErrInvalidType, jwt.ErrTokenSignatureInvalid, jwt.ErrTokenMalformed,
}

// judged puts the library's verdict into one of ours.
func judged(err error) error {
	if errors.Is(err, access.ErrRefused) || errors.Is(err, access.ErrUnreachable) {
		return err
	}
	for _, reason := range reasons {
		if errors.Is(err, reason) {
			return refused(reason.Error())
		}
	}
	return refused("not a token that can be read")
}

// health logs when a platform stops answering and when it answers again, and not each time between.
type health struct {
	log  *slog.Logger
	down atomic.Bool
}

func (h *health) failed(err error) {
	if !h.down.Swap(true) {
		h.log.Warn("a platform's login does not answer as it should; who has a session plays on", "err", err)
	}
}

func (h *health) answered() {
	if h.down.Swap(false) {
		h.log.Info("a platform's login answers again")
	}
}

// maxLeeway is how far apart the platform's clock and ours may be at most.
const maxLeeway = 5 * time.Minute
