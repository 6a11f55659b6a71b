// Package access is the players' door: it checks sessions, limits and sheds, and turns HTTP into calls of the
// game and back. It holds no state and no rule of a game, so any number of it can stand side by side.
package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
	"time"

	"github.com/shake-live/shake/game"
)

// Session is who is calling.
type Session struct {
	User      string
	Market    string
	Device    string // as told at login; empty if not told
	ExpiresAt time.Time
}

// What can be wrong with a session's token.
var (
	ErrNoSession      = errors.New("no valid session")
	ErrSessionExpired = errors.New("session has expired")
)

// Sessions signs and checks session tokens: base64url of a version, key id, expiry, market, device and user,
// and the first 16 bytes of HMAC-SHA256 over all before. New tokens are signed with the current key; those
// signed with any other known key hold until they expire, so keys can be replaced without logging anybody out.
type Sessions struct {
	current string
	keys    map[string]*sync.Pool
	ttl     time.Duration
}

const (
	sessionVersion  = 1
	sessionMAC      = 16
	maxSessionBytes = 512
	minKeyBytes     = 16
)

// NewSessions takes the keys by id, the id to sign with, and how long a session lasts.
func NewSessions(current string, keys map[string][]byte, ttl time.Duration) (*Sessions, error) {
	s := &Sessions{current: current, keys: map[string]*sync.Pool{}, ttl: ttl}
	for id, key := range keys {
		if len(key) < minKeyBytes || id == "" || len(id) > 32 {
			return nil, fmt.Errorf("session key %q: want an id of 1 to 32 bytes and at least %d bytes of key", id, minKeyBytes)
		}
		s.keys[id] = &sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}
	}
	if s.keys[current] == nil {
		return nil, fmt.Errorf("session key %q is not among the keys", current)
	}
	return s, nil
}

// Issue makes a token for the session and tells when it expires.
func (s *Sessions) Issue(session Session, now time.Time) (string, time.Time) {
	expires := now.Add(s.ttl).UTC().Truncate(time.Second)
	b := make([]byte, 0, 128)
	b = append(b, sessionVersion, byte(len(s.current)))
	b = append(b, s.current...)
	b = binary.AppendUvarint(b, uint64(expires.Unix()))
	b = append(b, session.Market...)
	b = append(b, byte(len(session.Device)))
	b = append(b, session.Device...)
	b = append(b, session.User...)
	sum := s.sum(s.keys[s.current], b)
	return base64.RawURLEncoding.EncodeToString(append(b, sum[:sessionMAC]...)), expires
}

func (s *Sessions) sum(pool *sync.Pool, data []byte) (sum [32]byte) {
	h := pool.Get().(hash.Hash)
	h.Reset()
	h.Write(data)
	h.Sum(sum[:0])
	pool.Put(h)
	return sum
}

var strictBase64 = base64.RawURLEncoding.Strict()

// Check reads a token. ErrSessionExpired is told only of a token that was ours.
func (s *Sessions) Check(token string, now time.Time) (Session, error) {
	if len(token) > maxSessionBytes || strings.ContainsAny(token, "\r\n") { // which base64 skips, even if strict
		return Session{}, ErrNoSession
	}
	raw, err := strictBase64.DecodeString(token)
	if err != nil || len(raw) < 2+sessionMAC || raw[0] != sessionVersion {
		return Session{}, ErrNoSession
	}
	body, sum := raw[:len(raw)-sessionMAC], raw[len(raw)-sessionMAC:]
	id, rest, ok := cut(body[1:])
	pool := s.keys[string(id)]
	if !ok || pool == nil {
		return Session{}, ErrNoSession
	}
	want := s.sum(pool, body)
	if !hmac.Equal(sum, want[:sessionMAC]) {
		return Session{}, ErrNoSession
	}
	return parseSession(rest, now)
}

// parseSession reads what stands behind the key id; the signature has been checked.
func parseSession(rest []byte, now time.Time) (Session, error) {
	expires, n := binary.Uvarint(rest)
	if n <= 0 || len(rest) < n+3 {
		return Session{}, ErrNoSession
	}
	market, rest := string(rest[n:n+2]), rest[n+2:]
	device, user, ok := cut(rest)
	if !ok || !game.ValidUser(string(user)) {
		return Session{}, ErrNoSession
	}
	s := Session{User: string(user), Market: market, Device: string(device), ExpiresAt: time.Unix(int64(expires), 0).UTC()}
	if !now.Before(s.ExpiresAt) {
		return s, ErrSessionExpired
	}
	return s, nil
}

// cut takes a text behind its length byte.
func cut(b []byte) (text, rest []byte, ok bool) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return nil, nil, false
	}
	return b[1 : 1+int(b[0])], b[1+int(b[0]):], true
}
