package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/shake-live/shake/game"
)

// Why a provider gives no user.
var (
	ErrRefused     = errors.New("credential refused")        // it does not vouch for the credential
	ErrUnreachable = errors.New("provider can't be reached") // it can't be asked for the moment
)

// Player is who a provider says that somebody is.
type Player struct {
	User string // valid for a game and no other provider's
	Name string // what others may see, as the platform has it (CleanName makes it fit); empty: they see a code
}

// Provider turns a platform's credential into a player.
type Provider interface {
	Player(ctx context.Context, credential string) (Player, error)
}

// Dev is the provider of `shake dev`: it takes any name for itself. It is never on unless configured.
type Dev struct{}

// Player implements Provider. A name that can't stand in a key gets an id made from it, and is shown as it was typed.
func (Dev) Player(_ context.Context, credential string) (Player, error) {
	if credential == "" || len(credential) > 200 {
		return Player{}, ErrRefused
	}
	if game.ValidUser(credential) {
		return Player{User: credential, Name: credential}, nil
	}
	sum := sha256.Sum256([]byte(credential))
	return Player{User: "dev-" + hex.EncodeToString(sum[:8]), Name: credential}, nil
}
