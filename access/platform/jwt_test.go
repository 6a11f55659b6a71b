package platform_test

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/access/platform"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/internal/clock"
)

type claims = map[string]any

func TestJWT_takes(t *testing.T) {
	key := rsaKeys()[0]
	p := newJWT(t, newKeys(t, platform.KeysOptions{Source: newIssuer(t, key, ecKey(), edKey()).URL, MinInterval: time.Nanosecond}, nil), options())
	for name, token := range map[string]string{
		"RS256":                         key.token(t, nil, nil),
		"ES256":                         ecKey().token(t, nil, nil),
		"EdDSA":                         edKey().token(t, nil, nil),
		"the other audience":            key.token(t, claims{"aud": []string{"somebody", "shake-web"}}, nil),
		"expired within the leeway":     key.token(t, claims{"exp": noon.Add(-29 * time.Second).Unix()}, nil),
		"not yet, within the leeway":    key.token(t, claims{"nbf": noon.Add(29 * time.Second).Unix(), "iat": noon.Add(29 * time.Second).Unix()}, nil),
		"an access token":               key.token(t, nil, claims{"typ": "application/at+jwt"}),
		"of no type":                    key.token(t, nil, claims{"typ": nil}),
		"no iat":                        key.token(t, claims{"iat": nil}, nil),
		"no kid, and one key fits":      ecKey().token(t, nil, claims{"kid": nil}),
		"jwk and jku, which say no one": key.token(t, nil, claims{"jku": "https://evil.example", "jwk": claims{"kty": "oct"}}),
	} {
		if user, err := userOf(t.Context(), p, token); err != nil || user != "acme:ann" {
			t.Errorf("%s: got %q, %v, want acme:ann", name, user, err)
		}
	}
}

