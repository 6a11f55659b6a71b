package access_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// bodyCall is a route that takes a body, with one that it takes, and a field of it that is a text.
type bodyCall struct {
	call
	text string // the field with its value
}

func (s scene) bodyCalls() map[string]bodyCall {
	return map[string]bodyCall{
		"sessions": {
			call: call{method: "POST", path: "/v1/sessions", body: `{"provider":"dev","credential":"ann","market":"SG"}`},
			text: `"credential":"ann"`,
		},
		"claim": {
			call: call{method: "POST", path: "/v1/claims", as: "ann", body: `{"claim":"` + s.claim + `"}`}, text: `"claim":"` + s.claim + `"`,
		},
		"end": {call: endCall(`{"token":"` + s.token + `","shakes":60}`), text: `"token":"` + s.token + `"`},
	}
}

func TestBadInput_bodies(t *testing.T) {
	s := newScene(t)
	var table []bad
	for name, good := range s.bodyCalls() {
		for what, one := range brokenBodies(good.body, good.text) {
			c := good.call
			c.body = one.body
			if c.body == "" {
				c.header = map[string]string{"Content-Type": "application/json"}
			}
			table = append(table, bad{name + "/" + what, one.want, c})
		}
	}
	s.refused(t, table)
}

type brokenBody struct{ want, body string }

// brokenBodies are made from a good one and a field in it whose value is a text.
func brokenBodies(good, field string) map[string]brokenBody {
	const malformed = "400 malformed"
	with := func(value string) string {
		name, _, _ := strings.Cut(field, ":")
		return strings.Replace(good, field, name+":"+value, 1)
	}
	inside := func(text string) string { return with(`"` + text + `"`) }
	also := func(member string) string { return strings.Replace(good, "{", "{"+member+",", 1) }
	return map[string]brokenBody{
		"empty":                      {malformed, ""},
		"blank":                      {malformed, " \n"},
		"a word":                     {malformed, "shake"},
		"broken off":                 {malformed, good[:len(good)-1]},
		"null":                       {malformed, "null"},
		"an array":                   {malformed, "[" + good + "]"},
		"a text":                     {malformed, `"` + field[1:3] + `"`},
		"a number":                   {malformed, "7"},
		"true":                       {malformed, "true"},
		"no fields":                  {malformed, "{}"},
		"a second body":              {malformed, good + good},
		"something behind":           {malformed, good + "x"},
		"a NUL behind":               {malformed, good + "\x00"},
		"a byte order mark":          {malformed, "\ufeff" + good},
		"UTF-16":                     {malformed, "\xff\xfe" + strings.Join(strings.Split(good, ""), "\x00")},
		"single quotes":              {malformed, strings.ReplaceAll(good, `"`, "'")},
		"a comment":                  {malformed, "/* hi */" + good},
		"a comma too many":           {malformed, strings.TrimSuffix(good, "}") + ",}"},
		"a field twice":              {malformed, also(field)},
		"a field twice, escaped":     {malformed, also(strings.Replace(field, field[1:2], fmt.Sprintf("\\u%04x", field[1]), 1))},
		"an unknown field":           {"400 unknown_field", also(`"hack":1`)},
		"an unknown field with null": {"400 unknown_field", also(`"hack":null`)},
		"a field without a name":     {"400 unknown_field", also(`"":1`)},
		"a field in other case":      {"400 unknown_field", strings.Replace(good, field[:3], strings.ToUpper(field[:3]), 1)},
		"a prototype":                {"400 unknown_field", also(`"__proto__":{}`)},
		"depth in an unknown field":  {"400 unknown_field", also(`"x":` + strings.Repeat("[", 1500) + strings.Repeat("]", 1500))},
		"depth in a known field":     {malformed, with(strings.Repeat("[", 1500) + strings.Repeat("]", 1500))},
		"depth in objects":           {malformed, with(strings.Repeat(`{"a":`, 500) + "1" + strings.Repeat("}", 500))},
		"depth without an end":       {malformed, strings.Repeat("[", 4000)},
		"a field of null":            {malformed, with("null")},
		"a field of a number":        {malformed, with("7")},
		"a field of true":            {malformed, with("true")},
		"a field of an object":       {malformed, with("{}")},
		"a field of a list":          {malformed, with(`["x"]`)},
		"a field without a value":    {malformed, with("")},
		"invalid UTF-8 in a value":   {malformed, inside("a\xffb")},
		"overlong UTF-8":             {malformed, inside("\xc0\x80")},
		"half a surrogate in UTF-8":  {malformed, inside("\xed\xa0\x80")},
		"half a surrogate escaped":   {malformed, inside(`\ud800`)},
		"a wrong escape":             {malformed, inside(`\x41`)},
		"a raw NUL in a value":       {malformed, inside("a\x00b")},
		"a line end in a value":      {malformed, inside("a\nb")},
		"invalid UTF-8 in a name":    {malformed, also("\"\xff\":1")},
		"too large by spaces":        {"413 too_large", good + strings.Repeat(" ", 4097-len(good))},
		"too large by a text":        {"413 too_large", inside(strings.Repeat("a", 5000))},
		"far too large":              {"413 too_large", inside(strings.Repeat("a", 1<<20))},
		"too deep to be small":       {"413 too_large", strings.Repeat("[", 100_000)},
	}
}

