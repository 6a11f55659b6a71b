package integration

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/test/rig"
)

// TestSecure plays a round with every server behind TLS that asks for our certificate, a login, and rights for what
// docs/security.md lists and nothing else.
func TestSecure(t *testing.T) {
	t.Parallel() // it waits more than it works
	const user, password = "shake", "correct-horse-battery-staple"
	pki := newPKI(t)
	namespace := testenv.Namespace(t)

	tlsPort := port(t)
	redisServer := testenv.StartRedis(t, testenv.RedisOptions{Extra: append([]string{
		fmt.Sprint("tls-port ", tlsPort), "tls-cert-file " + pki.server.cert, "tls-key-file " + pki.server.key,
		"tls-ca-cert-file " + pki.ca, "tls-auth-clients yes",
	}, redisACL(user, password, namespace)...)})
	db := testenv.StartMySQL(t, "ssl-cert="+pki.server.cert, "ssl-key="+pki.server.key, "ssl-ca="+pki.ca)
	dsn := grant(t, db, user, password)
	kafka, secureKafka := testenv.StartSecureKafka(t, testenv.KafkaSecurity{
		CA: pki.ca, Cert: pki.server.certPEM, Key: pki.server.keyPEM, User: user, Password: password,
	})
	allow(t, kafka.Addr(), user, namespace)

	tls := fmt.Sprintf("tls: {on: true, ca: %s, cert: %s, key: %s}", pki.ca, pki.client.cert, pki.client.key)
	s := rig.Servers{Namespace: namespace, DSN: dsn, More: "durability: {mode: async}"}
	sys := rig.New(t, s)
	rewrite(t, sys.Config, "redis: {addrs: [\"\"], cluster: false}",
		fmt.Sprintf("redis: {addrs: [\"127.0.0.1:%d\"], username: %s, password: \"env:SHAKE_PASSWORD\", %s}", tlsPort, user, tls))
	rewrite(t, sys.Config, "kafka: {brokers: [\"\"], partitions: 6, replication: 1}", fmt.Sprintf(
		"kafka: {brokers: [\"%s\"], partitions: 6, replication: 1, sasl: {mechanism: scram-sha-512, username: %s, password: \"env:SHAKE_PASSWORD\"}, %s}",
		secureKafka, user, tls))
	rewrite(t, sys.Config, "sql: {driver: mysql, dsn: \"env:SHAKE_DSN\"}", "sql: {driver: mysql, dsn: \"env:SHAKE_DSN\", "+tls+"}")
	sys.Env = append(sys.Env, "SHAKE_PASSWORD="+password)

	sys.Apply(rig.Campaign("safe", 10*time.Minute, 3, 1000, 2))
	p := sys.Serve("api,worker")
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	c, err := rig.Login(ctx, &http.Client{Timeout: 10 * time.Second}, p.URL, "ann")
	if err != nil {
		t.Fatal(err)
	}
	coins := int64(0)
	for n := 1; n <= 3; n++ {
		path := fmt.Sprintf("/v1/campaigns/safe/rounds/%d", n)
		var open rig.Started
		if status, err := c.Insist(ctx, "PUT", path, nil, &open); err != nil || status != 200 {
			t.Fatalf("start %d: %d %v %+v\n%s", n, status, err, open, p.Logged())
		}
		var got rig.Result
		if status, err := c.Insist(ctx, "POST", path+"/end", map[string]any{"token": open.Token, "shakes": 50}, &got); err != nil || status != 200 {
			t.Fatalf("end %d: %d %v %+v", n, status, err, got)
		}
		coins += got.Coins
	}
	rig.Eventually(t, 30*time.Second, func() error {
		var wallet struct{ Balance int64 }
		if _, err := c.Call(ctx, "GET", "/v1/wallet", nil, &wallet); err != nil || wallet.Balance != coins {
			return fmt.Errorf("wallet has %d, %v, want %d\n%s", wallet.Balance, err, coins, p.Logged())
		}
		var inbox struct{ Notices []struct{ ID string } }
		if _, err := c.Call(ctx, "GET", "/v1/inbox", nil, &inbox); err != nil || coins > 0 && len(inbox.Notices) == 0 {
			return fmt.Errorf("inbox has %d, %v", len(inbox.Notices), err)
		}
		return nil
	})
	rig.Eventually(t, 10*time.Second, func() error { // the name was let into Redis and out again
		var board struct{ Me *struct{ User, Name string } }
		if _, err := c.Call(ctx, "GET", "/v1/campaigns/safe/leaderboard", nil, &board); err != nil || board.Me == nil || board.Me.Name != "ann" {
			return fmt.Errorf("the board has %+v, %v, want ann by her name", board.Me, err)
		}
		return nil
	})
	if denied := aclLog(t, redisServer.Addr()); denied != "" {
		t.Errorf("Redis denied what we asked for: %s", denied)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	log, err := p.WholeLog()
	if err != nil || strings.Contains(log, password) || strings.Contains(log, "a key for these tests only") {
		t.Errorf("a secret stands in the log, or it can't be read: %v", err)
	}
	for _, broken := range []struct{ what, old, new string }{
		{"no certificate of ours", ", cert: " + pki.client.cert + ", key: " + pki.client.key, ""},
		{"another authority", "ca: " + pki.ca, "ca: " + newPKI(t).ca},
		{"another password", "env:SHAKE_PASSWORD", "env:SHAKE_KEY"},
	} {
		text, err := os.ReadFile(sys.Config)
		if err != nil {
			t.Fatal(err)
		}
		rewrite(t, sys.Config, broken.old, broken.new)
		if out, err := sys.Shake("campaign", "apply", sys.Config); err == nil {
			t.Errorf("with %s it was let in: %s", broken.what, out)
		}
		if err := os.WriteFile(sys.Config, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// rewrite puts other text into the configuration, at every place.
func rewrite(t *testing.T, path, old, replacement string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), old) {
		t.Fatalf("%q is not in the configuration (%v):\n%s", old, err, text)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), old, replacement)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// redisACL, the grants of SQL and those of Kafka stand in docs/security.md as they stand here.
func redisACL(user, password, namespace string) []string {
	return []string{fmt.Sprintf("user %s on >%s resetchannels ~%s:* &%s:* -@all +@read +@write +@scripting +@pubsub +@connection -@dangerous -script|flush -script|kill +info +wait +time",
		user, password, namespace, namespace)}
}

func aclLog(t *testing.T, addr string) string {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer client.Close()
	entries, err := client.ACLLog(t.Context(), 10).Result()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		if e.Reason != "auth" {
			list = append(list, fmt.Sprint(e.Reason, " ", e.Object, " of ", e.Username))
		}
	}
	return strings.Join(list, "; ")
}

// grant makes a database and a user for it who must bring a certificate, and gives the DSN.
func grant(t *testing.T, server *testenv.Server, user, password string) string {
	t.Helper()
	admin := server.DSN()
	db, err := sql.Open("mysql", admin)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var name string
	if err := db.QueryRow("SELECT DATABASE()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		fmt.Sprintf("CREATE USER '%s'@'127.0.0.1' IDENTIFIED BY '%s' REQUIRE X509", user, password),
		fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES ON `%s`.* TO '%s'@'127.0.0.1'", name, user),
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("%s:%s@tcp(%s)/%s", user, password, server.Addr(), name)
}

// allow gives the user what Shake does in Kafka.
func allow(t *testing.T, broker, user, namespace string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	for _, b := range []*kadm.ACLBuilder{
		kadm.NewACLs().Topics(namespace).ResourcePatternType(kadm.ACLPatternPrefixed).
			Operations(kadm.OpCreate, kadm.OpDescribe, kadm.OpRead, kadm.OpWrite, kadm.OpDescribeConfigs).Allow("User:" + user),
		kadm.NewACLs().Groups(namespace).ResourcePatternType(kadm.ACLPatternPrefixed).
			Operations(kadm.OpRead, kadm.OpDescribe).Allow("User:" + user),
	} {
		results, err := admin.CreateACLs(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
	}
}

func port(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// pki is an authority, and a certificate of each side.
type pki struct {
	ca             string
	server, client pair
}

type pair struct{ cert, key, certPEM, keyPEM string }

func newPKI(t *testing.T) pki {
	t.Helper()
	dir := t.TempDir()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tests"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issue := func(name string, template *x509.Certificate) pair {
		key := caKey
		if template != ca {
			if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
				t.Fatal(err)
			}
		}
		der, err := x509.CreateCertificate(rand.Reader, template, ca, &key.PublicKey, caKey)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		p := pair{cert: filepath.Join(dir, name+".pem"), key: filepath.Join(dir, name+".key")}
		p.certPEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
		p.keyPEM = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
		for path, text := range map[string]string{p.cert: p.certPEM, p.key: p.keyPEM} {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return p
	}
	leaf := func(n int64, name string, use x509.ExtKeyUsage) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(n), Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{use},
			NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		}
	}
	return pki{
		ca:     issue("ca", ca).cert,
		server: issue("server", leaf(2, "server", x509.ExtKeyUsageServerAuth)),
		client: issue("client", leaf(3, "shake", x509.ExtKeyUsageClientAuth)),
	}
}
