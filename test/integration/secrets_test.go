package integration

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/test/rig"
)

// TestSecrets_areInNoOutput plays a night in small with everything that a configuration can hold back and log level debug:
// logins, rounds, claims, what is refused, platforms that fail, commands that work and that do not. Then it looks for each
// secret in all that process and commands have written, and in what the ops port tells.
func TestSecrets_areInNoOutput(t *testing.T) {
	t.Parallel() // it waits more than it works
	n := newSecretNight(t)
	n.command(true, "campaign", "apply", n.campaign())
	p := n.sys.Serve("api,worker")
	n.logins(p)
	n.rounds(p)
	n.strangers(p)
	n.commands(p)
	n.opsPort(p)
	if err := p.Stop(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	log, err := p.WholeLog()
	if err != nil {
		t.Fatal(err)
	}
	for _, seen := range []string{
		`"route":"/v1/sessions"`, `"route":"/v1/claims"`, `"route":"/v1/campaigns/:id/rounds/:number/end"`, "credential refused",
		"a platform's login does not answer as it should", "session keys were read again", "the push service refuses notices",
	} {
		if !strings.Contains(log, seen) {
			t.Errorf("the log has no %s: the test sees nothing\n%s", seen, p.Logged())
		}
	}
	n.outputs["the log"] = log
	n.look()
}

// secretNight is a system whose secrets are known, and all that it has written.
type secretNight struct {
	t       *testing.T
	sys     *rig.System
	id      string
	secrets map[string]string // by what they are
	outputs map[string]string // by where they stand
	jwt     string
	pushes  atomic.Int64
	asked   atomic.Int64
}

func newSecretNight(t *testing.T) *secretNight {
	t.Helper()
	namespace := testenv.Namespace(t)
	n := &secretNight{t: t, id: strings.ToLower(strings.ReplaceAll(namespace, "_", "-")), outputs: map[string]string{}, secrets: map[string]string{
		"the session key": "session-key-of-ours-7f3a", "the run key": "run-key-of-ours-91bc", "the password of Redis": "redis-password-c04d",
		"the password of SQL": "sql-password-55e1", "the client secret": "client-secret-8d2e", "the push token": "push-token-3b96",
		"the signing key": "signing-key-of-ours-a7c4", "a credential": "credential-of-ann-60fd", "a refused credential": "credential-of-nobody-2e18",
		"a name": "Nadia Nobody-Knows",
	}}
	server := testenv.StartRedis(t, testenv.RedisOptions{Extra: []string{"user shake on >" + n.secrets["the password of Redis"] + " ~* &* +@all"}})
	platform, push := httptest.NewServer(http.HandlerFunc(n.introspect)), httptest.NewServer(http.HandlerFunc(n.take))
	t.Cleanup(platform.Close)
	t.Cleanup(push.Close)
	n.sys = rig.New(t, rig.Servers{
		Redis: []string{server.Addr()}, Kafka: testenv.Kafka(t), DSN: n.sqlUser(), Namespace: namespace,
		More: "durability: {mode: async}\npush_service: {url: '" + push.URL + "/notices', token: 'env:PUSH_TOKEN', signing_key: 'env:PUSH_KEY', after: 0s, timeout: 1s}",
	})
	for old, replacement := range map[string]string{
		"sessions: {current: k1, keys: {k1: \"env:SHAKE_KEY\"}}": `sessions: {current: k1, keys: {k1: "env:SESSION_KEY"}}`,
		"runs: {current: k1, keys: {k1: \"env:SHAKE_KEY\"}}":     `runs: {current: k1, keys: {k1: "env:RUN_KEY"}}`,
		"cluster: false}":                  `cluster: false, username: shake, password: "env:REDIS_PASSWORD"}`,
		"log: {level: info, format: text}": "log: {level: debug, format: json}",
		"providers: [dev]":                 n.providers(platform.URL),
	} {
		rewrite(t, n.sys.Config, old, replacement)
	}
	for name, what := range map[string]string{
		"SESSION_KEY": "the session key", "RUN_KEY": "the run key", "REDIS_PASSWORD": "the password of Redis", "CLIENT_SECRET": "the client secret",
		"PUSH_TOKEN": "the push token", "PUSH_KEY": "the signing key",
	} {
		n.sys.Env = append(n.sys.Env, name+"="+n.secrets[what])
	}
	return n
}

// sqlUser makes a user with a password, and gives the DSN.
func (n *secretNight) sqlUser() string {
	n.t.Helper()
	dsn := testenv.MySQL(n.t)
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		n.t.Fatal(err)
	}
	var name string
	if err := db.QueryRow("SELECT DATABASE()").Scan(&name); err != nil {
		n.t.Fatal(err)
	}
	user := "secrets_" + rand.Text()[:8]
	n.t.Cleanup(func() {
		_, _ = db.Exec("DROP USER IF EXISTS '" + user + "'@'%'") // the server goes with the run anyway
		_ = db.Close()
	})
	for _, statement := range []string{
		fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", user, n.secrets["the password of SQL"]),
		fmt.Sprintf("GRANT ALL ON `%s`.* TO '%s'@'%%'", name, user),
	} {
		if _, err := db.Exec(statement); err != nil {
			n.t.Fatal(err)
		}
	}
	return user + ":" + n.secrets["the password of SQL"] + dsn[strings.LastIndex(dsn, "@"):]
}

