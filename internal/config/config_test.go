package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/shake-live/shake/internal/config"
)

const shakeYAML = "../../deploy/shake.yaml"

// env has the secrets that deploy/shake.yaml refers to.
func env(name string) string {
	return map[string]string{
		"SHAKE_SQL_DSN": "shake:hunter2@tcp(db:3306)/shake", "SHAKE_SESSION_KEY": "session-key-hunter2", "SHAKE_RUN_KEY": "run-key-hunter2-longer",
		"PASSWORD": "hunter2",
	}[name]
}

// minimal is what a file needs at least.
const minimal = `
sql: {dsn: env:SHAKE_SQL_DSN}
sessions: {current: s1, keys: {s1: env:SHAKE_SESSION_KEY}}
runs: {current: r1, keys: {r1: env:SHAKE_RUN_KEY}}
`

// The commented file is the defaults and its secrets, no more.
func TestShakeYAML_isTheDefaults(t *testing.T) {
	got, err := config.Load(shakeYAML, env)
	if err != nil {
		t.Fatal(err)
	}
	if dsn := got.SQL.DSN.Value(); dsn != env("SHAKE_SQL_DSN") {
		t.Errorf("got DSN %q, want the environment's", dsn)
	}
	if keys := got.Sessions.Bytes(); len(keys) != 1 || string(keys["s1"]) != env("SHAKE_SESSION_KEY") {
		t.Errorf("got session keys %q, want the environment's", keys)
	}
	if keys := got.Runs.Bytes(); len(keys) != 1 || string(keys["r1"]) != env("SHAKE_RUN_KEY") {
		t.Errorf("got run keys %q, want the environment's", keys)
	}
	want := config.Default()
	want.SQL.DSN, want.Sessions, want.Runs, want.Providers = got.SQL.DSN, got.Sessions, got.Runs, got.Providers
	if len(got.Providers) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestParse_theLeast(t *testing.T) {
	got, err := config.Parse([]byte(minimal), env)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.SQL.DSN, want.Sessions, want.Runs = got.SQL.DSN, got.Sessions, got.Runs
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// Each key stands in the commented file, with a word on it and its default; and none stands there that is not a key.
func TestShakeYAML_hasEveryKey(t *testing.T) {
	text, err := os.ReadFile(shakeYAML)
	if err != nil {
		t.Fatal(err)
	}
	got, want := commented(string(text)), keys(reflect.TypeFor[config.Config](), "")
	for path, leaf := range want {
		key, ok := got[path]
		switch {
		case !ok:
			t.Errorf("%s is missing", path)
		case len(key.comment) < 10:
			t.Errorf("%s: got comment %q, want a word on it", path, key.comment)
		case leaf && !key.tellsDefault():
			t.Errorf("%s: got comment %q, want it to end in the default %q, or in No default", path, key.comment, key.value)
		}
	}
	for path := range got {
		if _, ok := want[path]; !ok {
			t.Errorf("%s is no key", path)
		}
	}
}

// keys lists the paths of all keys; true for those that have no keys of their own.
func keys(t reflect.Type, prefix string) map[string]bool {
	list := map[string]bool{}
	for i := range t.NumField() {
		path := prefix + t.Field(i).Tag.Get("yaml")
		inner := t.Field(i).Type
		nested := inner.Kind() == reflect.Struct && inner != reflect.TypeFor[config.Secret]()
		list[path] = !nested
		if nested {
			for k, leaf := range keys(inner, path+".") {
				list[k] = leaf
			}
		}
	}
	return list
}

type commentedKey struct{ comment, value string }

func (k commentedKey) tellsDefault() bool {
	if strings.HasSuffix(k.comment, "No default.") {
		return k.value == "" || strings.HasPrefix(k.value, "env:") || regexp.MustCompile(`^[a-z]1$`).MatchString(k.value)
	}
	return strings.HasSuffix(k.comment, "Default "+k.value+".")
}

// commented reads the keys of a YAML file with the comments above them. Ids of secret keys are no keys; the items
// of a list are its value.
func commented(text string) map[string]commentedKey {
	list := map[string]commentedKey{}
	var path []string
	var comment []string
	last := ""
	line := regexp.MustCompile(`^( *)(\w+):(?: (.*))?$`)
	for row := range strings.Lines(text) {
		row = strings.TrimRight(row, "\n")
		trimmed := strings.TrimSpace(row)
		if words, ok := strings.CutPrefix(trimmed, "#"); ok {
			comment = append(comment, strings.TrimSpace(words))
			continue
		}
		if item, ok := strings.CutPrefix(trimmed, "- "); ok {
			k := list[last]
			k.value = item
			list[last] = k
		}
		if m := line.FindStringSubmatch(row); m != nil {
			path = append(path[:len(m[1])/2], m[2])
			if len(path) < 3 || path[1] != "keys" {
				last = strings.Join(path, ".")
				list[last] = commentedKey{comment: strings.Join(comment, " "), value: m[3]}
			}
		}
		comment = nil
	}
	return list
}

func TestParse_refuses(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, want string }{
		{"name_space: x", `[5:1] unknown field "name_space"`},
		{"redis: {address: [127.0.0.1:6379]}", `[5:9] unknown field "address"`},
		{"log:\n  level: info\n  colour: red", `[7:3] unknown field "colour"`},
		{"namespace: a\nnamespace: b", "[6:1] mapping key \"namespace\" already defined"},
		{"redis: [", "[6:1]"},
		{"redis: 7", "[5:8]"},
		{"kafka: {partitions: many}", `[5:21] want a whole number`},
		{"kafka: {partitions: 12.5}", `want a whole number`},
		{"kafka: {partitions: 012}", `"012": want a decimal number`},
		{"kafka: {partitions: [12]}", "want a whole number"},
		{"kafka: {partitions: 99999999999}", `want a whole number`},
		{"kafka: {replication: 65537}", `want a whole number`},
		{"batch: {max_batch: -1}", "batch.max_batch: want more than 0"},
		{"drain: 10", "[5:8] want a length like 250ms or 10s"},
		{"drain: 10 s", "[5:8] want a length like 250ms or 10s"},
		{"drain: -10s", "drain: want more than 0"},
		{"drain: [10s]", "[5:8]"},
		{"lame_duck: -1s", "lame_duck: want 0 or more"},
		{"session_ttl: 1ms", "session_ttl: want at least 1s"},
		{"session_lifetime: 11h", "session_lifetime: want at least session_ttl"},
		{"namespace: a:b", "namespace"},
		{"namespace: '{a}'", "namespace"},
		{"namespace: ''", "namespace"},
		{"listen: {access: nonsense}", `listen.access "nonsense": want host:port`},
		{"listen: {ops: '127.0.0.1:99999'}", "want a port"},
		{"listen: {tls_cert: a.pem}", "listen.tls_cert, listen.tls_key: want both or none"},
		{"listen: {tls_key: a.pem}", "listen.tls_cert, listen.tls_key: want both or none"},
		{"listen: {hsts: -1s}", "listen.hsts: want 0 or more"},
		{"listen: {tls_cert: a.pem, tls_key: b.pem, h2c: true}", "listen.h2c: want it without TLS alone"},
		{"redis: {addrs: []}", "redis.addrs: want at least one"},
		{"redis: {addrs: ['a:1', 'b:2']}", "redis.addrs: want exactly one without cluster"},
		{"redis: {addrs: ['a']}", `redis.addrs "a": want host:port`},
		{"kafka: {brokers: []}", "kafka.brokers: want at least one"},
		{"kafka: {brokers: ['']}", `kafka.brokers "": want host:port`},
		{"kafka: {replication: 0}", "kafka: want partitions and replication"},
		{"durability: {mode: hopeful}", `durability.mode "hopeful"`},
		{"durability: {replicas: 0}", "durability.replicas: want at least 1"},
		{"durability: {mode: async, replicas: -1}", "durability.replicas: want 0 or more"},
		{"providers: [dev, oidc]", `providers.oidc.kind "oidc" is not known`},
		{"limits: {user_rate: -1}", "limits.user_rate"},
		{"limits: {user_rate: .nan}", "limits.user_rate"},
		{"limits: {user_rate: .inf}", "limits.user_rate"},
		{"limits: {user_rate: 1e-30}", "limits.user_rate"},
		{"limits: {user_burst: -1}", "limits.user_burst"},
		{"limits: {max_in_flight: 0}", "limits.max_in_flight: want more than 0"},
		{"limits: {max_wait: -1s}", "limits.max_wait: want 0 or more"},
		{"redis: {tls: {ca: x}}", "redis.tls.on: want true where there are certificates"},
		{"redis: {tls: {on: true, cert: x}}", "redis.tls.cert, redis.tls.key: want both or none"},
		{"redis: {tls: true}", "[5:14] no place for a value of kind bool"},
		{"kafka: {sasl: {username: ann}}", "kafka.sasl.mechanism: want plain"},
		{"kafka: {sasl: {mechanism: gssapi}}", `kafka.sasl.mechanism "gssapi": want plain`},
		{"kafka: {sasl: {mechanism: plain}}", "kafka.sasl: want a username and a password"},
		{"limits: {markets: {SG: 0}}", "limits.markets.SG: want 0.001 to 1e+06 a second"},
		{"limits: {trusted_proxies: [10.0.0.0/33]}", "limits.trusted_proxies"},
		{"limits: {trusted_proxies: [10.0.0.1/8]}", "limits.trusted_proxies"},
		{"limits: {trusted_proxies: [0.0.0.0/0]}", "not everybody"},
		{"limits: {trusted_proxies: ['::/0']}", "not everybody"},
		{"limits: {trusted_proxies: [proxy.example]}", "limits.trusted_proxies"},
		{"limits: {trusted_proxies: ['fe80::1%eth0']}", "limits.trusted_proxies"},
		{"limits: {trusted_proxies: ['']}", "limits.trusted_proxies"},
		{"cors: {origins: [play.example]}", "cors.origins"},
		{"cors: {origins: ['https://play.example/']}", "cors.origins"},
		{"cors: {origins: ['https://Play.example']}", "cors.origins"},
		{"cors: {origins: ['https://*.play.example']}", "cors.origins"},
		{"cors: {origins: ['https://me@play.example']}", "cors.origins"},
		{"cors: {origins: ['null']}", "cors.origins"},
		{"cors: {origins: ['']}", "cors.origins"},
		{"cors: {origins: ['*', 'https://play.example']}", "want * alone"},
		{"cors: {max_age: 25h}", "cors.max_age"},
		{"push_service: {url: 'http://push.example/notices', token: env:PASSWORD}", "push_service.url: want https:"},
		{"push_service: {url: push.example, token: env:PASSWORD}", "push_service.url: want https:"},
		{"push_service: {url: 'https://me:hunter2@push.example/', token: env:PASSWORD}", "push_service.url: want https:"},
		{"push_service: {url: 'https://push.example/notices'}", "push_service.token, signing_key: want at least one"},
		{"push_service: {url: 'https://push.example/notices', signing_key: env:PASSWORD}", "push_service.signing_key: want at least 16 bytes"},
		{"push_service: {token: hunter2}", "push_service.token: want env:NAME or file:PATH"},
		{"push_service: {retries: 3}", `unknown field "retries"`},
		{"push_service: {after: -1s}", "push_service.after"},
		{"push_service: {after: 2h}", "push_service.after"},
		{"push_service: {timeout: 0s}", "push_service.timeout"},
		{"push_service: {timeout: 2m}", "push_service.timeout"},
		{"push_service: {concurrency: 0}", "push_service.concurrency"},
		{"push_service: {concurrency: 2000}", "push_service.concurrency"},
		{"push_service: {after: 1h, give_up: 30m}", "push_service.give_up"},
		{"page: {frame_ancestor: [self]}", "frame_ancestor"},
		{"page: {frame_ancestors: ['*']}", "page.frame_ancestors"},
		{"page: {frame_ancestors: [app.example]}", "page.frame_ancestors"},
		{"page: {frame_ancestors: ['https://app.example/']}", "page.frame_ancestors"},
		{"page: {frame_ancestors: ['https://App.example']}", "page.frame_ancestors"},
		{"page: {frame_ancestors: [\"https://app.example; script-src *\"]}", "page.frame_ancestors"},
		{"page: {frame_ancestors: [\"'self'\"]}", "page.frame_ancestors"},
		{"page: {frame_ancestors: [\"https://app.example\\nX: y\"]}", "page.frame_ancestors"},
		{"log: {level: loud}", `log.level "loud"`},
		{"log: {format: xml}", `log.format "xml"`},
		{"redis: {password: env:NOT_SET}", "redis.password: env:NOT_SET is empty"},
		{"redis: {password: 'env:'}", "redis.password: env: is empty"},
		{"redis: {password: 'file:" + filepath.Join(dir, "nope") + "'}", "redis.password: open"},
		{"redis: {password: 'file:" + empty + "'}", "is empty"},
		{"redis: {password: hunter2}", "redis.password: want env:NAME or file:PATH"},
		{"redis: {password: ':hunter2'}", "redis.password: want env:NAME or file:PATH"},
		{"redis: {password: 'ENV:PASSWORD'}", "redis.password: want env:NAME or file:PATH"},
		{"redis: {password: [hunter2]}", "[5:19]"},
		{"---\nnamespace: second", "want one document, not two"},
	} {
		_, err := config.Parse([]byte(strings.TrimSpace(minimal)+"\n\n"+c.text+"\n"), env)
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, config.ErrInvalid) {
			t.Errorf("%s: got %v, want %s", c.text, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, which has the secret in it", c.text, err)
		}
	}
}

func TestParse_refusesKeys(t *testing.T) {
	for want, text := range map[string]string{
		`sessions.current "": want the id of one of sessions.keys`:   `{sql: {dsn: env:SHAKE_SQL_DSN}, runs: {current: r1, keys: {r1: env:SHAKE_RUN_KEY}}}`,
		`sessions.current "s2": want the id of one of sessions.keys`: strings.Replace(minimal, "current: s1", "current: s2", 1),
		`runs.current "": want the id of one of runs.keys`:           `{sql: {dsn: env:SHAKE_SQL_DSN}}`,
		"sessions.keys.s1: want at least 16 bytes":                   strings.Replace(minimal, "SHAKE_SESSION_KEY", "PASSWORD", 1),
		"sql.dsn: want one": strings.Replace(minimal, "sql: {dsn: env:SHAKE_SQL_DSN}", "", 1),
		"runs.keys.r1: want env:NAME or file:PATH, no secret in the":   strings.Replace(minimal, "env:SHAKE_RUN_KEY", "run-key-hunter2-longer", 1),
		"sql.dsn: want env:NAME or file:PATH, no secret in the file i": strings.Replace(minimal, "env:SHAKE_SQL_DSN", "'shake:hunter2@tcp(db:3306)/shake'", 1),
	} {
		_, err := config.Parse([]byte(text), env)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// An error quotes nothing of the lines around it: somebody may have put a secret there.
func TestParse_errorsQuoteNothing(t *testing.T) {
	_, err := config.Parse([]byte("redis:\n  password: hunter2\n  colour: red\n"), env)
	if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one line with the position alone", err)
	}
}

func TestParse_nothing(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "{}", "---\n"} {
		if _, err := config.Parse([]byte(text), env); err == nil || !strings.Contains(err.Error(), "sql.dsn: want one") {
			t.Errorf("%q: got %v, want to be told what is missing", text, err)
		}
	}
}

func TestLoad_fileThatIsNotThere(t *testing.T) {
	if _, err := config.Load(filepath.Join(t.TempDir(), "nope.yaml"), env); !errors.Is(err, config.ErrInvalid) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want ErrInvalid and ErrNotExist", err)
	}
}

