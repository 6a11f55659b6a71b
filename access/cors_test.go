package access_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/shake-live/shake/access"
)

// asked sends a request past the document, which has no preflights.
func (d *door) asked(method, path string, header map[string]string) *http.Response {
	d.Helper()
	r := d.request(call{method: method, path: path, header: header})
	resp, err := d.examiner.next.RoundTrip(r)
	if err != nil {
		d.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp
}

func corsOf(h http.Header) string {
	var found []string
	for _, name := range []string{"Origin", "Methods", "Headers", "Credentials"} {
		if v := h.Values("Access-Control-Allow-" + name); v != nil {
			found = append(found, name+": "+strings.Join(v, "|"))
		}
	}
	for _, name := range []string{"Access-Control-Max-Age", "Access-Control-Expose-Headers"} {
		if v := h.Get(name); v != "" {
			found = append(found, strings.TrimPrefix(name, "Access-Control-")+": "+v)
		}
	}
	return strings.Join(found, "; ")
}

func TestCORS(t *testing.T) {
	const page, exposed = "https://play.example", "; Expose-Headers: ETag, Retry-After, X-Request-Id"
	const lets = "; Methods: GET, POST, PUT; Headers: Authorization, Content-Type, If-None-Match, Last-Event-ID, X-Request-Id; Max-Age: 600"
	some := access.CORS{Origins: []string{page, "http://localhost:5173"}, MaxAge: 10 * time.Minute}
	anybody := access.CORS{Origins: []string{"*"}, MaxAge: 10 * time.Minute}
	preflight := func(origin string) map[string]string {
		return map[string]string{"Origin": origin, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
	}
	for _, c := range []struct {
		name    string
		options access.CORS
		method  string
		path    string
		header  map[string]string
		status  int
		want    string
		vary    string
	}{
		{"off", access.CORS{}, "GET", "/v1/time", map[string]string{"Origin": page}, 200, "", ""},
		{"off, preflight", access.CORS{}, "OPTIONS", "/v1/wallet", preflight(page), 405, "", ""},
		{"no page", some, "GET", "/v1/time", nil, 200, "", "Origin"},
		{"a page", some, "GET", "/v1/time", map[string]string{"Origin": page}, 200, "Origin: " + page + exposed, "Origin"},
		{"another page", some, "GET", "/v1/time", map[string]string{"Origin": "http://localhost:5173"}, 200, "Origin: http://localhost:5173" + exposed, "Origin"},
		{"a stranger", some, "GET", "/v1/time", map[string]string{"Origin": "https://evil.example"}, 200, "", "Origin"},
		{"begins alike", some, "GET", "/v1/time", map[string]string{"Origin": page + ".evil.example"}, 200, "", "Origin"},
		{"ends alike", some, "GET", "/v1/time", map[string]string{"Origin": "https://evil-play.example"}, 200, "", "Origin"},
		{"another scheme", some, "GET", "/v1/time", map[string]string{"Origin": "http://play.example"}, 200, "", "Origin"},
		{"another port", some, "GET", "/v1/time", map[string]string{"Origin": page + ":8443"}, 200, "", "Origin"},
		{"null", some, "GET", "/v1/time", map[string]string{"Origin": "null"}, 200, "", "Origin"},
		{"a star", some, "GET", "/v1/time", map[string]string{"Origin": "*"}, 200, "", "Origin"},
		{"refused", some, "GET", "/v1/wallet", map[string]string{"Origin": page}, 401, "Origin: " + page + exposed, "Origin"},
		{"not there", some, "GET", "/v1/nope", map[string]string{"Origin": page}, 404, "Origin: " + page + exposed, "Origin"},
		{"preflight", some, "OPTIONS", "/v1/campaigns/demo/rounds/1", preflight(page), 204, "Origin: " + page + lets, "Origin|Access-Control-Request-Method|Access-Control-Request-Headers"},
		{"preflight of a login", some, "OPTIONS", "/v1/sessions", preflight(page), 204, "Origin: " + page + lets, "Origin|Access-Control-Request-Method|Access-Control-Request-Headers"},
		{"preflight of a stranger", some, "OPTIONS", "/v1/wallet", preflight("https://evil.example"), 403, "", "Origin"},
		{"no preflight", some, "OPTIONS", "/v1/wallet", map[string]string{"Origin": page}, 405, "Origin: " + page + exposed, "Origin"},
		{"anybody", anybody, "GET", "/v1/time", map[string]string{"Origin": "https://evil.example"}, 200, "Origin: *" + exposed, ""},
		{"anybody, preflight", anybody, "OPTIONS", "/v1/wallet", preflight("null"), 204, "Origin: *" + lets, "Access-Control-Request-Method|Access-Control-Request-Headers"},
	} {
		d := newDoor(t, func(d *door) { d.opts.CORS = c.options })
		resp := d.asked(c.method, c.path, c.header)
		got, vary := corsOf(resp.Header), strings.Join(resp.Header.Values("Vary"), "|")
		if resp.StatusCode != c.status || got != c.want || vary != c.vary {
			t.Errorf("%s: got %d %q, Vary %q, want %d %q, Vary %q", c.name, resp.StatusCode, got, vary, c.status, c.want, c.vary)
		}
		if resp.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: no request id", c.name)
		}
	}
}

// A page must be able to read that the door is full, and preflights are answered even then.
func TestCORS_whenFull(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	d := starting(t, func(context.Context) error { close(inside); <-release; return nil }, func(d *door) {
		d.opts.CORS = access.CORS{Origins: []string{"https://play.example"}}
		d.opts.MaxInFlight = 1
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.want("200", put(1, "ann"))
	}()
	<-inside
	header := map[string]string{"Origin": "https://play.example", "Access-Control-Request-Method": "GET"}
	if full := d.asked("GET", "/v1/time", header); full.StatusCode != 503 || full.Header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("got %d %v, want 503 that a page can read", full.StatusCode, full.Header)
	}
	if preflight := d.asked("OPTIONS", "/v1/time", header); preflight.StatusCode != 204 {
		t.Errorf("got %d, want 204", preflight.StatusCode)
	}
	close(release)
	<-done
}