// providers are one that is asked and one that signs.
func (n *secretNight) providers(platform string) string {
	n.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		n.t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		n.t.Fatal(err)
	}
	file := filepath.Join(n.t.TempDir(), "jwks.json")
	if err := os.WriteFile(file, set, 0o600); err != nil {
		n.t.Fatal(err)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": "https://idp.example", "aud": "shake", "sub": "bob", "exp": time.Now().Add(time.Minute).Unix(), "name": n.secrets["a name"],
	})
	token.Header["kid"] = "k"
	if n.jwt, err = token.SignedString(key); err != nil {
		n.t.Fatal(err)
	}
	n.secrets["a signed token"] = n.jwt
	return fmt.Sprintf(`providers: {idp: {kind: jwt, issuer: "https://idp.example", audience: [shake], jwks: "file:%s", algorithms: [ES256], name_claim: name}, `+
		`acme: {kind: introspect, url: "%s/introspect", client_id: shake, client_secret: "env:CLIENT_SECRET", name_claim: name}}`, file, platform)
}

// introspect is the company's login; it fails once.
func (n *secretNight) introspect(w http.ResponseWriter, r *http.Request) {
	_, secret, _ := r.BasicAuth()
	switch {
	case n.asked.Add(1) == 1:
		http.Error(w, "try "+secret+" again", http.StatusInternalServerError)
	case secret != n.secrets["the client secret"]:
		w.WriteHeader(http.StatusUnauthorized)
	default:
		ours := r.FormValue("token") == n.secrets["a credential"]
		_ = json.NewEncoder(w).Encode(map[string]any{"active": ours, "sub": "ann", "name": n.secrets["a name"]})
	}
}

// take is the company's push service; it refuses the first notice, and says why by what it was told.
func (n *secretNight) take(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if n.pushes.Add(1) == 1 {
		http.Error(w, r.Header.Get("Authorization")+" is wrong", http.StatusUnprocessableEntity)
	}
}

func (n *secretNight) campaign() string {
	n.t.Helper()
	file := filepath.Join(n.t.TempDir(), "campaign.yaml")
	if err := os.WriteFile(file, []byte(rig.Campaign(n.id, 10*time.Minute, 5, 1000, 1)), 0o600); err != nil {
		n.t.Fatal(err)
	}
	return file
}

// keep takes note of a secret that came up on the way.
func (n *secretNight) keep(what, secret string) {
	n.t.Helper()
	if len(secret) < 16 {
		n.t.Errorf("%s is %q: too short to look for", what, secret)
	}
	n.secrets[what] = secret
}

