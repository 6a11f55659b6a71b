package game

import (
	"fmt"
	"strconv"
	"strings"
)

// RoundID names a round for good: campaign.run.epoch.user.number. The epoch is that of its start, so a round
// that is played again because its shard lost it is another round.
type RoundID struct {
	Campaign string
	Run      int64
	Epoch    int64
	User     string
	Number   int64
}

// String gives "demo.3.1.ann.7".
func (r RoundID) String() string {
	return string(r.append(make([]byte, 0, 64)))
}

func (r RoundID) append(b []byte) []byte {
	b = append(append(b, r.Campaign...), '.')
	b = append(strconv.AppendInt(b, r.Run, 10), '.')
	b = append(strconv.AppendInt(b, r.Epoch, 10), '.')
	b = append(append(b, r.User...), '.')
	return strconv.AppendInt(b, r.Number, 10)
}

// ParseRoundID reads what String wrote. A user's name may hold dots; the other parts hold none.
func ParseRoundID(text string) (RoundID, error) {
	bad := func(what string) (RoundID, error) { return RoundID{}, fmt.Errorf("round id %q: %s", text, what) }
	parts := strings.SplitN(text, ".", 4)
	if len(parts) != 4 {
		return bad("want campaign.run.epoch.user.number")
	}
	dot := strings.LastIndexByte(parts[3], '.')
	if dot < 0 {
		return bad("want campaign.run.epoch.user.number")
	}
	r := RoundID{Campaign: parts[0], User: parts[3][:dot]}
	var errs [3]error
	r.Run, errs[0] = strconv.ParseInt(parts[1], 10, 64)
	r.Epoch, errs[1] = strconv.ParseInt(parts[2], 10, 64)
	r.Number, errs[2] = strconv.ParseInt(parts[3][dot+1:], 10, 64)
	for _, err := range errs {
		if err != nil {
			return bad("run, epoch and number must be whole numbers")
		}
	}
	if !validID(r.Campaign) || !ValidUser(r.User) || r.Run < 1 || r.Epoch < 1 || r.Number < 1 || r.String() != text {
		return bad("not in its proper form")
	}
	return r, nil
}

const maxUser = 64 // bytes

// ValidUser tells whether a user id can stand in keys, ids and lines: no space, no brace, no line end; letters,
// digits and _.@:+- behind a letter or digit.
func ValidUser(user string) bool {
	for i := range len(user) {
		switch c := user[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '_' || c == '.' || c == '@' || c == ':' || c == '+' || c == '-'):
		default:
			return false
		}
	}
	return user != "" && len(user) <= maxUser
}