func TestSecret_fromAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("two words\r\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse([]byte(minimal+"redis: {password: 'file:"+file+"'}"), env)
	if err != nil || c.Redis.Password.Value() != "two words" {
		t.Errorf("got %q, %v, want the file without its line ends", c.Redis.Password.Value(), err)
	}
}

// Whoever prints a configuration, however, prints no secret.
func TestSecret_isNeverPrinted(t *testing.T) {
	c, err := config.Parse([]byte(minimal+"redis: {password: env:PASSWORD}"), env)
	if err != nil {
		t.Fatal(err)
	}
	known := config.SecretOf("hunter2")
	var prints []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%p", "%o", "%c", "%U", "%e"} {
		for _, v := range []any{c, &c, c.Redis, c.SQL.DSN, &c.SQL.DSN, c.Runs.Keys, known, []config.Secret{known}, struct{ S any }{known}} {
			prints = append(prints, fmt.Sprintf(verb, v))
		}
	}
	asJSON, err := json.Marshal([]any{c, known, map[string]config.Secret{"k": known}})
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal([]any{c, known})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	for _, h := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(h).Info("config", "config", c, "secret", known, "keys", c.Runs)
	}
	prints = append(prints, string(asJSON), string(asYAML), log.String(), fmt.Sprint(c), fmt.Errorf("%w: %v", os.ErrInvalid, known).Error())
	hex := fmt.Sprintf("%x", "hunter2")
	for _, p := range prints {
		if strings.Contains(p, "hunter2") || strings.Contains(strings.ToLower(p), hex) || strings.Contains(p, "104 117 110") {
			t.Errorf("got %s, which has a secret in it", p)
		}
	}
	if text := string(asYAML); !strings.Contains(text, "env:PASSWORD") || !strings.Contains(text, "env:SHAKE_RUN_KEY") {
		t.Errorf("got %s, want the references, so that it can be read again", text)
	}
}

