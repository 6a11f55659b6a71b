package access_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/game"
)

// bad is one request that must be refused, and leave everything as it was.
type bad struct {
	name string
	want string // like "400 malformed"
	call
}

// scene is a door with a game under way, at a moment in which every open round may end: ann has ended round 1
// and has round 2 open, bob has round 1 open, and ann has round 1 open in the other campaign.
type scene struct {
	*door
	token      string // of ann's open round
	tokenEnded string // of her ended one
	tokenBob   string
	tokenOther string
	claim      string // of the ended one, which the ledger has
	claimBob   string // of one that he ended before
}

func newScene(t testing.TB) scene {
	t.Helper()
	s := scene{door: newDoor(t)}
	var ann, bob resultBody
	var end answer
	s.tokenEnded, end = s.play("demo", "ann", 1, 60)
	s.read(end, &ann)
	_, end = s.play("other", "bob", 1, 60)
	s.read(end, &bob)
	s.claim, s.claimBob = ann.Claim, bob.Claim
	s.book.put(ann.Round, game.Booked{Coins: ann.Coins})
	s.token, s.tokenBob, s.tokenOther = s.begin("demo", "ann", 2), s.begin("demo", "bob", 1), s.begin("other", "ann", 1)
	s.clock.Advance(9 * time.Second)
	return s
}

// resultBody is what tests read of a result.
type resultBody struct {
	Round string
	Coins int64
	Total int64
	Claim string
}

// refused makes the requests one by one and compares the state before and after each.
func (s scene) refused(t *testing.T, table []bad) {
	t.Helper()
	for _, b := range table {
		t.Run(b.name, func(t *testing.T) {
			s := s
			local := *s.door
			local.TB, s.door = t, &local
			before := s.dump(t)
			b.bad = true
			s.want(b.want, b.call)
			s.unchanged(t, before)
		})
	}
}

// endCall ends ann's open round with this body.
func endCall(body string) call {
	return call{method: "POST", path: roundPath("demo", 2) + "/end", as: "ann", body: body}
}

// routeCalls are valid calls of every route, by "GET /v1/time" as access.Routes has them.
func (s scene) routeCalls() map[string]call {
	return map[string]call{
		"POST /v1/sessions":                         {method: "POST", path: "/v1/sessions", body: `{"provider":"dev","credential":"ann","market":"SG"}`},
		"POST /v1/sessions/renew":                   {method: "POST", path: "/v1/sessions/renew", as: "ann"},
		"GET /v1/time":                              {method: "GET", path: "/v1/time"},
		"GET /v1/campaigns":                         {method: "GET", path: "/v1/campaigns"},
		"GET /v1/campaigns/:id":                     {method: "GET", path: "/v1/campaigns/demo"},
		"GET /v1/campaigns/:id/me":                  {method: "GET", path: "/v1/campaigns/demo/me", as: "ann"},
		"PUT /v1/campaigns/:id/rounds/:number":      {method: "PUT", path: roundPath("demo", 2), as: "ann"},
		"GET /v1/campaigns/:id/rounds/:number":      {method: "GET", path: roundPath("demo", 1), as: "ann"},
		"POST /v1/campaigns/:id/rounds/:number/end": {method: "POST", path: roundPath("demo", 1) + "/end", as: "ann", body: `{"token":"` + s.tokenEnded + `","shakes":60}`},
		"GET /v1/campaigns/:id/leaderboard":         {method: "GET", path: "/v1/campaigns/demo/leaderboard", as: "ann"},
		"POST /v1/claims":                           {method: "POST", path: "/v1/claims", as: "ann", body: `{"claim":"` + s.claim + `"}`},
		"GET /v1/wallet":                            {method: "GET", path: "/v1/wallet", as: "ann"},
		"GET /v1/inbox":                             {method: "GET", path: "/v1/inbox", as: "ann"},
		"GET /v1/live":                              {method: "GET", path: "/v1/live?campaign=demo", as: "ann"},
		"POST /v1/inbox/:id/receipt":                {method: "POST", path: "/v1/inbox/" + noticeOf("ann") + "/receipt", as: "ann"},
	}
}

