package httpapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/shake-live/shake/internal/httpapi"
)

var update = flag.Bool("update", false, "write the golden file anew")

type deaf struct{}

func (deaf) Request(string, string, int, string, time.Duration) {}

// serve answers one request with h.
func serve(h gin.HandlerFunc, r *http.Request) (*httptest.ResponseRecorder, string) {
	var log bytes.Buffer
	e := httpapi.New(slog.New(slog.NewTextHandler(&log, nil)), deaf{})
	e.Any("/x", h)
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w, log.String()
}

func failing(p *httpapi.Problem) gin.HandlerFunc {
	return func(c *gin.Context) { httpapi.Fail(c, p) }
}

// The error table, as clients rely on it.
func TestCodes_golden(t *testing.T) {
	got, err := json.MarshalIndent(httpapi.Codes, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const file = "testdata/codes.json"
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFail_answersEveryCode(t *testing.T) {
	for code, m := range httpapi.Codes {
		r := httptest.NewRequest("GET", "/x", nil)
		r.Header.Set("X-Request-Id", "request-id")
		w, _ := serve(failing(httpapi.Bad(code, "so %d", 7)), r)
		want := map[string]any{
			"type": "about:blank", "title": m.Title, "status": float64(m.Status), "code": string(code), "detail": "so 7", "request_id": "request-id",
		}
		var got map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || !reflect.DeepEqual(got, want) || w.Code != m.Status {
			t.Errorf("%s: got %d %v (%v), want %v", code, w.Code, got, err, want)
		}
		if h := w.Header(); h.Get("Content-Type") != "application/problem+json" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got header %v, want problem+json that is not kept", code, h)
		}
		wait, err := strconv.Atoi(w.Header().Get("Retry-After"))
		if asks := m.Status == 429 || m.Status == 503; asks && (wait < 1 || wait > 3) || !asks && err == nil {
			t.Errorf("%s: got Retry-After %q, want it on 429 and 503 alone", code, w.Header().Get("Retry-After"))
		}
		if got := w.Header().Get("WWW-Authenticate"); (m.Status == 401) != (got == "Bearer") {
			t.Errorf("%s: got WWW-Authenticate %q", code, got)
		}
	}
}

func TestFail_ofAnUnknownCodeIsInternal(t *testing.T) {
	w, _ := serve(failing(httpapi.Bad("made_up", "x")), httptest.NewRequest("GET", "/x", nil))
	if w.Code != 500 || !strings.Contains(w.Body.String(), `"code":"internal"`) {
		t.Errorf("got %d %s, want 500 internal", w.Code, w.Body)
	}
}

func TestFail_keepsItsCauseForTheLog(t *testing.T) {
	cause := errors.New("disk is full")
	p := &httpapi.Problem{Code: httpapi.Internal, Err: cause}
	w, log := serve(failing(p), httptest.NewRequest("GET", "/x", nil))
	if strings.Contains(w.Body.String(), "disk") || !strings.Contains(log, "disk is full") || !strings.Contains(log, w.Header().Get("X-Request-Id")) {
		t.Errorf("got body %s and log %s, want the cause in the log alone, with the request id", w.Body, log)
	}
	if !errors.Is(p, cause) || !strings.Contains(p.Error(), "disk is full") {
		t.Errorf("got %v, want it to be its cause", p)
	}
}

func TestRetryAfter_spreads(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		seen[httpapi.RetryAfter()] = true
	}
	if len(seen) != 3 || !seen["1"] || !seen["2"] || !seen["3"] {
		t.Errorf("got %v, want 1, 2 and 3", seen)
	}
}

// The panic is the thing under test.
func TestPanic_isAnswered(t *testing.T) {
	w, log := serve(func(*gin.Context) { panic("out of order") }, httptest.NewRequest("GET", "/x", nil))
	if w.Code != 500 || !strings.Contains(w.Body.String(), `"code":"internal"`) || !strings.Contains(log, "out of order") {
		t.Errorf("got %d %s and log %s, want 500 internal and a line in the log", w.Code, w.Body, log)
	}
}

type body struct {
	Text  *string `json:"text"`
	Count int64   `json:"count"`
}

func TestRead_boundsTheBody(t *testing.T) {
	for _, c := range []struct {
		body string
		want int
	}{{`{"count":7}`, 200}, {`{"count":77}`, 413}} {
		r := httptest.NewRequest("POST", "/x", strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/json")
		w, _ := serve(func(c *gin.Context) {
			var b body
			if p := httpapi.Read(c, 11, &b); p != nil {
				httpapi.Fail(c, p)
			}
		}, r)
		if w.Code != c.want {
			t.Errorf("%s of at most 11 bytes: got %d, want %d", c.body, w.Code, c.want)
		}
	}
}

// What Decode takes, encoding/json reads the same way; what it refuses has one of two codes.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"text":"a","count":7}`, `{}`, `null`, `[]`, `{"count":1e3}`, `{"count":9223372036854775808}`, `{"text":"a","text":"b"}`, `{"x":1}`,
		"{\"text\":\"\xff\"}", `{"text":"\ud800"}`, `{"count":7}{}`, `{"text":[[[[`, `{"count":-0}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got, want body
		if p := httpapi.Decode(text, &got); p != nil {
			if p.Code != httpapi.Malformed && p.Code != httpapi.UnknownField {
				t.Errorf("%q: got %v, want malformed or unknown_field", text, p)
			}
			return
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&want); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, encoding/json reads %+v, %v", text, got, want, err)
		}
		if _, err := d.Token(); err != io.EOF {
			t.Errorf("%q: taken with something behind it", text)
		}
	})
}
