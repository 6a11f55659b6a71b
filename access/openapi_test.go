package access_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/shake-live/shake/internal/httpapi"
	"github.com/shake-live/shake/ops"
)

// document is docs/openapi.yaml, for any server, with every object closed: what an answer has and the document
// lacks is an error here, though clients must not mind it.
var document = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromFile("../docs/openapi.yaml")
	if err != nil {
		return nil, err
	}
	doc.Servers = nil
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.PlainBodyDecoder) // for the page of profiles
	for _, s := range doc.Components.Schemas {
		if o := s.Value; len(o.Properties) > 0 && o.AdditionalProperties.Has == nil {
			o.AdditionalProperties = openapi3.BoolSchema{Has: new(bool)}
		}
	}
	return doc, nil
})

func openapi(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestOpenAPI_isValid(t *testing.T) {
	if err := openapi(t).Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOpenAPI_hasEveryRouteOfTheDoor(t *testing.T) {
	var want []string
	for _, r := range newDoor(t).server.Routes() {
		want = append(want, regexp.MustCompile(`:(\w+)`).ReplaceAllString(r, "{$1}"))
	}
	sameRoutes(t, documented(openapi(t), "/v1/"), want)
}

// The ops port's mux can't list its patterns, so they are read from its source, and then asked for.
func TestOpenAPI_hasEveryRouteOfTheOpsPort(t *testing.T) {
	source, err := os.ReadFile("../ops/server.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range regexp.MustCompile(`"(GET /\S*)"`).FindAllStringSubmatch(string(source), -1) {
		want = append(want, m[1])
	}
	got := documented(openapi(t), "/")
	got = slices.DeleteFunc(got, func(r string) bool { return strings.Contains(r, " /v1/") })
	sameRoutes(t, got, want)
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/symbol"} {
		examineOps(t, path, nil, http.StatusOK)
	}
	examineOps(t, "/readyz", []ops.Check{{Name: "redis", Fn: func(context.Context) error { return errors.New("no answer") }}}, 503)
}

func examineOps(t *testing.T, path string, checks []ops.Check, want int) {
	t.Helper()
	r, w := httptest.NewRequest("GET", path, nil), httptest.NewRecorder()
	ops.NewServer(ops.NewMetrics(), checks).ServeHTTP(w, r)
	if w.Code != want {
		t.Errorf("GET %s: got %d, want %d", path, w.Code, want)
	}
	if err := newExaminer(t, nil).answer(r, w.Code, w.Header(), w.Body.Bytes()); err != nil {
		t.Errorf("GET %s: %v", path, err)
	}
}

func documented(doc *openapi3.T, prefix string) (list []string) {
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			if strings.HasPrefix(path, prefix) {
				list = append(list, method+" "+path)
			}
		}
	}
	return list
}

func sameRoutes(t *testing.T, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	for _, r := range want {
		if !slices.Contains(got, r) {
			t.Errorf("docs/openapi.yaml lacks %s", r)
		}
	}
	for _, r := range got {
		if !slices.Contains(want, r) {
			t.Errorf("docs/openapi.yaml has %s, which nobody serves", r)
		}
	}
}

// Each code has an example that is what httpapi.Codes says, and each answer names examples of its own status.
func TestOpenAPI_hasTheErrorTable(t *testing.T) {
	doc := openapi(t)
	codes := map[string]httpapi.Meaning{}
	for code, m := range httpapi.Codes {
		codes[string(code)] = m
	}
	for name := range codes {
		if doc.Components.Examples[name] == nil {
			t.Errorf("no example of %s", name)
		}
	}
	for name, e := range doc.Components.Examples {
		got := e.Value.Value.(map[string]any)
		if m := codes[name]; got["code"] != name || got["status"] != float64(m.Status) || got["title"] != m.Title {
			t.Errorf("example %s: got %v, want status %d and title %q", name, got, m.Status, m.Title)
		}
	}
	listed := doc.Components.Schemas["Problem"].Value.Properties["code"].Value.Enum
	if len(listed) != len(codes) {
		t.Errorf("schema Problem lists %d codes, want %d", len(listed), len(codes))
	}
	for _, code := range listed {
		if _, ok := codes[code.(string)]; !ok {
			t.Errorf("schema Problem lists %s, which is not in the error table", code)
		}
	}
}

