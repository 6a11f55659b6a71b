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

// Provider turns a platform's credential into a user id, which is valid for a game and no other provider's.
type Provider interface {
	User(ctx context.Context, credential string) (string, error)
}

// Dev is the provider of `shake dev`: it takes any name for itself. It is never on unless configured.
type Dev struct{}

// User implements Provider. A name that can't stand in a key gets an id made from it.
func (Dev) User(_ context.Context, credential string) (string, error) {
	if credential == "" || len(credential) > 200 {
		return "", ErrRefused
	}
	if game.ValidUser(credential) {
		return credential, nil
	}
	sum := sha256.Sum256([]byte(credential))
	return "dev-" + hex.EncodeToString(sum[:8]), nil
}
