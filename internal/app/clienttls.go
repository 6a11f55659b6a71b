package app

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/shake-live/shake/internal/config"
)

// clientTLS is how we speak to a server; nil where TLS is off. name is the setting's, for errors.
func clientTLS(name string, t config.TLS) (*tls.Config, error) {
	if !t.On {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		text, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("%w: %s.ca: %w", config.ErrInvalid, name, err)
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%w: %s.ca: %s has no certificate", config.ErrInvalid, name, t.CA)
		}
	}
	if t.Cert == "" {
		return c, nil
	}
	if _, err := tls.LoadX509KeyPair(t.Cert, t.Key); err != nil {
		return nil, fmt.Errorf("%w: %s.cert: %w", config.ErrInvalid, name, err)
	}
	// Certificates are replaced while we run: each connection takes the one that is there.
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		return &pair, err
	}
	return c, nil
}
