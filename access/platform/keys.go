package platform

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/internal/outgoing"
)

// KeysOptions say where an issuer's public keys are. The zero value of a field means its default.
type KeysOptions struct {
	Source      string        // a JWK set (RFC 7517): an URL, or file:PATH
	Refresh     time.Duration // how often it is read; default 5 min
	Timeout     time.Duration // for one reading, and for a login that waits for one; default 2 s
	MinInterval time.Duration // between two readings that logins ask for; default 5 s
}

func (o KeysOptions) withDefaults() KeysOptions {
	for field, value := range map[*time.Duration]time.Duration{
		&o.Refresh: 5 * time.Minute, &o.Timeout: 2 * time.Second, &o.MinInterval: 5 * time.Second,
	} {
		if *field == 0 {
			*field = value
		}
	}
	return o
}

// Keys are the public keys that an issuer signs with, kept in memory. They are read anew every so often, and when a
// token names a key that is not known: once for all logins that wait, and not again within MinInterval, so that
// tokens with names made up cost the issuer nothing; until then nobody can say that the issuer does not have such a key.
// What was read last stays good while the issuer does not answer.
type Keys struct {
	opts   KeysOptions
	client *http.Client
	health health
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	known   map[string][]jose.JSONWebKey // by id; nil until read for the first time
	err     error                        // of the last reading
	reading chan struct{}                // closed when the reading under way ends; nil: none is
	quiet   time.Time                    // logins ask for no reading before
}

// NewKeys begins to read the keys. A file is read before it returns, and must be good; an issuer that does not answer
// yet is asked again.
func NewKeys(opts KeysOptions, log *slog.Logger) (*Keys, error) {
	k := &Keys{opts: opts.withDefaults(), health: health{log: log}}
	k.client = outgoing.Client(k.opts.Timeout, 1)
	k.ctx, k.cancel = context.WithCancel(context.Background())
	if strings.HasPrefix(k.opts.Source, "file:") {
		k.read(k.begin())
		if k.err != nil {
			k.cancel()
			return nil, k.err
		}
	}
	k.wg.Go(k.refresh)
	return k, nil
}

// Close ends the reading and waits for it.
func (k *Keys) Close() error {
	k.mu.Lock()
	k.cancel()
	k.mu.Unlock()
	k.wg.Wait()
	k.client.CloseIdleConnections()
	return nil
}

// retry is how soon keys that could not be read are read again.
const retry = 5 * time.Second

func (k *Keys) refresh() {
	next := time.Duration(0)
	k.mu.Lock()
	if k.known != nil { // read by NewKeys
		next = spread(k.opts.Refresh)
	}
	k.mu.Unlock()
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-time.After(next):
		}
		k.mu.Lock()
		done := k.reading
		if done == nil {
			done = k.startLocked()
		}
		k.mu.Unlock()
		if done != nil {
			<-done // bounded by Timeout
		}
		k.mu.Lock()
		next = spread(k.opts.Refresh)
		if k.err != nil {
			next = spread(min(retry, k.opts.Refresh))
		}
		k.mu.Unlock()
	}
}

// spread keeps nodes that started together from asking together.
func spread(d time.Duration) time.Duration { return d - time.Duration(rand.Int64N(int64(d)/5+1)) }

// startLocked begins a reading beside; nil when all is over.
func (k *Keys) startLocked() chan struct{} {
	if k.ctx.Err() != nil {
		return nil
	}
	done := make(chan struct{})
	k.reading = done
	k.wg.Go(func() { k.read(done) })
	return done
}

// begin marks a reading that the caller does.
func (k *Keys) begin() chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reading = make(chan struct{})
	return k.reading
}

