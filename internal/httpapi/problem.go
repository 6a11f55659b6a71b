package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"

	"github.com/gin-gonic/gin"
)

// Problem is an error on its way to a client.
type Problem struct {
	Code   Code
	Detail string
	More   map[string]any // further members, such as next_number
	Err    error          // for the log alone: nothing of it reaches the client
}

func (p *Problem) Error() string {
	if p.Err != nil {
		return fmt.Sprintf("%s: %v", p.Code, p.Err)
	}
	return string(p.Code) + ": " + p.Detail
}

// Unwrap gives the cause.
func (p *Problem) Unwrap() error { return p.Err }

// Bad makes a problem with a detail for people.
func Bad(code Code, format string, args ...any) *Problem {
	return &Problem{Code: code, Detail: fmt.Sprintf(format, args...)}
}

const codeKey = "shake.code"

// Fail answers with a problem, RFC 9457. Where waiting helps, the answer says how long, with jitter, so that
// all who were turned away together do not come back together.
func Fail(c *gin.Context, p *Problem) {
	m, ok := Codes[p.Code]
	if !ok {
		p.Code, m = Internal, Codes[Internal]
	}
	switch p.Code {
	case RateLimited, Overloaded, Busy:
		c.Header("Retry-After", RetryAfter())
	case Unauthorized, SessionExpired:
		c.Header("WWW-Authenticate", "Bearer")
	}
	c.Set(codeKey, string(p.Code))
	if p.Err != nil {
		_ = c.Error(p.Err) // kept for the log line
	}
	c.Header("Cache-Control", "no-store")
	c.Data(m.Status, "application/problem+json", p.document(m, RequestID(c)))
	c.Abort()
}

// document is the problem as JSON. Most have no members but the common ones, and those must be cheap: when a node is
// overloaded it writes little else, and a map costs five times as much as a struct.
func (p *Problem) document(m Meaning, request string) []byte {
	common := struct {
		Code    Code   `json:"code"`
		Detail  string `json:"detail"`
		Request string `json:"request_id"`
		Status  int    `json:"status"`
		Title   string `json:"title"`
		Type    string `json:"type"`
	}{p.Code, p.Detail, request, m.Status, m.Title, "about:blank"}
	text, err := json.Marshal(common)
	if err == nil && len(p.More) > 0 {
		all := maps.Clone(p.More)
		if err = json.Unmarshal(text, &all); err == nil {
			text, err = json.Marshal(all)
		}
	}
	if err != nil {
		return []byte("{}") // strings and numbers always marshal
	}
	return text
}

// RetryAfter is one to three seconds, at random.
func RetryAfter() string { return strconv.Itoa(1 + rand.IntN(3)) }
