package platform

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/internal/clock"
)

// JWTOptions say which tokens are taken.
type JWTOptions struct {
	Issuer     string
	Audience   []string // one of these must be among the token's
	Algorithms []string // of signatures; the token's own word counts for nothing
	Leeway     time.Duration
	Names      Names
}

// JWT takes tokens that an issuer has signed for us, as OIDC's id tokens are.
type JWT struct {
	keys   *Keys
	parser *jwt.Parser
	names  Names
}

// NewJWT makes a provider over the issuer's keys. What would let strangers in is refused.
func NewJWT(keys *Keys, o JWTOptions, clock clock.Clock) (*JWT, error) {
	if o.Issuer == "" || len(o.Audience) == 0 || o.Names.Claim == "" || len(o.Algorithms) == 0 {
		return nil, errors.New("want issuer, audience, algorithms and the claim of the user")
	}
	if o.Leeway < 0 || o.Leeway > maxLeeway {
		return nil, fmt.Errorf("leeway %v: want 0 to %v", o.Leeway, maxLeeway)
	}
	for _, alg := range o.Algorithms {
		if algorithms[alg] == nil {
			return nil, fmt.Errorf("algorithm %q: want one with a public key", alg)
		}
	}
	return &JWT{keys: keys, names: o.Names, parser: jwt.NewParser(
		jwt.WithValidMethods(o.Algorithms), jwt.WithIssuer(o.Issuer), jwt.WithAudience(o.Audience...), jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), jwt.WithLeeway(o.Leeway), jwt.WithTimeFunc(clock.Now), jwt.WithJSONNumber(), jwt.WithStrictDecoding(),
	)}, nil
}

// Bounds of what is looked at at all.
const (
	maxToken = 4096
	maxKeyID = 256
)

// Player implements access.Provider.
func (p *JWT) Player(ctx context.Context, token string) (access.Player, error) {
	if !plausible(token) { // base64 skips line ends, even if strict
		return access.Player{}, refused("nothing that could be a token")
	}
	claims := jwt.MapClaims{}
	_, err := p.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) { return p.key(ctx, t.Header) })
	if err != nil {
		return access.Player{}, judged(err)
	}
	return p.names.player(claims)
}

// plausible tells whether a text is printable, without spaces, and not too long.
func plausible(token string) bool {
	return token != "" && len(token) <= maxToken && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}

// key finds the key that the header names; the parser has made sure that the algorithm is one of ours.
func (p *JWT) key(ctx context.Context, header map[string]any) (any, error) {
	if _, ok := header["crit"]; ok { // RFC 7515: to be refused by all who don't know what is critical
		return nil, refused("it needs an extension that is not known")
	}
	typ, _ := header["typ"].(string)
	if typ = strings.TrimPrefix(strings.ToLower(typ), "application/"); strings.HasSuffix(typ, "+jwt") && typ != "at+jwt" {
		return nil, refused("it is a token for something else than a login") // RFC 8725, 3.11: as one that logs somebody out
	}
	id, isText := header["kid"].(string)
	if _, told := header["kid"]; told && (!isText || id == "" || len(id) > maxKeyID) {
		return nil, refused("it names no key")
	}
	alg, _ := header["alg"].(string)
	return p.keys.Find(ctx, id, alg)
}
