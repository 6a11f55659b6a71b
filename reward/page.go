package reward

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// MaxPage is the most rows that one page of a history or an inbox has.
const MaxPage = 100

// PageSize brings a wanted page size into bounds; 0 means a fitting one.
func PageSize(limit int) int {
	if limit <= 0 {
		return 20
	}
	return min(limit, MaxPage)
}

// Place is where a page ends: below it in time, and in one millisecond below it by id.
type Place struct {
	AtMS int64
	ID   string
}

// String is the cursor that clients hand back.
func (p Place) String() string { return strconv.FormatInt(p.AtMS, 10) + "." + p.ID }

// ParsePlace reads what String wrote; "" is above everything.
func ParsePlace(cursor string) (Place, error) {
	if cursor == "" {
		return Place{AtMS: math.MaxInt64}, nil
	}
	ms, id, ok := strings.Cut(cursor, ".")
	at, err := strconv.ParseInt(ms, 10, 64)
	if !ok || err != nil || id == "" {
		return Place{}, fmt.Errorf("%w: %q", ErrBadPage, cursor)
	}
	return Place{AtMS: at, ID: id}, nil
}
