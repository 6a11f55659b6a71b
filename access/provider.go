package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/shake-live/shake/game"
)

// ErrRefused says that a provider does not vouch for a credential.
var ErrRefused = errors.New("credential refused")

// Provider turns a platform's credential into a user id. ErrRefused where it does not.
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
