package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"github.com/shake-live/shake/access"
)

// listener is a server on its socket.
type listener struct {
	net.Listener
	server  *http.Server
	scheme  string // of its URLs
	leaving atomic.Bool
}

// Limits of a connection. Players send little and wait little; what takes longer is no player. A TLS handshake takes no
// longer than a header may: net/http bounds it by the shortest of these times.
const (
	headerTimeout  = 5 * time.Second
	bodyTimeout    = 10 * time.Second
	writeTimeout   = 30 * time.Second // for an answer to be taken; streams set their own
	idleTimeout    = 75 * time.Second
	maxHeaderBytes = 16 << 10
	maxStreams     = 100 // of HTTP/2, at once on one connection; a page needs a handful, a proxy opens more connections
)

// listenOptions say what is spoken besides HTTP/1.
type listenOptions struct {
	certificate *certificate      // TLS with it, and HTTP/2; nil: no TLS
	h2c         bool              // HTTP/2 without TLS too, for a proxy that speaks it
	turnstile   *access.Turnstile // nil: none
	most        int               // connections at once; others wait to be let in; 0: any number
	write       time.Duration     // for an answer to be taken; 0: writeTimeout
	hsts        time.Duration     // for which browsers are to come over TLS alone, where we speak it; 0: we don't say
}

func listen(addr string, h http.Handler, log *slog.Logger, o listenOptions) (*listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	out := &listener{Listener: l, scheme: "http"}
	var withTurn func(context.Context, net.Conn) context.Context
	if o.most > 0 {
		out.Listener = netutil.LimitListener(l, o.most)
	}
	if o.turnstile != nil {
		out.Listener, withTurn = o.turnstile.Listener(out.Listener), o.turnstile.ConnContext
	}
	if o.write == 0 {
		o.write = writeTimeout
	}
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(o.h2c)
	strict := ""
	if o.certificate != nil && o.hsts > 0 {
		strict = fmt.Sprintf("max-age=%d; includeSubDomains", o.hsts/time.Second)
	}
	out.server = &http.Server{
		ErrorLog:  slog.NewLogLogger(log.Handler(), slog.LevelDebug), // of handshakes that strangers broke off
		Protocols: protocols, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: maxStreams, WriteByteTimeout: bodyTimeout},
		ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, WriteTimeout: o.write, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes, ConnContext: withTurn,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if out.leaving.Load() {
				w.Header().Set("Connection", "close")
			}
			if strict != "" {
				w.Header().Set("Strict-Transport-Security", strict)
			}
			h.ServeHTTP(w, r)
		}),
	}
	if o.certificate != nil {
		out.scheme = "https"
		protocols.SetHTTP2(true)
		out.server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: o.certificate.get}
	}
	return out, nil
}

// shutdown ends the server so that no request is lost that a client could send in good faith: for as long as the lame
// duck lasts it serves on, while balancers see that it is not ready and each answer closes its connection, so that
// hardly a connection is left on which a request could cross with the closing. Then it waits for requests under way.
func (l *listener) shutdown(lameDuck, drain time.Duration) error {
	l.leaving.Store(true)
	time.Sleep(lameDuck)
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	return l.server.Shutdown(ctx)
}

func (l *listener) serve() error {
	serve := func() error { return l.server.Serve(l.Listener) }
	if l.server.TLSConfig != nil {
		serve = func() error { return l.server.ServeTLS(l.Listener, "", "") }
	}
	if err := serve(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
