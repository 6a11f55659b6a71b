package httpapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Read reads a JSON body of at most max bytes into v, strictly: right content type, one object, no field twice,
// no unknown field, valid UTF-8, numbers that fit. Missing fields are the caller's to find.
func Read(c *gin.Context, max int64, v any) *Problem {
	if !isJSON(c.GetHeader("Content-Type")) {
		return Bad(UnsupportedMedia, "want Content-Type application/json")
	}
	if c.GetHeader("Content-Encoding") != "" {
		return Bad(UnsupportedMedia, "want no Content-Encoding")
	}
	body, err := readAll(c, max)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return Bad(TooLarge, "want at most %d bytes", max)
	case err != nil:
		return &Problem{Code: Malformed, Detail: "the body broke off"}
	}
	return Decode(body, v)
}

// readAll reads the body in one go where its length was told.
func readAll(c *gin.Context, max int64) ([]byte, error) {
	if n := c.Request.ContentLength; n >= 0 && n <= max {
		body := make([]byte, n)
		_, err := io.ReadFull(c.Request.Body, body)
		return body, err
	}
	return io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, max))
}

// isJSON tells whether the content type is JSON in UTF-8.
func isJSON(header string) bool {
	if header == "application/json" {
		return true
	}
	media, params, err := mime.ParseMediaType(header)
	charset, told := params["charset"]
	return err == nil && media == "application/json" && (!told || strings.EqualFold(charset, "utf-8"))
}

// Decode reads JSON as strictly as Read.
func Decode(body []byte, v any) *Problem {
	err := json.Unmarshal(body, v, json.RejectUnknownMembers(true))
	var semantic *json.SemanticError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, json.ErrUnknownName):
		return Bad(UnknownField, "%s is not known", pointer(err))
	case errors.Is(err, jsontext.ErrDuplicateName):
		return Bad(Malformed, "a field stands there twice")
	case errors.As(err, &semantic):
		return Bad(Malformed, "%s has the wrong type or is out of range", pointer(err))
	}
	return Bad(Malformed, "the body is not valid JSON")
}

// pointer is where in the body the error is, as a JSON pointer, cut short: it is the client's own text.
func pointer(err error) string {
	var semantic *json.SemanticError
	if !errors.As(err, &semantic) || semantic.JSONPointer == "" {
		return "the body"
	}
	p := string(semantic.JSONPointer)
	return p[:min(len(p), 80)]
}

// NoBody refuses a body where none is wanted. One of unknown length (-1) is one too: over HTTP/2 it comes without
// a transfer encoding.
func NoBody(c *gin.Context) *Problem {
	if c.Request.ContentLength != 0 {
		return Bad(Malformed, "want no body")
	}
	return nil
}
