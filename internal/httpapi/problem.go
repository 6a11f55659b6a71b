package httpapi

import (
	"encoding/json"
	"fmt"
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
	body := map[string]any{
		"type": "about:blank", "title": m.Title, "status": m.Status, "code": p.Code, "detail": p.Detail,
		"request_id": RequestID(c),
	}
	for k, v := range p.More {
		body[k] = v
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
	text, err := json.Marshal(body)
	if err != nil {
		text = []byte("{}") // strings and numbers always marshal
	}
	c.Header("Cache-Control", "no-store")
	c.Data(m.Status, "application/problem+json", text)
	c.Abort()
}

// RetryAfter is one to three seconds, at random.
func RetryAfter() string { return strconv.Itoa(1 + rand.IntN(3)) }
