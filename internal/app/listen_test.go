package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shake-live/shake/internal/clock"
)

// selfSigned is a certificate of 127.0.0.1 and its key, in PEM.
func selfSigned(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	asDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: asDER})
}

// files keeps a certificate in two files.
type files struct{ cert, key string }

func newFiles(t *testing.T) files {
	dir := t.TempDir()
	return files{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
}

func (f files) write(t *testing.T, cert, key []byte) {
	t.Helper()
	for file, text := range map[string][]byte{f.cert: cert, f.key: key} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// kept is a certificate as a process has it, and its PEM.
func kept(t *testing.T) (*certificate, []byte) {
	t.Helper()
	f := newFiles(t)
	cert, key := selfSigned(t, "door")
	f.write(t, cert, key)
	c, err := newCertificate(f.cert, f.key, clock.System{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return c, cert
}

// serving opens a listener that answers with the protocol it was asked in.
func serving(t *testing.T, o listenOptions) *listener {
	t.Helper()
	l, err := listen("127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}), slog.New(slog.DiscardHandler), o)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- l.serve() }()
	t.Cleanup(func() {
		_ = l.server.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l
}

// trusting speaks these protocols and trusts these certificates.
func trusting(t *testing.T, set func(*http.Protocols), certs ...[]byte) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AppendCertsFromPEM(c)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, Protocols: &http.Protocols{}}
	set(transport.Protocols)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 5 * time.Second}
}

func get(c *http.Client, l *listener) string {
	resp, err := c.Get(l.scheme + "://" + l.Addr().String())
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

func http1(p *http.Protocols) { p.SetHTTP1(true) }
func http2(p *http.Protocols) { p.SetHTTP2(true) }
func h2c(p *http.Protocols)   { p.SetUnencryptedHTTP2(true) }

func TestListen_protocols(t *testing.T) {
	certificate, cert := kept(t)
	for _, c := range []struct {
		name string
		o    listenOptions
		set  func(*http.Protocols)
		want string // "": an error
	}{
		{"TLS", listenOptions{certificate: certificate}, http2, "HTTP/2.0"},
		{"TLS, an old client", listenOptions{certificate: certificate}, http1, "HTTP/1.1"},
		{"TLS, any", listenOptions{certificate: certificate}, func(p *http.Protocols) { http1(p); http2(p) }, "HTTP/2.0"},
		{"plain", listenOptions{}, http1, "HTTP/1.1"},
		{"plain, asked for h2c", listenOptions{}, h2c, ""},
		{"h2c", listenOptions{h2c: true}, h2c, "HTTP/2.0"},
		{"h2c, an old client", listenOptions{h2c: true}, http1, "HTTP/1.1"},
	} {
		if got := get(trusting(t, c.set, cert), serving(t, c.o)); got != c.want && (c.want != "" || strings.HasPrefix(got, "HTTP/2")) {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// Browsers are told to come over TLS alone where we speak it, and nothing where we can't know.
func TestListen_strictTransport(t *testing.T) {
	certificate, cert := kept(t)
	for _, c := range []struct {
		name string
		o    listenOptions
		want string
	}{
		{"TLS", listenOptions{certificate: certificate, hsts: 8760 * time.Hour}, "max-age=31536000; includeSubDomains"},
		{"TLS, switched off", listenOptions{certificate: certificate}, ""},
		{"behind a proxy", listenOptions{hsts: 8760 * time.Hour}, ""},
	} {
		l := serving(t, c.o)
		resp, err := trusting(t, http1, cert).Get(l.scheme + "://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.Header.Get("Strict-Transport-Security"); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestListen_refusesOldTLS(t *testing.T) {
	certificate, _ := kept(t)
	l := serving(t, listenOptions{certificate: certificate})
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

// Who begins a handshake and says nothing more is sent away.
func TestListen_boundsHandshakes(t *testing.T) {
	t.Parallel()
	certificate, _ := kept(t)
	l := serving(t, listenOptions{certificate: certificate})
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	_ = conn.SetReadDeadline(began.Add(headerTimeout + 5*time.Second))
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF && !strings.Contains(fmt.Sprint(err), "reset") {
		t.Errorf("got %v after %v, want the connection closed within %v", err, time.Since(began), headerTimeout)
	}
}

// A process that is about to leave tells HTTP/2 connections so, and who comes again comes on a new one.
func TestListen_leavingOverHTTP2(t *testing.T) {
	l := serving(t, listenOptions{h2c: true})
	c := trusting(t, h2c)
	reused := func() (again bool) {
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { again = i.Reused }})
		r, err := http.NewRequestWithContext(ctx, "GET", "http://"+l.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return again
	}
	if reused(); !reused() {
		t.Error("a second request came on a new connection: the test sees nothing")
	}
	l.leaving.Store(true)
	reused() // the answer to this one says so; the client may take a moment to hear it
	for deadline := time.Now().Add(5 * time.Second); reused(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("got the connection again and again after the server has said that it leaves")
		}
	}
}

func TestCertificate_isRenewed(t *testing.T) {
	f := newFiles(t)
	first, firstKey := selfSigned(t, "first")
	second, secondKey := selfSigned(t, "second")
	f.write(t, first, firstKey)
	at := clock.NewFake(time.Now())
	var log strings.Builder
	c, err := newCertificate(f.cert, f.key, at, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	name := func() string {
		t.Helper()
		pair, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf.Subject.CommonName
	}
	f.write(t, second, firstKey) // half-way
	if name() != "first" || log.Len() > 0 {
		t.Errorf("looked at the files again at once: %s", log.String())
	}
	at.Advance(lookAgain)
	if got := name(); got != "first" || strings.Count(log.String(), "can't be used") != 1 {
		t.Errorf("got %s half-way through a renewal, and log %s, want first and one line", got, log.String())
	}
	at.Advance(lookAgain)
	name()
	if strings.Count(log.String(), "can't be used") != 1 {
		t.Errorf("got log %s, want one line for the same files", log.String())
	}
	f.write(t, second, secondKey)
	at.Advance(lookAgain)
	if got := name(); got != "second" {
		t.Errorf("got %s after the renewal, want second", got)
	}
	if err := os.Remove(f.key); err != nil {
		t.Fatal(err)
	}
	at.Advance(lookAgain)
	if got := name(); got != "second" {
		t.Errorf("got %s without the files, want second", got)
	}
	if _, err := newCertificate(f.cert, f.key, at, nil); err == nil {
		t.Error("a certificate without its key is taken at the start")
	}
	if strings.Contains(log.String(), "PRIVATE") {
		t.Error("the key is in the log")
	}
}

// Whoever does not take his answer is hung up on: he would hold what was written for him for ever.
func TestListen_hangsUpOnWhoTakesNothing(t *testing.T) {
	ended := make(chan error, 1)
	l, err := listen("127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for chunk := make([]byte, 1<<20); ; {
			if _, err := w.Write(chunk); err != nil {
				ended <- err
				return
			}
		}
	}), slog.New(slog.DiscardHandler), listenOptions{write: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = l.serve() }()
	defer l.server.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the answer is still held for one who takes nothing")
	}
}

// So many connections are let in; the next one waits until one has gone.
func TestListen_mostConnections(t *testing.T) {
	l := serving(t, listenOptions{most: 1})
	first, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	second, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	ask := func(c net.Conn) error {
		_ = c.SetDeadline(time.Now().Add(300 * time.Millisecond))
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return err
		}
		_, err := c.Read(make([]byte, 1))
		return err
	}
	if err := ask(first); err != nil {
		t.Errorf("the first one: %v", err)
	}
	if err := ask(second); err == nil {
		t.Error("the second one was served beside the first")
	}
	_ = first.Close()
	_ = second.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := second.Read(make([]byte, 1)); err != nil {
		t.Errorf("the second one, after the first had gone: %v", err)
	}
}