// The tables below are made from these calls, so none of them must be refused, and none must be missing.
func TestBadInput_startsFromGoodCalls(t *testing.T) {
	s := newScene(t)
	calls := s.routeCalls()
	for _, r := range s.server.Routes() {
		c, ok := calls[r]
		if !ok {
			t.Errorf("no call of %s", r)
			continue
		}
		if got := s.do(c); got.status != http.StatusOK && got.status != http.StatusNoContent {
			t.Errorf("%s: got %s (%s), want it fine", r, got, got.body)
		}
	}
}

func TestBadInput_paths(t *testing.T) {
	s := newScene(t)
	var table []bad
	for _, path := range []string{
		"/", "/v1", "/v1/", "/v2/time", "/v1/Time", "/V1/time", "/v1/time/", "//v1/time", "/v1//time", "/v1/./time", "/v1/../v1/time",
		"/v1/campaigns/", "/v1/campaigns/demo/", "/v1/campaigns/demo/rounds", "/v1/campaigns/demo/rounds/",
		"/v1/campaigns/demo/rounds/2/", "/v1/campaigns/demo/rounds/2/end/", "/v1/campaigns/demo/rounds/1%2F2", "/v1/wallet/ann", "/healthz", "/readyz", "/metrics", "/debug/pprof/", "/admin/v1", "/v1/%00", "/v1/%ff", "/" + strings.Repeat("v", 4000),
	} {
		for _, method := range []string{"GET", "POST", "PUT"} {
			name := method + " " + path
			table = append(table, bad{name[:min(len(name), 60)], "404 not_found", call{method: method, path: path, as: "ann"}})
		}
	}
	table = append(table, // gin matches an empty part of a path, but nothing is called so
		bad{"GET a campaign without a name", "404 not_found", call{method: "GET", path: "/v1/campaigns//me", as: "ann"}},
		bad{"POST a receipt of nothing", "404 not_found", call{method: "POST", path: "/v1/inbox//receipt", as: "ann"}})
	s.refused(t, table)
}

func TestBadInput_methods(t *testing.T) {
	s := newScene(t)
	calls, served := map[string]call{}, map[string][]string{}
	for route, c := range s.routeCalls() {
		method, pattern, _ := strings.Cut(route, " ")
		served[pattern] = append(served[pattern], method)
		calls[pattern] = c
	}
	var table []bad
	for pattern, methods := range served {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
			if !slices.Contains(methods, method) {
				table = append(table, bad{method + " " + pattern, "405 method_not_allowed", call{method: method, path: calls[pattern].path, as: "ann"}})
			}
		}
	}
	s.refused(t, table)
	for pattern, methods := range served {
		got := s.do(call{method: "DELETE", path: calls[pattern].path, bad: true}).header.Get("Allow")
		allowed := strings.Split(got, ", ")
		slices.Sort(allowed)
		slices.Sort(methods)
		if !slices.Equal(allowed, methods) {
			t.Errorf("DELETE %s: got Allow %q, want %q", pattern, got, methods)
		}
	}
}