// want makes a call that is to be answered so.
func (n *secretNight) want(c *rig.Client, status int, method, path string, body, answer any) {
	n.t.Helper()
	got, err := c.Insist(n.t.Context(), method, path, body, answer)
	if err != nil || got != status {
		n.t.Fatalf("%s %.40s: got %d, %v, want %d", method, path, got, err, status)
	}
}

func login(provider, credential string) map[string]any {
	return map[string]any{"provider": provider, "credential": credential, "market": "SG", "device": "phone-1"}
}

func (n *secretNight) logins(p *rig.Process) {
	c := &rig.Client{HTTP: http.DefaultClient, URL: p.URL}
	var bob struct{ Token string }
	n.want(c, 200, "POST", "/v1/sessions", login("idp", n.jwt), &bob)
	n.keep("a session by a signed token", bob.Token)
	n.want(c, 401, "POST", "/v1/sessions", login("idp", n.jwt[:len(n.jwt)-4]+"AAAA"), nil)
	n.want(c, 401, "POST", "/v1/sessions", login("acme", n.secrets["a refused credential"]), nil)
	n.want(c, 401, "POST", "/v1/sessions", login(n.secrets["a refused credential"], n.secrets["a refused credential"]), nil)
	n.want(c, 400, "POST", "/v1/sessions", map[string]any{n.secrets["a credential"]: n.secrets["a credential"]}, nil)
}

func (n *secretNight) rounds(p *rig.Process) {
	c := &rig.Client{HTTP: http.DefaultClient, URL: p.URL}
	var session struct{ Token string }
	n.want(c, 200, "POST", "/v1/sessions", login("acme", n.secrets["a credential"]), &session)
	n.keep("a session", session.Token)
	c.Token = session.Token
	n.want(c, 200, "POST", "/v1/sessions/renew", nil, &session)
	n.keep("a renewed session", session.Token)
	won := false
	for number := 1; number <= 5; number++ {
		var open rig.Started
		var result struct {
			Coins        int64
			Round, Claim string
		}
		path := fmt.Sprintf("/v1/campaigns/%s/rounds/%d", n.id, number)
		n.want(c, 200, "PUT", path, nil, &open)
		n.keep(fmt.Sprint("the token of round ", number), open.Token)
		n.want(c, 400, "POST", path+"/end", map[string]any{"token": open.Token + "x", "shakes": 0}, nil)
		n.want(c, 400, "POST", path+"/end", map[string]any{"token": open.Token, "shakes": 0, n.secrets["a session"]: 1}, nil)
		n.want(c, 200, "POST", path+"/end", map[string]any{"token": open.Token, "shakes": 0}, &result)
		n.want(c, 409, "POST", path+"/end", map[string]any{"token": open.Token, "shakes": 1}, nil)
		n.keep(fmt.Sprint("the claim of round ", number), result.Claim)
		if won = won || result.Coins > 0; number == 1 {
			n.want(c, 200, "POST", "/v1/claims", map[string]any{"claim": result.Claim}, nil)
			n.want(c, 400, "POST", "/v1/claims", map[string]any{"claim": result.Claim[:len(result.Claim)-4] + "AAAA"}, nil)
			n.command(true, "verify", result.Round)
		}
	}
	if !won {
		n.t.Fatal("no round of five won: the push service hears nothing")
	}
	rig.Eventually(n.t, 10*time.Second, func() error {
		if n.pushes.Load() == 0 {
			return fmt.Errorf("the push service was not asked")
		}
		return nil
	})
}

