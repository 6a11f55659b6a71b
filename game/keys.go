package game

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"sync"
)

// Keyring holds the master keys by id. Each run's keys come from the master key that was current when the run
// began, so a master key can be replaced between runs and nothing secret lies in a store.
type Keyring struct {
	current string
	masters map[string][]byte
}

// MinKeyBytes is the shortest master key that is taken.
const MinKeyBytes = 16

// NewKeyring takes the master keys and the id of the one that new runs use.
func NewKeyring(current string, masters map[string][]byte) (*Keyring, error) {
	if masters[current] == nil {
		return nil, fmt.Errorf("master key %q is not among the keys", current)
	}
	for id, key := range masters {
		if len(key) < MinKeyBytes {
			return nil, fmt.Errorf("master key %q: want at least %d bytes", id, MinKeyBytes)
		}
	}
	return &Keyring{current: current, masters: masters}, nil
}

// Current is the id of the master key for new runs.
func (k *Keyring) Current() string { return k.current }

// ErrUnknownKey says that a run's master key is not configured here.
var ErrUnknownKey = errors.New("unknown master key")

// RunKeys are the keys of one run.
type RunKeys struct {
	token, claim, reward, code *mac
}

// RunKeys derives the keys of a run: HMAC-SHA256(master, "shake run v1|campaign|run"), and from that one key
// for each use.
func (k *Keyring) RunKeys(keyID, campaign string, run int64) (*RunKeys, error) {
	master := k.masters[keyID]
	if master == nil {
		return nil, fmt.Errorf("%w %q", ErrUnknownKey, keyID)
	}
	key := newMAC(master).sum([]byte("shake run v1|" + campaign + "|" + strconv.FormatInt(run, 10)))
	use := func(name string) *mac {
		sub := newMAC(key[:]).sum([]byte(name))
		return newMAC(sub[:])
	}
	return &RunKeys{token: use("token"), claim: use("claim"), reward: use("reward"), code: use("code")}, nil
}

// signed tells whether the token is a true one of this run of the campaign, whichever master key was current then.
func (k *Keyring) signed(campaign string, run int64, token string) bool {
	for id := range k.masters {
		keys, err := k.RunKeys(id, campaign, run)
		if err != nil {
			return false
		}
		if _, err := keys.Verify(token); err == nil {
			return true
		}
	}
	return false
}

// OpenClaim reads a claim of any run and checks its signature, whichever master key was current when the run began:
// no store is asked about a forged one.
func (k *Keyring) OpenClaim(text string) (Claim, error) {
	c, _, _, err := parseClaim(text)
	if err != nil {
		return Claim{}, err
	}
	for id := range k.masters {
		keys, err := k.RunKeys(id, c.Campaign, c.Run)
		if err != nil {
			return Claim{}, err
		}
		if _, err := keys.VerifyClaim(text); err == nil {
			return c, nil
		}
	}
	return Claim{}, ErrClaimInvalid
}

// Seed is what a round's coins are drawn from.
func (k *RunKeys) Seed(round RoundID) [32]byte {
	var buf [160]byte
	return k.reward.sum(round.append(buf[:0]))
}

// codeSigns are the signs of codes: none that looks like another, and no vowels, so no words.
const codeSigns = "23456789BCDFGHJKMNPQRSTVWXZ"

// Code is what a player without a name is shown by: always the same in a run, another in the next, and without the key
// nobody finds the user by trying ids. Of 3000 boards of a hundred one has the same code twice.
func (k *RunKeys) Code(user string) string {
	sum := k.code.sum([]byte(user))
	n, code := binary.BigEndian.Uint64(sum[:8]), []byte("#.....")
	for i := 1; i < len(code); i++ {
		code[i] = codeSigns[n%uint64(len(codeSigns))]
		n /= uint64(len(codeSigns))
	}
	return string(code)
}

// mac computes HMAC-SHA256 under one key, reusing the states: making one anew costs more than the sum.
type mac struct{ pool sync.Pool }

func newMAC(key []byte) *mac {
	key = append([]byte(nil), key...)
	return &mac{pool: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

func (m *mac) sum(data []byte) (sum [32]byte) {
	h := m.pool.Get().(hash.Hash)
	h.Reset()
	h.Write(data)
	h.Sum(sum[:0])
	m.pool.Put(h)
	return sum
}