// What is written can be read again.
func TestConfig_roundTrip(t *testing.T) {
	want, err := config.Load(shakeYAML, env)
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := config.Parse(text, env); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v of\n%s", got, err, text)
	}
}

func TestDoor(t *testing.T) {
	c, err := config.Parse([]byte(minimal+`
limits: {trusted_proxies: [10.0.0.0/8, 192.0.2.7, 'fd00::/8', '::1']}
cors: {origins: ['https://play.example', 'http://localhost:5173', 'https://[::1]:8443'], max_age: 0s}
page: {frame_ancestors: [self, 'https://app.example', 'https://*.app.example:8443', 'capacitor://localhost']}
`), env)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Limits.TrustedProxies.Prefixes()
	if want := "[10.0.0.0/8 192.0.2.7/32 fd00::/8 ::1/128]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("got %v, %v, want %s", got, err, want)
	}
	if _, err := config.Parse([]byte(minimal+"cors: {origins: ['*']}"), env); err != nil {
		t.Errorf("got %v, want * taken", err)
	}
}

func TestDurability_needed(t *testing.T) {
	for want, d := range []config.Durability{{Mode: "async", Replicas: 3}, {Mode: "replicated", Replicas: 1}, {Mode: "replicated", Replicas: 2}} {
		if got := d.Needed(); got != want {
			t.Errorf("%+v: got %d replicas, want %d", d, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile(shakeYAML)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(text), minimal, "", "a: &a [*a]", "redis: {password: file:/dev/null}", "- 1", "? :", "drain: .inf", "\xff", "listen: !!binary x"} {
		f.Add([]byte(seed))
	}
	getenv := func(name string) string { return "hunter2-" + strings.Repeat("x", 16) }
	f.Fuzz(func(t *testing.T, text []byte) {
		if slices.ContainsFunc(strings.Fields(string(text)), func(w string) bool { return strings.Contains(w, "file:") }) {
			return // no walks through the file system
		}
		c, err := config.Parse(text, getenv)
		if err == nil {
			err = c.Validate()
		}
		if printed := fmt.Sprintf("%v %+v", err, c); strings.Contains(printed, "hunter2-x") && !strings.Contains(string(text), "hunter2") {
			t.Errorf("got %s, which has a secret in it", printed)
		}
	})
}
