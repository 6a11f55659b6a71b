package web

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	forEver  = "public, max-age=31536000, immutable"
	askAgain = "no-cache"
)

// policy lets the page load its own files, speak to its own server, and nothing else. Modules and styles are files, so
// no eval is let in and nothing inline but boot, to the letter.
func policy(boot []byte) string {
	sum := sha256.Sum256(boot)
	return "default-src 'none'; script-src 'self' 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; worker-src 'self'; " +
		"style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
}

// framing is the policy's end: a page that nobody may frame can't be laid under another one.
func framing(ancestors []string) string {
	list := slices.Clone(ancestors)
	if i := slices.Index(list, "self"); i >= 0 {
		list[i] = "'self'"
	}
	if len(list) == 0 {
		list = []string{"'none'"}
	}
	return "frame-ancestors " + strings.Join(list, " ")
}

// sensors are what the page may ask a phone for: how it moves. Features that browsers don't know are errors in their
// consoles, so web-share is not named; it is let in by default.
const sensors = "accelerometer=(self), gyroscope=(self), camera=(), geolocation=(), microphone=(), payment=(), usb=()"

func (s *site) guarded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", s.policy)
		header.Set("Permissions-Policy", sensors)
		header.Set("Referrer-Policy", "strict-origin-when-cross-origin")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.ServeHTTP(w, r)
	})
}

func (s *site) page(w http.ResponseWriter, r *http.Request) { s.index.serve(w, r, askAgain) }

// asset serves a file of this tree. One of another tree belongs to another version of the program: a CDN has it, or a
// node that runs it; answering with ours would put two versions into one page. boot.js loads the page again then.
func (s *site) asset(w http.ResponseWriter, r *http.Request) {
	f, ok := s.files[r.PathValue("file")]
	if !ok || !strings.HasPrefix(r.URL.Path, s.tree) {
		w.Header().Set("Cache-Control", "no-store")
		http.NotFound(w, r)
		return
	}
	f.serve(w, r, forEver)
}

func (f file) serve(w http.ResponseWriter, r *http.Request, keep string) {
	body, etag, header := f.plain, f.etag, w.Header()
	header.Set("Cache-Control", keep)
	header.Set("Content-Type", f.kind)
	if f.packed != nil {
		header.Set("Vary", "Accept-Encoding")
		if takesGzip(r.Header.Get("Accept-Encoding")) {
			body, etag = f.packed, strings.TrimSuffix(f.etag, `"`)+`-gz"`
			header.Set("Content-Encoding", "gzip")
		}
	}
	header.Set("ETag", etag)
	if has(r.Header.Get("If-None-Match"), etag) {
		header.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that went away needs no answer
	}
}

// has tells whether an If-None-Match names the etag. A proxy may have made it a weak one.
func has(header, etag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == etag {
			return true
		}
	}
	return false
}

// takesGzip tells whether an Accept-Encoding lets us pack.
func takesGzip(header string) bool {
	for one := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(one), ";")
		if name = strings.TrimSpace(name); strings.EqualFold(name, "gzip") || name == "*" {
			q, weighed := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			weight, err := strconv.ParseFloat(q, 64)
			return !weighed || err != nil || weight > 0
		}
	}
	return false
}