func TestOpenAPI_givesAnExampleOfEveryAnswer(t *testing.T) {
	for path, item := range openapi(t).Paths.Map() {
		for method, op := range item.Operations() {
			for status, answer := range op.Responses.Map() {
				for media, content := range answer.Value.Content {
					if len(content.Examples) == 0 && strings.HasSuffix(media, "json") {
						t.Errorf("%s %s %s: no example", method, path, status)
					}
					for name, e := range content.Examples {
						if media == "application/problem+json" && e.Ref == "" {
							t.Errorf("%s %s %s: %s is not one of the error table", method, path, status, name)
						}
					}
				}
			}
		}
	}
}

// examiner is a transport that holds each answer, and each request that is meant to be valid, against the
// document.
type examiner struct {
	testing.TB
	next   http.RoundTripper
	router routers.Router
}

func newExaminer(t testing.TB, next http.RoundTripper) *examiner {
	t.Helper()
	router, err := legacy.NewRouter(openapi(t))
	if err != nil {
		t.Fatal(err)
	}
	return &examiner{TB: t, next: next, router: router}
}

// meantBad marks requests that are not to be valid.
type meantBad struct{}

func (e *examiner) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Context().Value(meantBad{}) == nil {
		if err := e.request(r); err != nil {
			e.Errorf("%s %s does not fit the document: %v", r.Method, r.URL.Path, err)
		}
	}
	resp, err := e.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := wholeOrFirstEvent(resp)
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if err := e.answer(r, resp.StatusCode, resp.Header, body); err != nil {
		e.Errorf("%s %s: answer %d %s does not fit the document: %v", r.Method, r.URL.Path, resp.StatusCode, body, err)
	}
	return resp, nil
}

// wholeOrFirstEvent reads an answer; of a stream, which has no end, its first lines.
func wholeOrFirstEvent(resp *http.Response) ([]byte, error) {
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return io.ReadAll(resp.Body)
	}
	return bufio.NewReader(resp.Body).ReadBytes('\n')
}

var filterOptions = &openapi3filter.Options{
	AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, SkipSettingDefaults: true,
	RejectWhenRequestBodyNotSpecified: true,
}

func (e *examiner) request(r *http.Request) error {
	route, params, err := e.router.FindRoute(r)
	if err != nil {
		return err
	}
	copied := r.Clone(r.Context())
	if r.GetBody != nil {
		if copied.Body, err = r.GetBody(); err != nil {
			return err
		}
	}
	return openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: copied, PathParams: params, Route: route, Options: filterOptions,
	})
}

// answer checks an answer, and for an error also that the document names its code for this very call.
func (e *examiner) answer(r *http.Request, status int, header http.Header, body []byte) error {
	route, params, err := e.router.FindRoute(r)
	if err != nil || !e.knows(r.URL.Path, route.Path) {
		return e.nowhere(header, body)
	}
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: filterOptions},
		Status:                 status, Header: header, Options: filterOptions,
	}
	in.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(r.Context(), in); err != nil {
		return err
	}
	if status >= 400 && strings.HasPrefix(route.Path, "/v1/") {
		code, err := codeOf(body)
		if err != nil {
			return err
		}
		examples := route.Operation.Responses.Status(status).Value.Content["application/problem+json"].Examples
		if _, ok := examples[code]; !ok {
			return errors.New("the document does not tell of " + code + " here")
		}
	}
	return nil
}

// knows tells whether the route found is the one of this path and door: the finder takes a slash too many, and
// the document has the ops port too.
func (e *examiner) knows(path, route string) bool {
	slash := func(s string) bool { return strings.HasSuffix(s, "/") }
	return slash(path) == slash(route) && (e.next == nil || strings.HasPrefix(route, "/v1/"))
}

// nowhere checks the answer for a path or method that is not in the document: a problem all the same.
func (e *examiner) nowhere(header http.Header, body []byte) error {
	if got := header.Get("Content-Type"); got != "application/problem+json" {
		return errors.New("content type " + got)
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	return openapi(e).Components.Schemas["Problem"].Value.VisitJSON(v)
}

func codeOf(body []byte) (string, error) {
	var p struct{ Code string }
	err := json.Unmarshal(body, &p)
	return p.Code, err
}
