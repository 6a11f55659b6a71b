package access

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/shake-live/shake/internal/httpapi"
)

// query reads the parameters of the query, which must be among the known ones. gin reads what it can of a broken query
// and drops the rest, so a limit that a client misspelt would be no limit: here it is refused.
func query(c *gin.Context, known ...string) (url.Values, *httpapi.Problem) {
	values, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		return nil, httpapi.Bad(httpapi.Malformed, "the query can't be read")
	}
	for name, all := range values {
		switch {
		case !slices.Contains(known, name):
			return nil, httpapi.Bad(httpapi.UnknownField, "the query knows %s", strings.Join(known, " and "))
		case len(all) > 1:
			return nil, httpapi.Bad(httpapi.Malformed, "%s stands there twice", name)
		}
	}
	return values, nil
}

// maxRows bounds a page.
const maxRows = 100

// limit reads how many rows are wanted; 0 where the client leaves it to us.
func limit(values url.Values) (int, *httpapi.Problem) {
	text := values.Get("limit")
	if text == "" {
		return 0, nil
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

// paging reads which rows are wanted: how many, and from which cursor on.
func paging(c *gin.Context) (rows int, next string, p *httpapi.Problem) {
	values, p := query(c, "limit", "next")
	if p != nil {
		return 0, "", p
	}
	if next = values.Get("next"); next != "" && !opaque(next) {
		return 0, "", httpapi.Bad(httpapi.Malformed, "next is no cursor of ours")
	}
	rows, p = limit(values)
	return rows, next, p
}