func TestBadInput_sessions(t *testing.T) {
	s := newScene(t)
	long, _ := newSessions(t, "k2").Issue(access.Session{User: "ann", Market: "SG"}, s.clock.Now().Add(-2*time.Hour))
	unknown, err := access.NewSessions("k3", map[string][]byte{"k3": []byte("a key not known here")}, time.Hour, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	stranger, _ := unknown.Issue(access.Session{User: "ann", Market: "SG"}, s.clock.Now())
	impostor, err := access.NewSessions("k2", map[string][]byte{"k2": []byte("another key for k2")}, time.Hour, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	forged, _ := impostor.Issue(access.Session{User: "ann", Market: "SG"}, s.clock.Now())
	good := s.session("ann")
	var table []bad
	for route, c := range s.routeCalls() {
		if c.as == "" {
			continue
		}
		for name, one := range map[string]struct{ want, header string }{
			"none":             {"401 unauthorized", ""},
			"scheme alone":     {"401 unauthorized", "Bearer"},
			"no token":         {"401 unauthorized", "Bearer "},
			"other scheme":     {"401 unauthorized", "Basic " + good},
			"no scheme":        {"401 unauthorized", good},
			"two spaces":       {"401 unauthorized", "Bearer  " + good},
			"words":            {"401 unauthorized", "Bearer let me in"},
			"a round's token":  {"401 unauthorized", "Bearer " + s.token},
			"very long":        {"401 unauthorized", "Bearer " + strings.Repeat("A", 8000)},
			"expired":          {"401 session_expired", "Bearer " + long},
			"of unknown key":   {"401 unauthorized", "Bearer " + stranger},
			"of forged key":    {"401 unauthorized", "Bearer " + forged},
			"padded":           {"401 unauthorized", "Bearer " + good + "="},
			"in standard code": {"401 unauthorized", "Bearer +/" + good},
		} {
			broken := c
			broken.header = map[string]string{"Authorization": one.header}
			table = append(table, bad{route + "/" + name, one.want, broken})
		}
	}
	s.refused(t, table)
}

// Every byte of a session counts, on every route that wants one.
func TestBadInput_sessionWithEachByteChanged(t *testing.T) {
	s := newScene(t)
	good := s.session("ann")
	before := s.dump(t)
	for route, c := range s.routeCalls() {
		if c.as == "" {
			continue
		}
		c.bad = true
		for _, broken := range mangled(good) {
			c.header = map[string]string{"Authorization": "Bearer " + broken}
			if got := s.do(c); got.String() != "401 unauthorized" {
				t.Errorf("%s with session %q: got %s, want 401 unauthorized", route, broken, got)
			}
		}
	}
	s.unchanged(t, before)
}

// A session signed with the key before the present one holds until it expires.
func TestSession_rotatedKeys(t *testing.T) {
	d := newDoor(t)
	token, _ := newSessions(t, "k1").Issue(access.Session{User: "ann", Market: "SG"}, d.clock.Now())
	mine := call{method: "GET", path: "/v1/wallet", header: map[string]string{"Authorization": "Bearer " + token}}
	d.want("200", mine)
	d.clock.Advance(59 * time.Minute)
	d.want("200", mine)
	d.clock.Advance(time.Minute)
	d.want("401 session_expired", mine)
	mine.header["Authorization"] = "bearer " + d.session("ann") // RFC 9110: the scheme's case does not matter
	d.want("200", mine)
}

// mangled gives the token with each letter changed, cut at each place, and with something more.
func mangled(token string) (list []string) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range len(token) {
		at := strings.IndexByte(letters, token[i])
		for _, step := range []int{1, 32} { // the lowest and the highest bit of the letter
			list = append(list, token[:i]+string(letters[at^step])+token[i+1:])
		}
		list = append(list, token[:i], token[:i]+token[i+1:])
	}
	for _, more := range []string{"A", "AA", "AAAA", "=", "."} {
		list = append(list, token+more, more+token)
	}
	return append(list, token+token)
}

func TestBadInput_numbers(t *testing.T) {
	s := newScene(t)
	end := `{"token":"` + s.token + `","shakes":60}`
	var table []bad
	for _, n := range []string{
		"0", "-1", "-0", "01", "+2", "2.0", "2e0", "1e3", "0x2", "0b10", "2_0", "%202", "2%20", "2%00", "%00", "%ff", "two", "NaN", "٢", "２",
		"9223372036854775808", "-9223372036854775809", "18446744073709551618", "99999999999999999999999999999999",
	} {
		path := roundPath("demo", n)
		table = append(table,
			bad{"PUT " + n, "400 malformed", call{method: "PUT", path: path, as: "ann"}},
			bad{"GET " + n, "400 malformed", call{method: "GET", path: path, as: "ann"}},
			bad{"POST " + n, "400 malformed", call{method: "POST", path: path + "/end", as: "ann", body: end}})
	}
	largest := roundPath("demo", "9223372036854775807")
	table = append(table,
		bad{"PUT the largest", "409 wrong_number", call{method: "PUT", path: largest, as: "ann"}},
		bad{"GET the largest", "404 not_found", call{method: "GET", path: largest, as: "ann"}},
		bad{"POST the largest", "400 token_invalid", call{method: "POST", path: largest + "/end", as: "ann", body: end}},
		bad{"PUT the ended one", "409 wrong_number", call{method: "PUT", path: roundPath("demo", 1), as: "ann"}},
		bad{"PUT the one after the open one", "409 round_open", call{method: "PUT", path: roundPath("demo", 3), as: "ann"}},
		bad{"PUT the one after that", "409 wrong_number", call{method: "PUT", path: roundPath("demo", 4), as: "ann"}},
		bad{"GET one that is not there", "404 not_found", call{method: "GET", path: roundPath("demo", 3), as: "ann"}},
		bad{"GET another's", "404 not_found", call{method: "GET", path: roundPath("demo", 2), as: "bob"}},
		bad{"GET of another campaign", "404 not_found", call{method: "GET", path: roundPath("other", 2), as: "ann"}},
		bad{"PUT before the campaign is live", "409 not_live", call{method: "PUT", path: roundPath("later", 1), as: "ann"}})
	s.refused(t, table)
}

func TestBadInput_campaigns(t *testing.T) {
	s := newScene(t)
	var table []bad
	for _, id := range []string{
		"nope", "DEMO", "Demo", "demo.2", "demo%20", "%20demo", "demo%00", "%00", "%ff", "demo%0a", "-demo", "..", "%2e%2e", "*", "d%C3%A9mo", "{id}",
		strings.Repeat("d", 40), strings.Repeat("d", 41), strings.Repeat("d", 3000),
	} {
		for route, c := range s.routeCalls() {
			if strings.Contains(route, "campaigns/:id") {
				c.path = strings.Replace(c.path, "/demo", "/"+id, 1)
				table = append(table, bad{route + " of " + id[:min(len(id), 20)], "404 not_found", c})
			}
		}
	}
	s.refused(t, table)
}

func TestBadInput_queries(t *testing.T) {
	s := newScene(t)
	limits := []string{
		"limit=0", "limit=-1", "limit=101", "limit=1000000", "limit=9223372036854775808", "limit=1.5", "limit=1e1", "limit=ten", "limit=+5", "limit=%2B5",
		"limit=05", "limit=0x5", "limit=5%00", "limit=%ff", "limit=null", "limit=%zz", "limit=5;x=1", "limit=5&limit=6",
	}
	befores := []string{"next=x", "next=1", "next=.a", "next=1.", "next=1.%ff", "next=1.a%00", "next=1.%0a", "next=9223372036854775808.a",
		"next=1.a&next=1.b", "next=1." + strings.Repeat("a", 1000), "next=%zz"}
	queries := map[string][]string{
		"/v1/campaigns": {
			"market=sg", "market=S", "market=SGP", "market=S1", "market=%ff%ff", "market=S%00", "market=%20SG", "market=SG&market=MY", "market=%zz", "market=SG;x",
		},
		"/v1/campaigns/demo/leaderboard": append([]string{"around=you", "around=ME", "around=me%00", "around=%zz", "around=me&around=me"}, limits...),
		"/v1/wallet":                     slices.Concat(limits, befores),
		"/v1/inbox":                      slices.Concat(limits, befores),
	}
	var table []bad
	for path, list := range queries {
		for _, q := range list {
			table = append(table, bad{path + "?" + q[:min(len(q), 30)], "400 malformed", call{method: "GET", path: path + "?" + q, as: "ann"}})
		}
		for _, q := range []string{"before=1", "x=", "Limit=5", "%00=1"} {
			table = append(table, bad{path + "?" + q, "400 unknown_field", call{method: "GET", path: path + "?" + q, as: "ann"}})
		}
	}
	s.refused(t, table)
	for _, q := range []string{"/v1/campaigns?market=", "/v1/campaigns/demo/leaderboard?limit=&around=", "/v1/wallet?limit=&next=", "/v1/time?x=1"} {
		s.want("200", call{method: "GET", path: q, as: "ann", bad: true}) // an empty value is none; where there is no query, nobody reads it
	}
}

func TestBadInput_receipts(t *testing.T) {
	s := newScene(t)
	receipt := func(id string) call {
		return call{method: "POST", path: "/v1/inbox/" + id + "/receipt", as: "ann"}
	}
	withBody := receipt(noticeOf("ann"))
	withBody.body = `{}`
	table := []bad{
		{"another's", "404 not_found", receipt(noticeOf("bob"))},
		{"a body where none is wanted", "400 malformed", withBody},
	}
	for _, id := range []string{"nope", "%ff", "%00", "a%0ab", "%20", strings.Repeat("a", 3000)} {
		table = append(table, bad{id[:min(len(id), 20)], "404 not_found", receipt(id)})
	}
	s.refused(t, table)
}