func TestBadInput_contentTypes(t *testing.T) {
	s := newScene(t)
	var table []bad
	for name, good := range s.bodyCalls() {
		for _, header := range []map[string]string{
			{"Content-Type": ""}, {"Content-Type": "text/plain"}, {"Content-Type": "text/json"}, {"Content-Type": "application/jsonx"},
			{"Content-Type": "application/problem+json"}, {"Content-Type": "application/x-www-form-urlencoded"},
			{"Content-Type": "multipart/form-data; boundary=x"}, {"Content-Type": "application/json; charset=latin1"},
			{"Content-Type": "application/json; charset=utf-16"}, {"Content-Type": "application/json; charset"}, {"Content-Type": ";"}, {"Content-Type": "*/*"},
			{"Content-Type": "application/json, text/plain"}, {"Content-Encoding": "gzip"}, {"Content-Encoding": "br"}, {"Content-Encoding": "identity"},
		} {
			c := good.call
			c.header = header
			table = append(table, bad{fmt.Sprint(name, header), "415 unsupported_media_type", c})
		}
	}
	s.refused(t, table)
	login := s.bodyCalls()["sessions"].call
	for _, fine := range []string{"application/json;charset=utf-8", "application/json; charset=UTF-8", "Application/JSON; Charset=\"Utf-8\""} {
		login.header = map[string]string{"Content-Type": fine}
		s.want("200", login)
	}
	login.header = nil
	login.body += strings.Repeat(" ", 4096-len(login.body))
	s.want("200", login)
}

// A body where none is wanted is refused even when it does not tell its length, as over HTTP/2.
func TestBadInput_bodyOnAStart(t *testing.T) {
	s := newScene(t)
	for _, body := range []string{"{}", "null", " ", "x", strings.Repeat("x", 1<<20)} {
		s.refused(t, []bad{{body[:1], "400 malformed", call{method: "PUT", path: roundPath("demo", 2), as: "ann", body: body}}})
	}
	r := s.request(call{method: "PUT", path: roundPath("demo", 2), as: "ann"})
	chunked := httptest.NewRequest("PUT", r.URL.Path, struct{ *strings.Reader }{strings.NewReader("{}")})
	chunked.Header, chunked.ContentLength = r.Header, -1
	w := httptest.NewRecorder()
	if s.server.ServeHTTP(w, chunked); w.Code != http.StatusBadRequest {
		t.Errorf("got %d %s, want 400 for a body of unknown length", w.Code, w.Body)
	}
}

