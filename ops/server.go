package ops

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Check is one thing that must be right before a node takes requests. An error is its reason.
type Check struct {
	Name string
	Fn   func(ctx context.Context) error
}

// checkTimeout bounds each look at readiness: an orchestrator asks every few seconds.
const checkTimeout = 2 * time.Second

// Server is the ops port. It is for the inside: nothing on it is meant for players.
type Server struct {
	http.Handler
	checks   []Check
	draining atomic.Bool
}

// NewServer builds the ops port.
func NewServer(m *Metrics, checks []Check) *Server {
	s := &Server{checks: checks}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, map[string]any{"status": "ok"}) })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	s.Handler = plainly(mux)
	return s
}

// plainly tells browsers to show what is answered and to run nothing of it: profiles name functions and labels as they are.
func plainly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'")
		h.ServeHTTP(w, r)
	})
}

// Drain makes the node not ready, so that no new requests are sent here while those under way end.
func (s *Server) Drain() { s.draining.Store(true) }

// Reasons are why the node is not ready, by check; none if it is. The checks run at once: one that waits for somebody
// who does not answer must not use up the time of the others.
func (s *Server) Reasons(ctx context.Context) map[string]string {
	reasons := map[string]string{}
	if s.draining.Load() {
		reasons["drain"] = "shutting down"
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	errs := make([]error, len(s.checks))
	var wg sync.WaitGroup
	for i, c := range s.checks {
		wg.Go(func() { errs[i] = c.Fn(ctx) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			reasons[s.checks[i].Name] = err.Error()
		}
	}
	return reasons
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	reasons := s.Reasons(r.Context())
	if len(reasons) == 0 {
		answer(w, http.StatusOK, map[string]any{"status": "ready"})
		return
	}
	answer(w, http.StatusServiceUnavailable, map[string]any{"status": "not ready", "reasons": reasons})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that went away needs no answer
}
