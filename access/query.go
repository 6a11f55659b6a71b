package access

import (
	"net/url"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/shake-live/shake/internal/httpapi"
)

// query reads one parameter of the query: "" where it is empty or left out. gin reads what it can of a broken
// query and drops the rest, so a limit that a client misspelt would be no limit: here it is refused.
func query(c *gin.Context, name string) (string, *httpapi.Problem) {
	values, err := url.ParseQuery(c.Request.URL.RawQuery)
	switch {
	case err != nil:
		return "", httpapi.Bad(httpapi.Malformed, "the query can't be read")
	case len(values[name]) > 1:
		return "", httpapi.Bad(httpapi.Malformed, "%s stands there twice", name)
	}
	return values.Get(name), nil
}

// maxRows bounds a page.
const maxRows = 100

// limit reads how many rows are wanted; 0 where the client leaves it to us.
func limit(c *gin.Context) (int, *httpapi.Problem) {
	text, p := query(c, "limit")
	if p != nil || text == "" {
		return 0, p
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxRows || strconv.Itoa(n) != text {
		return 0, httpapi.Bad(httpapi.Malformed, "limit: want 1 to %d", maxRows)
	}
	return n, nil
}

// maxOpaque bounds cursors and ids.
const maxOpaque = 600

// opaque tells whether a text looks as a cursor or id of ours does from outside: printable, no space. Anything
// else never came from us, and stores need not find out whether they can compare it with theirs.
func opaque(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return text != "" && len(text) <= maxOpaque
}

// page reads which rows are wanted: how many, and from below which cursor.
func page(c *gin.Context) (rows int, before string, p *httpapi.Problem) {
	if rows, p = limit(c); p != nil {
		return 0, "", p
	}
	if before, p = query(c, "before"); p == nil && before != "" && !opaque(before) {
		p = httpapi.Bad(httpapi.Malformed, "before is no cursor of ours")
	}
	return rows, before, p
}
