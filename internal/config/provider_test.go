package config_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/shake-live/shake/internal/config"
)

const twoProviders = minimal + `
providers:
  acme: {kind: jwt, issuer: 'https://login.acme.example', audience: [shake], jwks: 'https://login.acme.example/jwks.json', algorithms: [RS256, EdDSA]}
  acme-app: {kind: introspect, url: 'https://login.acme.example/introspect', client_id: shake, client_secret: 'env:PASSWORD', user_prefix: 'app-', timeout: 1s, name_claim: nickname}
`

func TestProviders(t *testing.T) {
	got, err := config.Parse([]byte(twoProviders), env)
	if err != nil {
		t.Fatal(err)
	}
	jwt := config.Provider{
		Kind: "jwt", Issuer: "https://login.acme.example", Audience: []string{"shake"}, JWKS: "https://login.acme.example/jwks.json",
		Algorithms: []string{"RS256", "EdDSA"}, Refresh: config.Duration(5 * time.Minute), Concurrency: 64,
		Timeout: config.Duration(2 * time.Second), Leeway: config.Duration(30 * time.Second), UserClaim: "sub", UserPrefix: "acme:",
	}
	if !reflect.DeepEqual(got.Providers["acme"], jwt) {
		t.Errorf("got %+v, want %+v", got.Providers["acme"], jwt)
	}
	app := got.Providers["acme-app"]
	if app.ClientSecret.Value() != "hunter2" || app.UserPrefix != "app-" || app.Timeout != config.Duration(time.Second) || app.UserClaim != "sub" || app.NameClaim != "nickname" {
		t.Errorf("got %+v with secret %q", app, app.ClientSecret.Value())
	}
	text, err := yaml.Marshal(got)
	if err != nil || strings.Contains(string(text), "hunter2") {
		t.Fatalf("got %s, %v", text, err)
	}
	if again, err := config.Parse(text, env); err != nil || !reflect.DeepEqual(again, got) {
		t.Errorf("got %+v, %v when read again, want %+v", again.Providers, err, got.Providers)
	}
}

// A list of kinds is short for those that need no settings.
func TestProviders_list(t *testing.T) {
	for _, text := range []string{"providers: [dev]", "providers: {dev: {kind: dev}}", "providers:\n  - dev"} {
		got, err := config.Parse([]byte(minimal+text), env)
		if want := (config.Providers{"dev": config.DevProvider()}); err != nil || !reflect.DeepEqual(got.Providers, want) {
			t.Errorf("%s: got %+v, %v, want %+v", text, got.Providers, err, want)
		}
	}
	for _, text := range []string{"providers: []", "providers: {}", "providers:", ""} {
		if got, err := config.Parse([]byte(minimal+text), env); err != nil || len(got.Providers) != 0 {
			t.Errorf("%q: got %+v, %v, want none", text, got.Providers, err)
		}
	}
}

