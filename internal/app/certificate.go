package app

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shake-live/shake/internal/clock"
)

// lookAgain is how often the files of a certificate are looked at, by the next connection that comes.
const lookAgain = 10 * time.Second

// certificate is a certificate in two files. One that is renewed is taken without a restart; while the files do not fit
// together, as half-way through a renewal, the one before stays.
type certificate struct {
	certFile, keyFile string
	clock             clock.Clock
	log               *slog.Logger
	now               atomic.Pointer[tls.Certificate]

	looking   sync.Mutex
	lookedAt  time.Time
	cert, key []byte // as read last, good or not
}

func newCertificate(certFile, keyFile string, clock clock.Clock, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, clock: clock, log: log}
	if err := c.look(); err != nil {
		return nil, fmt.Errorf("listen.tls_cert, listen.tls_key: %w", err)
	}
	c.lookedAt = clock.Now()
	return c, nil
}

// get implements tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.looking.TryLock() { // others go on with what there is
		defer c.looking.Unlock()
		if now := c.clock.Now(); now.Sub(c.lookedAt) >= lookAgain {
			c.lookedAt = now
			if err := c.look(); err != nil {
				c.log.Warn("the new certificate can't be used; the one before stays", "err", err)
			}
		}
	}
	return c.now.Load(), nil
}

// look takes what stands in the files if it is new.
func (c *certificate) look() error {
	cert, errCert := os.ReadFile(c.certFile)
	key, errKey := os.ReadFile(c.keyFile)
	if err := errors.Join(errCert, errKey); err != nil {
		return err
	}
	if bytes.Equal(cert, c.cert) && bytes.Equal(key, c.key) {
		return nil
	}
	c.cert, c.key = cert, key
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return err
	}
	c.now.Store(&pair)
	return nil
}