// forgeries are tokens that look right and are not.
func forgeries(t testing.TB) map[string]string {
	key, other := rsaKeys()[0], rsaKeys()[1]
	public, err := x509.MarshalPKIXPublicKey(key.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	asJWK, err := json.Marshal(key.jwk())
	if err != nil {
		t.Fatal(err)
	}
	good := key.token(t, nil, nil)
	parts := strings.Split(good, ".")
	kid := claims{"kid": key.id}
	forged := map[string]string{
		"empty":                       "",
		"dots":                        "..",
		"a word":                      "ann",
		"two parts":                   parts[0] + "." + parts[1],
		"four parts":                  good + ".x",
		"no signature":                parts[0] + "." + parts[1] + ".",
		"padded":                      good + "=",
		"a line end behind":           good + "\n",
		"Bearer before":               "Bearer " + good,
		"JSON":                        `{"payload":"` + parts[1] + `"}`,
		"alg none":                    signed(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, kid),
		"alg none, signature kept":    part(claims{"alg": "none", "kid": key.id}) + "." + parts[1] + "." + parts[2],
		"alg None":                    part(claims{"alg": "None", "kid": key.id}) + "." + parts[1] + ".",
		"alg nOnE":                    part(claims{"alg": "nOnE"}) + "." + parts[1] + ".",
		"no alg":                      part(claims{"kid": key.id}) + "." + parts[1] + "." + parts[2],
		"alg a number":                part(claims{"alg": 7, "kid": key.id}) + "." + parts[1] + "." + parts[2],
		"HS256 with the key's PEM":    signed(t, jwt.SigningMethodHS256, asPEM, nil, kid),
		"HS256 with the key's DER":    signed(t, jwt.SigningMethodHS256, public, nil, kid),
		"HS256 with the key's JWK":    signed(t, jwt.SigningMethodHS256, asJWK, nil, kid),
		"HS256 with the modulus":      signed(t, jwt.SigningMethodHS256, key.key.Public().(*rsa.PublicKey).N.Bytes(), nil, kid),
		"HS256 with nothing":          signed(t, jwt.SigningMethodHS256, []byte{}, nil, kid),
		"an algorithm not pinned":     signed(t, jwt.SigningMethodRS512, key.key, nil, kid),
		"PS256 by a key for RS256":    signed(t, jwt.SigningMethodPS256, key.key, nil, kid),
		"another key's signature":     signed(t, jwt.SigningMethodRS256, other.key, nil, kid),
		"another key's name":          key.token(t, nil, claims{"kid": "ec-1"}),
		"a name made up":              key.token(t, nil, claims{"kid": "made-up"}),
		"an empty name":               key.token(t, nil, claims{"kid": ""}),
		"a name that is a path":       key.token(t, nil, claims{"kid": "../../../dev/null"}),
		"a name that is a number":     key.token(t, nil, claims{"kid": 1}),
		"a name too long":             key.token(t, nil, claims{"kid": strings.Repeat("k", 257)}),
		"no name, and two keys fit":   key.token(t, nil, claims{"kid": nil}),
		"its own key inside":          signed(t, jwt.SigningMethodRS256, other.key, nil, claims{"kid": other.id, "jwk": other.jwk()}),
		"a token that logs out":       key.token(t, nil, claims{"typ": "logout+jwt"}),
		"another kind of token":       key.token(t, nil, claims{"typ": "application/SecEvent+JWT"}),
		"something critical":          key.token(t, nil, claims{"crit": []string{"b64"}, "b64": false}),
		"expired":                     key.token(t, claims{"exp": noon.Add(-31 * time.Second).Unix()}, nil),
		"without an end":              key.token(t, claims{"exp": nil}, nil),
		"an end that is a text":       key.token(t, claims{"exp": "tomorrow"}, nil),
		"not yet valid":               key.token(t, claims{"nbf": noon.Add(31 * time.Second).Unix()}, nil),
		"issued in the future":        key.token(t, claims{"iat": noon.Add(31 * time.Second).Unix()}, nil),
		"another issuer":              key.token(t, claims{"iss": "https://login.evil.example"}, nil),
		"the issuer with a slash":     key.token(t, claims{"iss": issuerName + "/"}, nil),
		"no issuer":                   key.token(t, claims{"iss": nil}, nil),
		"an issuer that is a list":    key.token(t, claims{"iss": []string{issuerName}}, nil),
		"another audience":            key.token(t, claims{"aud": "somebody"}, nil),
		"an audience alike":           key.token(t, claims{"aud": "shake2"}, nil),
		"no audience":                 key.token(t, claims{"aud": nil}, nil),
		"an empty audience":           key.token(t, claims{"aud": []string{}}, nil),
		"audience of numbers":         key.token(t, claims{"aud": []int{1}}, nil),
		"no user":                     key.token(t, claims{"sub": nil}, nil),
		"an empty user":               key.token(t, claims{"sub": ""}, nil),
		"a user that is a list":       key.token(t, claims{"sub": []string{"ann"}}, nil),
		"a user that is true":         key.token(t, claims{"sub": true}, nil),
		"a user with a zero byte":     key.token(t, claims{"sub": "ann\x00"}, nil),
		"a user that is a book":       key.token(t, claims{"sub": strings.Repeat("a", 600)}, nil),
		"claims that are a list":      resigned(t, key, parts[0], `["ann"]`),
		"claims that are null":        resigned(t, key, parts[0], `null`),
		"claims broken off":           resigned(t, key, parts[0], `{"sub":"ann"`),
		"huge":                        key.token(t, claims{"x": strings.Repeat("x", 1<<20)}, nil),
		"a header that goes on":       part(claims{"alg": "RS256", "x": strings.Repeat("[", 3000)}) + "." + parts[1] + "." + parts[2],
		"a signature that goes on":    parts[0] + "." + parts[1] + "." + parts[2] + parts[2],
		"ES256 in ASN.1":              asn1Signed(t),
		"ES256 of zeros":              strings.Join(append(strings.Split(ecKey().token(t, nil, nil), ".")[:2], base64.RawURLEncoding.EncodeToString(make([]byte, 64))), "."),
		"a curve not of the alg":      newECKey(elliptic.P384(), "ec-384", "ES384").token(t, nil, claims{"alg": "ES256"}),
		"a session of ours":           "AgJrMtPN0dcGw7HR1wZTRwBhbm7hrJRHN1QYZcf2MIdrJpk-",
		"a letter of the claims":      parts[0] + "." + flip(parts[1]) + "." + parts[2],
		"a letter of the header":      flip(parts[0]) + "." + parts[1] + "." + parts[2],
		"the signature's unused bits": parts[0] + "." + parts[1] + "." + unused(parts[2]),
	}
	return forged
}

func TestJWT_refuses(t *testing.T) {
	key := rsaKeys()[0]
	i := newIssuer(t, key, rsaKeys()[2], ecKey(), newECKey(elliptic.P384(), "ec-384", ""))
	p := newJWT(t, newKeys(t, platform.KeysOptions{Source: i.URL, MinInterval: time.Nanosecond}, nil), options())
	if user, err := userOf(t.Context(), p, key.token(t, nil, nil)); err != nil || user != "acme:ann" {
		t.Fatalf("got %q, %v: the forgeries below prove nothing", user, err)
	}
	for name, token := range forgeries(t) {
		user, err := userOf(t.Context(), p, token)
		if !errors.Is(err, access.ErrRefused) || user != "" {
			t.Errorf("%s: got %q, %v, want ErrRefused", name, user, err)
		}
		if err != nil && len(token) > 10 && (strings.Contains(err.Error(), token) || len(err.Error()) > 200) {
			t.Errorf("%s: the error has the token in it: %v", name, err)
		}
	}
}

// part is one part of a token.
func part(v claims) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// resigned is a token with claims that are none, and a good signature.
func resigned(t testing.TB, key signer, header, text string) string {
	t.Helper()
	body := header + "." + base64.RawURLEncoding.EncodeToString([]byte(text))
	sum, err := jwt.SigningMethodRS256.Sign(body, key.key)
	if err != nil {
		t.Fatal(err)
	}
	return body + "." + base64.RawURLEncoding.EncodeToString(sum)
}

func asn1Signed(t testing.TB) string {
	t.Helper()
	parts := strings.Split(ecKey().token(t, nil, nil), ".")
	hash := jwt.SigningMethodES256.Hash.New()
	hash.Write([]byte(parts[0] + "." + parts[1]))
	sum, err := ecKey().key.Sign(rand.Reader, hash.Sum(nil), jwt.SigningMethodES256.Hash)
	if err != nil {
		t.Fatal(err)
	}
	return parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(sum)
}

func flip(s string) string {
	b := []byte(s)
	if b[len(b)/2]++; b[len(b)/2] > 'y' {
		b[len(b)/2] = 'A'
	}
	return string(b)
}

// unused changes bits of the last letter that stand for nothing.
func unused(s string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	at := strings.IndexByte(letters, s[len(s)-1])
	return s[:len(s)-1] + string(letters[at^1])
}

func TestNewJWT_refuses(t *testing.T) {
	for name, change := range map[string]func(*platform.JWTOptions){
		"no issuer":     func(o *platform.JWTOptions) { o.Issuer = "" },
		"no audience":   func(o *platform.JWTOptions) { o.Audience = nil },
		"no algorithms": func(o *platform.JWTOptions) { o.Algorithms = nil },
		"none":          func(o *platform.JWTOptions) { o.Algorithms = []string{"RS256", "none"} },
		"HS256":         func(o *platform.JWTOptions) { o.Algorithms = []string{"HS256"} },
		"no claim":      func(o *platform.JWTOptions) { o.Names.Claim = "" },
		"a long leeway": func(o *platform.JWTOptions) { o.Leeway = time.Hour },
	} {
		o := options()
		change(&o)
		if _, err := platform.NewJWT(nil, o, clock.NewFake(noon)); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

// Whatever a platform calls its players: each has a user of his own, who can play.
func TestJWT_users(t *testing.T) {
	key := rsaKeys()[0]
	i := newIssuer(t, key)
	keys := newKeys(t, platform.KeysOptions{Source: i.URL}, nil)
	owner := map[string]string{}
	for _, prefix := range []string{"acme:", "b:"} {
		o := options()
		o.Names.Prefix = prefix
		p := newJWT(t, keys, o)
		for _, sub := range []any{
			"ann", "Ann", "ann ", "auth0|ann", "_ann", "-ann", "ann@example.com", "王小明", "😀", "{ann}", "x:ann", "b:ann", strings.Repeat("a", 64), strings.Repeat("a", 65),
			"x:2e3f0bd6a0b4ab0a1a5b4b9e5e6c7d8f", json.Number("12345678901234567890"), json.Number("1.5"),
		} {
			user, err := userOf(t.Context(), p, key.token(t, claims{"sub": sub}, nil))
			if err != nil || !game.ValidUser(user) || !strings.HasPrefix(user, prefix) {
				t.Errorf("%v: got %q, %v, want a user that begins with %s", sub, user, err, prefix)
			}
			who := prefix + " " + toText(sub)
			if other, taken := owner[user]; taken {
				t.Errorf("%q and %q are both %q", who, other, user)
			}
			owner[user] = who
			if again, _ := userOf(t.Context(), p, key.token(t, claims{"sub": sub}, nil)); again != user {
				t.Errorf("%v: got %q, then %q", sub, user, again)
			}
		}
	}
}

func toText(v any) string {
	if n, ok := v.(json.Number); ok {
		return n.String()
	}
	return v.(string)
}

// The hash of one name, as a name, is another user.
func TestJWT_aHashIsNobodysName(t *testing.T) {
	key := rsaKeys()[0]
	o := options()
	o.Names = platform.Names{Claim: "email"}
	p := newJWT(t, newKeys(t, platform.KeysOptions{Source: newIssuer(t, key).URL}, nil), o)
	first, err := userOf(t.Context(), p, key.token(t, claims{"email": "auth0|ann"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if second, err := userOf(t.Context(), p, key.token(t, claims{"email": first}, nil)); err != nil || second == first {
		t.Errorf("got %q, %v for a player who calls himself so", second, err)
	}
}

// Nothing but what the issuer signed gets in.
func FuzzJWT(f *testing.F) {
	key := ecKey()
	good := key.token(f, nil, nil)
	p := newJWT(f, newKeys(f, platform.KeysOptions{Source: newIssuer(f, key).URL, MinInterval: time.Nanosecond}, nil), options())
	for _, token := range forgeries(f) {
		if len(token) < 5000 {
			f.Add(token)
		}
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, token string) {
		user, err := userOf(t.Context(), p, token)
		if err == nil && !known(token) {
			t.Errorf("%q is taken for %q", token, user)
		}
		if err != nil && !errors.Is(err, access.ErrRefused) {
			t.Errorf("%q: got %v, want ErrRefused", token, err)
		}
	})
}

// known tells whether the token is one that the issuer signed.
func known(token string) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	sum, err := base64.RawURLEncoding.DecodeString(parts[2])
	return err == nil && jwt.SigningMethodES256.Verify(parts[0]+"."+parts[1], sum, ecKey().key.Public()) == nil
}
