package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/test/rig"
)

// TestLogin_byToken logs in with a company's token, over TLS and HTTP/2, at a process that is configured so.
func TestLogin_byToken(t *testing.T) {
	t.Parallel() // it waits more than it works
	sys := rig.New(t, rig.Servers{
		Redis: []string{testenv.Redis(t)}, Kafka: testenv.Kafka(t), DSN: testenv.MySQL(t), Namespace: testenv.Namespace(t),
		More: "durability: {mode: async}",
	})
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, text []byte, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	jwks := write("jwks.json", set, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	certFile := write("cert.pem", cert, err)
	private, err := x509.MarshalECPrivateKey(key)
	keyFile := write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), err)

	text, err := os.ReadFile(sys.Config)
	if err != nil {
		t.Fatal(err)
	}
	replaced := strings.NewReplacer(
		"providers: [dev]", `providers: {acme: {kind: jwt, issuer: "https://acme.example", audience: [shake], jwks: "file:`+jwks+`", algorithms: [ES256]}}`,
		`ops: "127.0.0.1:0"`, `ops: "127.0.0.1:0", tls_cert: "`+certFile+`", tls_key: "`+keyFile+`"`,
	).Replace(string(text))
	if err := os.WriteFile(sys.Config, []byte(replaced), 0o600); err != nil {
		t.Fatal(err)
	}
	p := sys.Serve("api")

	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	h := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
	defer h.CloseIdleConnections()
	if resp, err := h.Get(p.URL + "/v1/time"); err != nil || resp.ProtoMajor != 2 || resp.Body.Close() != nil {
		t.Fatalf("got %+v, %v, want HTTP/2", resp, err)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": "https://acme.example", "aud": "shake", "sub": "ann", "exp": time.Now().Add(time.Minute).Unix(),
	})
	token.Header["kid"] = "k"
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	c := &rig.Client{HTTP: h, URL: p.URL}
	var session struct{ Token, User string }
	for credential, want := range map[string]int{signed: 200, signed[:len(signed)-4] + "AAAA": 401, "ann": 401} {
		var got struct{ Token, User string }
		status, err := c.Call(t.Context(), "POST", "/v1/sessions", map[string]any{"provider": "acme", "credential": credential, "market": "SG", "device": "phone-1"}, &got)
		if err != nil || status != want {
			t.Errorf("got %d, %v, want %d", status, err, want)
		}
		if status == 200 {
			session = got
		}
	}
	if c.Token = session.Token; session.User != "acme:ann" {
		t.Errorf("got user %q, want acme:ann", session.User)
	}
	if status, err := c.Call(t.Context(), "POST", "/v1/sessions/renew", nil, &session); err != nil || status != 200 || session.User != "acme:ann" {
		t.Errorf("got %d, %v for a renewal", status, err)
	}
	if log, err := p.WholeLog(); err != nil || strings.Contains(log, signed) {
		t.Errorf("the token is in the log, or it can't be read: %v", err)
	}
}
