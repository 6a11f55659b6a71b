package app

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// The API answers for all of /v1/, odd paths too; the page for the rest.
func TestBesides(t *testing.T) {
	name := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("By", name) })
	}
	both := besides(name("api"), name("page"))
	for path, want := range map[string]string{
		"/v1/time": "api", "/v1/": "api", "/v1//campaigns": "api", "/v1/../x": "api",
		"/": "page", "/play/demo": "page", "/assets/0/x": "page", "/v1": "page", "/v10/x": "page",
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = path
		both.ServeHTTP(w, r)
		if got := w.Header().Get("By"); got != want {
			t.Errorf("%s: answered by %q, want %q", path, got, want)
		}
	}
}