// read reads the keys once. After an error the ones before stay.
func (k *Keys) read(done chan struct{}) {
	ctx, cancel := context.WithTimeout(k.ctx, k.opts.Timeout)
	defer cancel()
	text, err := k.fetch(ctx)
	var set map[string][]jose.JSONWebKey
	if err == nil {
		set, err = parseKeys(text)
	}
	if err == nil {
		k.health.answered()
	} else if k.ctx.Err() == nil {
		k.health.failed(err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err = err; err == nil {
		k.known = set
	}
	k.quiet = time.Now().Add(k.opts.MinInterval)
	k.reading = nil
	close(done)
}

func (k *Keys) fetch(ctx context.Context) ([]byte, error) {
	if file, ok := strings.CutPrefix(k.opts.Source, "file:"); ok {
		return os.ReadFile(file) // #nosec G304 -- whoever configures us names the file
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, k.opts.Source, nil)
	if err != nil {
		return nil, outgoing.Plain(err)
	}
	r.Header.Set("Accept", "application/json")
	return ask(k.client, r)
}

// maxKeys bounds a set.
const maxKeys = 100

// parseKeys reads a JWK set. As RFC 7517 says, keys that can't be used are passed over; a set without a key that can
// is refused.
func parseKeys(text []byte) (map[string][]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("the keys are no JWK set")
	}
	if len(set.Keys) > maxKeys {
		return nil, errors.New("the JWK set has more than 100 keys")
	}
	known := map[string][]jose.JSONWebKey{}
	for _, one := range set.Keys {
		var secret struct{ D, K json.RawMessage } // a private key has no business there, and is dear to read
		var key jose.JSONWebKey
		if json.Unmarshal(one, &secret) != nil || secret.D != nil || secret.K != nil || json.Unmarshal(one, &key) != nil {
			continue
		}
		if key.Use == "" || key.Use == "sig" {
			known[key.KeyID] = append(known[key.KeyID], key)
		}
	}
	if len(known) == 0 {
		return nil, errors.New("the JWK set has no key that can be used")
	}
	return known, nil
}

var (
	errNotRead = errors.New("the keys have not been read yet")
	errJust    = errors.New("the keys were read a moment ago, without this one")
	errClosed  = errors.New("closed")
)

// Find gives the key of this id for this algorithm. A token that names none is taken where only one key fits.
func (k *Keys) Find(ctx context.Context, id, alg string) (crypto.PublicKey, error) {
	k.mu.Lock()
	key := k.lookLocked(id, alg)
	done := k.reading
	_, named := k.known[id]
	if key == nil && done == nil && !named && time.Now().After(k.quiet) {
		done = k.startLocked()
	}
	err := k.verdictLocked()
	k.mu.Unlock()
	switch {
	case key != nil:
		return key, nil
	case done == nil && !named && errors.Is(err, access.ErrRefused):
		return nil, unreachable(errJust) // it may have been published since
	case done == nil:
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, k.opts.Timeout)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
		return nil, unreachable(ctx.Err())
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if key = k.lookLocked(id, alg); key != nil {
		return key, nil
	}
	return nil, k.verdictLocked()
}

// verdictLocked says what it means that a key is not known: nothing, unless the issuer has just told us its keys.
func (k *Keys) verdictLocked() error {
	switch {
	case k.ctx.Err() != nil:
		return unreachable(errClosed)
	case k.err != nil:
		return unreachable(k.err)
	case k.known == nil:
		return unreachable(errNotRead)
	}
	return refused("signed with a key that the issuer does not have")
}

func (k *Keys) lookLocked(id, alg string) crypto.PublicKey {
	var found []crypto.PublicKey
	for kid, keys := range k.known {
		if id != "" && id != kid {
			continue
		}
		for _, key := range keys {
			if fits(key, alg) {
				found = append(found, key.Key)
			}
		}
	}
	if len(found) == 1 || id != "" && len(found) > 0 {
		return found[0]
	}
	return nil
}

// algorithms are those that a token may be signed by: a public key checks each of them, so what we know is not enough
// to make a token. By each stands whether a key is one for it.
var algorithms = map[string]func(crypto.PublicKey) bool{
	"RS256": isRSA, "RS384": isRSA, "RS512": isRSA, "PS256": isRSA, "PS384": isRSA, "PS512": isRSA,
	"ES256": isECDSA(elliptic.P256()), "ES384": isECDSA(elliptic.P384()), "ES512": isECDSA(elliptic.P521()),
	"EdDSA": func(key crypto.PublicKey) bool { _, ok := key.(ed25519.PublicKey); return ok },
}

// Shorter keys are guessed; longer ones make each forged token dear to refuse.
const minRSABits, maxRSABits = 2048, 8192

func isRSA(key crypto.PublicKey) bool {
	k, ok := key.(*rsa.PublicKey)
	return ok && k.N.BitLen() >= minRSABits && k.N.BitLen() <= maxRSABits
}

func isECDSA(curve elliptic.Curve) func(crypto.PublicKey) bool {
	return func(key crypto.PublicKey) bool {
		k, ok := key.(*ecdsa.PublicKey)
		return ok && k.Curve == curve
	}
}

func fits(key jose.JSONWebKey, alg string) bool {
	is := algorithms[alg]
	return is != nil && is(key.Key) && (key.Algorithm == "" || key.Algorithm == alg)
}