func TestProviders_refused(t *testing.T) {
	const jwt = "kind: jwt, issuer: i, audience: [a], jwks: 'https://h/k', algorithms: [RS256]"
	const introspect = "kind: introspect, url: 'https://h/i', client_id: c, client_secret: 'env:PASSWORD'"
	one := func(settings string) string { return "{acme: {" + settings + "}}" }
	for _, c := range []struct{ text, want string }{
		{"[jwt]", "providers.jwt.issuer: want one"},
		{"[dev, ldap]", `providers.ldap.kind "ldap" is not known`},
		{"[dev, 7, [dev]]", "no place for a value"},
		{"dev", "[5:12]"},
		{one("kind: ldap"), `providers.acme.kind "ldap" is not known`},
		{one(""), `providers.acme.kind "" is not known`},
		{one(jwt + ", colour: red"), `unknown field "colour"`},
		{one(jwt + ", jwks: 'https://h/k'"), "already defined"},
		{"{acme: {" + jwt + "}, acme: {kind: dev}}", "already defined"},
		{"{Acme: {" + jwt + "}}", "want a name of 1 to 16 small letters"},
		{"{'': {kind: dev}}", "want a name"},
		{one(strings.Replace(jwt, "issuer: i, ", "", 1)), "providers.acme.issuer: want one"},
		{one(strings.Replace(jwt, "audience: [a], ", "", 1)), "providers.acme.audience: want at least one"},
		{one(strings.Replace(jwt, "audience: [a]", "audience: ['']", 1)), "audience: want none that is empty"},
		{one(strings.Replace(jwt, "algorithms: [RS256]", "", 1)), "algorithms: want at least one"},
		{one(strings.Replace(jwt, "RS256", "RS256, none", 1)), `algorithms: "none" is none with a public key`},
		{one(strings.Replace(jwt, "RS256", "HS256", 1)), `algorithms: "HS256" is none with a public key`},
		{one(strings.Replace(jwt, "RS256", "rs256", 1)), `"rs256" is none`},
		{one(strings.Replace(jwt, "https:", "http:", 1)), "jwks: want https:"},
		{one(strings.Replace(jwt, "https://h/k", "https://me:hunter2@h/k", 1)), "jwks: want https:"},
		{one(strings.Replace(jwt, "https://h/k", "/etc/keys.json", 1)), "jwks: want https:"},
		{one(jwt + ", url: 'https://h/i'"), "url, client_id, client_secret: for kind introspect alone"},
		{one(jwt + ", leeway: 1h"), "leeway: want 0s to 5m"},
		{one(jwt + ", leeway: -1s"), "leeway: want 0s to 5m"},
		{one(jwt + ", timeout: 6s"), "timeout: want more than 0 and at most 5s"},
		{one(jwt + ", timeout: 0s"), "timeout: want more than 0"},
		{one(jwt + ", refresh: 10ms"), "refresh: want at least 1s"},
		{one(jwt + ", refresh: often"), "want a length like"},
		{one(jwt + ", user_claim: ''"), "user_claim: want one"},
		{one(jwt + ", user_prefix: ':'"), "user_prefix: want at most 24"},
		{one(jwt + ", user_prefix: 'a b'"), "user_prefix: want at most 24"},
		{one(introspect + ", jwks: 'https://h/k'"), "jwks, algorithms: for kind jwt alone"},
		{one(introspect + ", concurrency: 0"), "concurrency: want 1 to 4096"},
		{one(strings.Replace(introspect, "https:", "http:", 1)), "url: want https:"},
		{one(strings.Replace(introspect, "env:PASSWORD", "hunter2", 1)), "providers.acme.client_secret: want env:NAME or file:PATH"},
		{one(strings.Replace(introspect, "env:PASSWORD", "env:NOT_SET", 1)), "client_secret: env:NOT_SET is empty"},
		{one(strings.Replace(introspect, ", client_secret: 'env:PASSWORD'", "", 1)), "client_id, client_secret: want both"},
		{one("kind: dev, client_secret: 'env:PASSWORD'"), "for kind introspect alone"},
		{one("kind: dev, name_claim: name"), "name_claim: for kinds jwt and introspect"},
		{one(jwt + ", name_claim: [name]"), "no place for a value of kind seq"},
		{"{a: {" + jwt + ", user_prefix: ''}, b: {" + introspect + "}}", "providers.a and providers.b: want a user_prefix each"},
		{"{a: {" + jwt + ", user_prefix: x}, b: {" + introspect + ", user_prefix: x1}}", "providers.a and providers.b"},
		{"{a: {" + jwt + ", user_prefix: x}, b: {" + jwt + ", user_prefix: x}}", "providers.a and providers.b"},
	} {
		_, err := config.Parse([]byte(strings.TrimSpace(minimal)+"\n\nproviders: "+c.text+"\n"), env)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %s", c.text, err, c.want)
		}
	}
	for _, fine := range []string{
		one(jwt), one(introspect), one(jwt + ", user_prefix: ''"), "{a: {" + jwt + "}, ab: {" + introspect + "}, dev: {kind: dev}}",
		one(strings.Replace(jwt, "https://h/k", "file:/etc/keys.json", 1)), one(strings.Replace(jwt, "https://h/k", "http://127.0.0.1:99/k", 1)),
		one(strings.Replace(jwt, "https://h/k", "http://[::1]:99/k", 1)),
	} {
		if _, err := config.Parse([]byte(minimal+"providers: "+fine), env); err != nil {
			t.Errorf("%s: got %v, want it taken", fine, err)
		}
	}
}
