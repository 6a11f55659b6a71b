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
	"sync/atomic"
	"time"

	"github.com/shake-live/shake/game"
)

// Session is who is calling.
type Session struct {
	User      string
	Market    string
	Device    string    // as told at login; empty if not told
	LoginAt   time.Time // when a provider vouched for the player; renewals keep it
	ExpiresAt time.Time
}

// What can be wrong with a session's token.
var (
	ErrNoSession      = errors.New("no valid session")
	ErrSessionExpired = errors.New("session has expired")
)

// Sessions signs and checks session tokens: base64url of a version, key id, expiry, time of the login, market, device
// and user, and the first 16 bytes of HMAC-SHA256 over all before. New tokens are signed with the current key; those
// signed with any other known key hold until they expire, so keys can be replaced without logging anybody out. A key
// that is taken out logs everybody out who has a token of it.
type Sessions struct {
	keys          atomic.Pointer[sessionKeys]
	ttl, lifetime time.Duration
}

// sessionKeys are the keys of one moment. A token is checked against those of one moment throughout.
type sessionKeys struct {
	current string
	pools   map[string]*sync.Pool // of HMACs, which are dear to make
}

const (
	sessionVersion  = 2
	sessionWithout  = 1 // the version before, without the time of the login
	sessionMAC      = 16
	maxSessionBytes = 512
	minKeyBytes     = 16
)

// NewSessions takes the keys by id, the id to sign with, how long a session lasts, and how long it can be renewed,
// counted from the login.
func NewSessions(current string, keys map[string][]byte, ttl, lifetime time.Duration) (*Sessions, error) {
	if ttl <= 0 || lifetime < ttl {
		return nil, fmt.Errorf("sessions of %v within a lifetime of %v: want the lifetime at least as long", ttl, lifetime)
	}
	s := &Sessions{ttl: ttl, lifetime: lifetime}
	if err := s.SetKeys(current, keys); err != nil {
		return nil, err
	}
	return s, nil
}

// SetKeys replaces the keys while sessions are checked and issued. After an error the old ones are still in use.
func (s *Sessions) SetKeys(current string, keys map[string][]byte) error {
	k := &sessionKeys{current: current, pools: map[string]*sync.Pool{}}
	for id, key := range keys {
		if len(key) < minKeyBytes || id == "" || len(id) > 32 {
			return fmt.Errorf("session key %q: want an id of 1 to 32 bytes and at least %d bytes of key", id, minKeyBytes)
		}
		k.pools[id] = &sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}
	}
	if k.pools[current] == nil {
		return fmt.Errorf("session key %q is not among the keys", current)
	}
	s.keys.Store(k)
	return nil
}

// Issue makes a token for the session and tells when it expires. A session without the time of its login begins now.
func (s *Sessions) Issue(session Session, now time.Time) (string, time.Time) {
	if session.LoginAt.IsZero() {
		session.LoginAt = now
	}
	expires := now.Add(s.ttl)
	if end := session.LoginAt.Add(s.lifetime); end.Before(expires) {
		expires = end
	}
	expires = expires.UTC().Truncate(time.Second)
	k := s.keys.Load()
	b := make([]byte, 0, 128)
	b = append(b, sessionVersion, byte(len(k.current)))
	b = append(b, k.current...)
	b = binary.AppendUvarint(b, uint64(expires.Unix()))
	b = binary.AppendUvarint(b, uint64(session.LoginAt.Unix()))
	b = append(b, session.Market...)
	b = append(b, byte(len(session.Device)))
	b = append(b, session.Device...)
	b = append(b, session.User...)
	sum := sumOf(k.pools[k.current], b)
	return base64.RawURLEncoding.EncodeToString(append(b, sum[:sessionMAC]...)), expires
}

// Renew makes a new token for a session that has been checked. ErrSessionExpired when its lifetime is over.
func (s *Sessions) Renew(session Session, now time.Time) (string, time.Time, error) {
	token, expires := s.Issue(session, now)
	if !now.Before(expires) {
		return "", time.Time{}, ErrSessionExpired
	}
	return token, expires, nil
}

func sumOf(pool *sync.Pool, data []byte) (sum [32]byte) {
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
	if err != nil || len(raw) < 2+sessionMAC || raw[0] != sessionVersion && raw[0] != sessionWithout {
		return Session{}, ErrNoSession
	}
	body, sum := raw[:len(raw)-sessionMAC], raw[len(raw)-sessionMAC:]
	id, rest, ok := cut(body[1:])
	pool := s.keys.Load().pools[string(id)]
	if !ok || pool == nil {
		return Session{}, ErrNoSession
	}
	want := sumOf(pool, body)
	if !hmac.Equal(sum, want[:sessionMAC]) {
		return Session{}, ErrNoSession
	}
	return s.parse(raw[0], rest, now)
}

// parse reads what stands behind the key id; the signature has been checked.
func (s *Sessions) parse(version byte, rest []byte, now time.Time) (Session, error) {
	expires, rest, ok := cutTime(rest)
	login := expires.Add(-s.ttl) // where the token does not tell: as near as we know
	if ok && version != sessionWithout {
		login, rest, ok = cutTime(rest)
	}
	if !ok || len(rest) < 3 {
		return Session{}, ErrNoSession
	}
	market := string(rest[:2])
	device, user, ok := cut(rest[2:])
	if !ok || !game.ValidUser(string(user)) {
		return Session{}, ErrNoSession
	}
	session := Session{User: string(user), Market: market, Device: string(device), LoginAt: login, ExpiresAt: expires}
	if !now.Before(expires) {
		return session, ErrSessionExpired
	}
	return session, nil
}

// cutTime takes a time in seconds.
func cutTime(b []byte) (at time.Time, rest []byte, ok bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return time.Time{}, nil, false
	}
	return time.Unix(int64(v), 0).UTC(), b[n:], true
}

// cut takes a text behind its length byte.
func cut(b []byte) (text, rest []byte, ok bool) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return nil, nil, false
	}
	return b[1 : 1+int(b[0])], b[1+int(b[0]):], true
}