// strangers are those who put secrets where none belong, as broken clients do.
func (n *secretNight) strangers(p *rig.Process) {
	session := n.secrets["a session"]
	for _, path := range []string{"/v1/wallet?token=" + session, "/v1/" + session, "/play/demo?session=" + session, "/v1/campaigns/" + session + "/me", "/v1/inbox/" + session + "/receipt"} {
		for _, token := range []string{session, session + "x", n.secrets["a credential"], ""} {
			c := &rig.Client{HTTP: http.DefaultClient, URL: p.URL, Token: token}
			if _, err := c.Call(n.t.Context(), "GET", path, nil, nil); err != nil {
				n.t.Errorf("%.12s: %v", path, err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(n.t.Context(), 500*time.Millisecond)
	defer cancel()
	c := &rig.Client{HTTP: http.DefaultClient, URL: p.URL, Token: session}
	_, _ = c.Call(ctx, "GET", "/v1/live?campaign="+n.id, nil, nil) // it ends with the context
}

// commands look at the system as operators do, also with a configuration that does not fit.
func (n *secretNight) commands(p *rig.Process) {
	n.command(true, "campaign", "show", n.id)
	n.command(true, "deadletters", "list")
	if err := p.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
		n.t.Error(err)
	}
	rig.Eventually(n.t, 5*time.Second, func() error {
		if log, err := p.WholeLog(); err != nil || !strings.Contains(log, "session keys were read again") {
			return fmt.Errorf("not read again, %v", err)
		}
		return nil
	})
	text, err := os.ReadFile(n.sys.Config)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, wrong := range []string{"REDIS_PASSWORD=" + n.secrets["the session key"], "SHAKE_DSN=" + n.secrets["the password of SQL"], "SHAKE_DSN=ann:" + n.secrets["the password of SQL"] + "@tcp(127.0.0.1:1)/shake", "SESSION_KEY=short"} {
		env := n.sys.Env
		n.sys.Env = append(env[:len(env):len(env)], wrong)
		n.command(false, "campaign", "apply", n.campaign())
		n.sys.Env = env
	}
	for _, broken := range []string{n.secrets["the client secret"], "["} {
		rewrite(n.t, n.sys.Config, `"env:CLIENT_SECRET"`, broken)
		n.command(false, "campaign", "list")
		if err := os.WriteFile(n.sys.Config, text, 0o600); err != nil {
			n.t.Fatal(err)
		}
	}
}

// command runs one and keeps all it says.
func (n *secretNight) command(fine bool, args ...string) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.sys.Bin, append(args, "--config", n.sys.Config)...)
	cmd.Env = n.sys.Env
	out, err := cmd.CombinedOutput()
	if (err == nil) != fine {
		n.t.Errorf("shake %.30v: got %v, want it fine: %v\n%s", args, err, fine, out)
	}
	n.outputs[fmt.Sprint("shake ", args[:1], " ", len(n.outputs))] = string(out)
}

func (n *secretNight) opsPort(p *rig.Process) {
	for _, path := range []string{"/metrics", "/readyz", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2"} {
		resp, err := http.Get(p.OpsURL + path)
		if err != nil {
			n.t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || len(text) == 0 {
			n.t.Errorf("%s: got %q, %v", path, text, err)
		}
		n.outputs[path] = string(text)
	}
}

// look searches for all secrets as they are and as a program may have written them.
func (n *secretNight) look() {
	for what, secret := range n.secrets {
		for spelling, text := range map[string]string{
			"": secret, "escaped": url.QueryEscape(secret), "in hex": hex.EncodeToString([]byte(secret)), "as bytes": fmt.Sprint([]byte(secret)),
			"in base64":    strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "="),
			"for a header": strings.TrimRight(base64.StdEncoding.EncodeToString([]byte("shake:"+secret)), "="),
			"in base64url": base64.RawURLEncoding.EncodeToString([]byte(secret)),
		} {
			for where, output := range n.outputs {
				if at := strings.Index(output, text); at >= 0 {
					line := output[bytes.LastIndexByte([]byte(output[:at]), '\n')+1 : at]
					n.t.Errorf("%s %s stands in %s, behind %.200q", what, spelling, where, line)
				}
			}
		}
	}
}
