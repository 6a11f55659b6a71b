package platform_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/access/platform"
	"github.com/shake-live/shake/internal/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is when every test is. Tokens are checked by the clock of the test; the waiting is real.
var noon = time.Date(2026, 11, 11, 12, 0, 0, 0, time.UTC)

const issuerName = "https://login.acme.example"

// signer is a private key with what its public half is called.
type signer struct {
	id, alg string
	key     crypto.Signer
}

func (s signer) jwk() jose.JSONWebKey {
	return jose.JSONWebKey{Key: s.key.Public(), KeyID: s.id, Algorithm: s.alg, Use: "sig"}
}

// token signs the claims, over the usual ones; nil takes one away. header goes over the header.
func (s signer) token(t testing.TB, claims, header map[string]any) string {
	t.Helper()
	return signed(t, jwt.GetSigningMethod(s.alg), s.key, claims, with(map[string]any{"kid": s.id}, header))
}

func signed(t testing.TB, method jwt.SigningMethod, key any, claims, header map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, jwt.MapClaims(with(map[string]any{
		"iss": issuerName, "aud": "shake", "sub": "ann", "iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix(),
	}, claims)))
	token.Header = with(token.Header, header)
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func with(base, more map[string]any) map[string]any {
	out := maps.Clone(base)
	for k, v := range more {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return out
}

// Keys are dear to make, so all tests share these.
var (
	rsaKeys = sync.OnceValue(func() (list []signer) {
		for _, id := range []string{"rsa-1", "rsa-2", "rsa-3"} {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				panic(err)
			}
			list = append(list, signer{id, "RS256", key})
		}
		return list
	})
	ecKey = sync.OnceValue(func() signer { return newECKey(elliptic.P256(), "ec-1", "ES256") })
	edKey = sync.OnceValue(func() signer {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			panic(err)
		}
		return signer{"ed-1", "EdDSA", key}
	})
)

func newECKey(curve elliptic.Curve, id, alg string) signer {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return signer{id, alg, key}
}

// issuer is a platform's JWKS endpoint, which does what a test says.
type issuer struct {
	*httptest.Server
	asked  atomic.Int64
	answer atomic.Pointer[http.HandlerFunc]
}

func newIssuer(t testing.TB, keys ...signer) *issuer {
	t.Helper()
	i := &issuer{}
	i.publish(keys...)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		(*i.answer.Load())(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) does(f http.HandlerFunc) { i.answer.Store(&f) }

func (i *issuer) says(status int, body string) {
	i.does(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
}

func (i *issuer) publish(keys ...signer) { i.says(http.StatusOK, jwks(keys...)) }

func jwks(keys ...signer) string {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.jwk())
	}
	text, err := json.Marshal(set)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// userOf is the user that a provider takes a credential for.
func userOf(ctx context.Context, p access.Provider, credential string) (string, error) {
	player, err := p.Player(ctx, credential)
	return player.User, err
}

// options are those of most tests.
func options() platform.JWTOptions {
	return platform.JWTOptions{
		Issuer: issuerName, Audience: []string{"shake", "shake-web"}, Algorithms: []string{"RS256", "ES256", "EdDSA"}, Leeway: 30 * time.Second,
		Names: platform.Names{Claim: "sub", Prefix: "acme:"},
	}
}

func newKeys(t testing.TB, o platform.KeysOptions, log *strings.Builder) *platform.Keys {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	if log != nil {
		logger = slog.New(slog.NewTextHandler(&locked{b: log}, nil))
	}
	keys, err := platform.NewKeys(o, logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	return keys
}

func newJWT(t testing.TB, keys *platform.Keys, o platform.JWTOptions) *platform.JWT {
	t.Helper()
	p, err := platform.NewJWT(keys, o, clock.NewFake(noon))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

type locked struct {
	mu sync.Mutex
	b  *strings.Builder
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

var (
	_ access.Provider = (*platform.JWT)(nil)
	_ access.Provider = (*platform.Introspection)(nil)
)
