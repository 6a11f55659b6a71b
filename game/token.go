package game

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// Token is what a player gets for a started round. It is enough to settle: if the shard lost the start, the
// token still tells number and time.
type Token struct {
	Run       int64
	Epoch     int64
	Number    int64
	Shard     int64
	StartedAt int64 // ms
	User      string
}

const (
	tokenVersion = 1
	macBytes     = 16 // half of SHA-256: forging one takes 2^128 tries
)

// ErrTokenInvalid says that a token was not signed for this run, or is no token at all.
var ErrTokenInvalid = errors.New("token is not valid")

// Sign gives the token as text. Source of the form: unsigned varints, the user, and the first 16 bytes of
// HMAC-SHA256 over all before.
func (k *RunKeys) Sign(t Token) string {
	b := make([]byte, 0, 96)
	b = append(b, tokenVersion)
	for _, n := range [...]int64{t.Run, t.Epoch, t.Number, t.Shard, t.StartedAt} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = append(b, t.User...)
	sum := k.token.sum(b)
	return base64.RawURLEncoding.EncodeToString(append(b, sum[:macBytes]...))
}

// Verify reads a token and checks its signature. A token of another run or campaign fails it.
func (k *RunKeys) Verify(text string) (Token, error) {
	t, body, sum, err := parseToken(text)
	if err != nil {
		return Token{}, err
	}
	want := k.token.sum(body)
	if !hmac.Equal(sum, want[:macBytes]) {
		return Token{}, ErrTokenInvalid
	}
	return t, nil
}

// maxTokenBytes bounds the work on a token that is none.
const maxTokenBytes = 256

var strictBase64 = base64.RawURLEncoding.Strict()

// decodeText reads base64url in its one spelling: no loose bits, which Strict refuses, and no line ends, which it
// skips.
func decodeText(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("line end in a token")
	}
	return strictBase64.DecodeString(text)
}

// parseToken takes a token apart without believing it.
func parseToken(text string) (t Token, body, sum []byte, err error) {
	if len(text) > maxTokenBytes {
		return t, nil, nil, ErrTokenInvalid
	}
	raw, err := decodeText(text)
	if err != nil || len(raw) <= 1+macBytes || raw[0] != tokenVersion {
		return t, nil, nil, ErrTokenInvalid
	}
	body, sum = raw[:len(raw)-macBytes], raw[len(raw)-macBytes:]
	r := varints{rest: body[1:]}
	for _, n := range []*int64{&t.Run, &t.Epoch, &t.Number, &t.Shard, &t.StartedAt} {
		*n = r.next()
	}
	if r.bad || !ValidUser(string(r.rest)) {
		return t, nil, nil, ErrTokenInvalid
	}
	t.User = string(r.rest)
	return t, body, sum, nil
}

// varints reads unsigned varints one by one and remembers if one was bad.
type varints struct {
	rest []byte
	bad  bool
}

func (v *varints) next() int64 {
	n, size := binary.Uvarint(v.rest)
	if size <= 0 || n > 1<<62 {
		v.bad = true
		return 0
	}
	v.rest = v.rest[size:]
	return int64(n)
}
