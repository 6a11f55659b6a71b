package platform_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/access/platform"
)

// told are claims of a player's name, and the name that is made of them where the name's claim is nick.
var told = map[string]struct {
	claims claims
	want   string
}{
	"a text":         {claims{"nick": "Łukasz Żółć"}, "Łukasz Żółć"},
	"empty":          {claims{"nick": ""}, ""},
	"missing":        {claims{"name": "Łukasz"}, ""},
	"null":           {claims{"nick": nil}, ""},
	"a number":       {claims{"nick": 7}, ""},
	"a truth":        {claims{"nick": true}, ""},
	"a list":         {claims{"nick": []string{"Łukasz"}}, ""},
	"an object":      {claims{"nick": claims{"first": "Łukasz"}}, ""},
	"much too long":  {claims{"nick": strings.Repeat("x", 2000)}, strings.Repeat("x", 2000)}, // cleaned at the door
	"of another one": {claims{"Nick": "Łukasz"}, ""},
}

// A name is told where the configuration names a claim and the claim is a text; nothing about it refuses a login.
func TestJWT_tellsTheName(t *testing.T) {
	key := ecKey()
	keys := newKeys(t, platform.KeysOptions{Source: newIssuer(t, key).URL}, nil)
	for name, c := range told {
		token := key.token(t, c.claims, nil)
		for display, want := range map[string]string{"nick": c.want, "": ""} {
			o := options()
			o.Names.Display = display
			got, err := newJWT(t, keys, o).Player(t.Context(), token)
			if err != nil || got != (access.Player{User: "acme:ann", Name: want}) {
				t.Errorf("%s, claim %q: got %+v, %v, want acme:ann by the name of %q", name, display, got, err, want)
			}
		}
	}
}

func TestIntrospection_tellsTheName(t *testing.T) {
	for body, want := range map[string]string{
		`{"active":true,"sub":"ann","nick":"Łukasz Żółć"}`: "Łukasz Żółć",
		`{"active":true,"sub":"ann","nick":["Łukasz"]}`:    "",
		`{"active":true,"sub":"ann","nick":12}`:            "",
		`{"active":true,"sub":"ann"}`:                      "",
	} {
		i := newIssuer(t)
		i.does(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
		for display, want := range map[string]string{"nick": want, "": ""} {
			p := newIntrospection(t, platform.IntrospectionOptions{URL: i.URL, Names: platform.Names{Display: display}}, nil)
			got, err := p.Player(t.Context(), "the-credential")
			if err != nil || got != (access.Player{User: "acme:ann", Name: want}) {
				t.Errorf("%s, claim %q: got %+v, %v, want acme:ann by the name of %q", body, display, got, err, want)
			}
		}
	}
}