// A client that goes away in the middle of its body changes nothing.
func TestBadInput_bodyBreaksOff(t *testing.T) {
	s := newScene(t)
	before := s.dump(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	good := s.bodyCalls()["end"].body
	fmt.Fprintf(conn, "POST %s/end HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		roundPath("demo", 2), s.session("ann"), len(good)+1, good)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4096)
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, _ := conn.Read(answer)
	if got := string(answer[:n]); !strings.HasPrefix(got, "HTTP/1.1 400 ") || !strings.Contains(got, `"code":"malformed"`) {
		t.Errorf("got %q, want 400 malformed", got)
	}
	s.unchanged(t, before)
}

func TestBadInput_logins(t *testing.T) {
	s := newScene(t)
	var table []bad
	for body, want := range map[string]string{
		`{"credential":"ann","market":"SG"}`:                                                             "400 malformed",
		`{"provider":"dev","market":"SG"}`:                                                               "400 malformed",
		`{"provider":"dev","credential":"ann"}`:                                                          "400 malformed",
		`{"provider":"dev","credential":"ann","market":""}`:                                              "400 malformed",
		`{"provider":"dev","credential":"ann","market":"sg"}`:                                            "400 malformed",
		`{"provider":"dev","credential":"ann","market":"SGP"}`:                                           "400 malformed",
		`{"provider":"dev","credential":"ann","market":"S\u0000"}`:                                       "400 malformed",
		`{"provider":"dev","credential":"ann","market":null}`:                                            "400 malformed",
		`{"provider":"dev","credential":"ann","market":"SG","device":""}`:                                "400 malformed",
		`{"provider":"dev","credential":"ann","market":"SG","device":"my phone"}`:                        "400 malformed",
		`{"provider":"dev","credential":"ann","market":"SG","device":"ph\u00f6ne"}`:                      "400 malformed",
		`{"provider":"dev","credential":"ann","market":"SG","device":"a\u0000"}`:                         "400 malformed",
		`{"provider":"dev","credential":"ann","market":"SG","device":7}`:                                 "400 malformed",
		`{"provider":"dev","credential":"ann","market":"SG","device":"` + strings.Repeat("d", 65) + `"}`: "400 malformed",
		`{"provider":"nobody","credential":"ann","market":"SG"}`:                                         "401 unauthorized",
		`{"provider":"Dev","credential":"ann","market":"SG"}`:                                            "401 unauthorized",
		`{"provider":"","credential":"ann","market":"SG"}`:                                               "401 unauthorized",
		`{"provider":"dev","credential":"","market":"SG"}`:                                               "401 unauthorized",
		`{"provider":"dev","credential":"` + strings.Repeat("a", 201) + `","market":"SG"}`:               "401 unauthorized",
	} {
		table = append(table, bad{body[:min(len(body), 70)], want, call{method: "POST", path: "/v1/sessions", body: body}})
	}
	s.refused(t, table)
}

func TestBadInput_shakes(t *testing.T) {
	s := newScene(t)
	table := []bad{
		{"missing", "400 malformed", endCall(`{"token":"` + s.token + `"}`)},
		{"no token", "400 malformed", endCall(`{"shakes":60}`)},
	}
	for _, shakes := range []string{
		"-1", "-9223372036854775808", "1000000001", "9223372036854775807", "9223372036854775808", "1" + strings.Repeat("0", 400), "1e400",
		"60.5", "60.0", "6e1", "6E+1", "060", "+60", ".5", "0x3c", "6_0", "NaN", "Infinity", "-", `"60"`, `""`, "null", "true", "[]", "[60]", "{}",
	} {
		body := fmt.Sprintf(`{"token":%q,"shakes":%s}`, s.token, shakes)
		table = append(table, bad{shakes[:min(len(shakes), 30)], "400 malformed", endCall(body)})
	}
	s.refused(t, table)
}

func TestBadInput_beats(t *testing.T) {
	s := newScene(t)
	var table []bad
	for _, beats := range []string{
		"null", "1", `"1"`, "true", "{}", "[null]", "[1,null]", `["1"]`, "[true]", "[[1]]", "[{}]", "[1.5]", "[1e2]", "[-1]", "[600001]", "[2,1]",
		"[9223372036854775808]", "[1,]", "[1 2]",
	} {
		body := fmt.Sprintf(`{"token":%q,"shakes":2,"beats":%s}`, s.token, beats)
		table = append(table, bad{beats, "400 malformed", endCall(body)})
	}
	s.refused(t, table)
	s.want("200", endCall(fmt.Sprintf(`{"token":%q,"shakes":3,"beats":[0,120,120]}`, s.token)))
}
