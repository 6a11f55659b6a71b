package integration

import (
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/test/rig"
)

// TestReload replaces the session keys of a running process by SIGHUP: sessions of the old key hold until it is taken
// out, and a configuration that is no good changes nothing.
func TestReload(t *testing.T) {
	t.Parallel() // it waits more than it works
	sys := rig.New(t, rig.Servers{
		Redis: []string{testenv.Redis(t)}, Kafka: testenv.Kafka(t), DSN: testenv.MySQL(t), Namespace: testenv.Namespace(t),
		More: "durability: {mode: async}",
	})
	second := t.TempDir() + "/key"
	if err := os.WriteFile(second, []byte("another key for these tests\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(sys.Config)
	if err != nil {
		t.Fatal(err)
	}
	const first = `sessions: {current: k1, keys: {k1: "env:SHAKE_KEY"}}`
	p := sys.Serve("api")
	reload := func(keys, word string) {
		t.Helper()
		before := strings.Count(p.Logged(), word)
		if err := os.WriteFile(sys.Config, []byte(strings.Replace(string(text), first, keys, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := p.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(10 * time.Second); strings.Count(p.Logged(), word) == before; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("no %q in the log:\n%s", word, p.Logged())
			}
		}
	}
	enter := func(user string) *rig.Client {
		t.Helper()
		c, err := rig.Login(t.Context(), &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}, p.URL, user)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	wants := func(c *rig.Client, want int) {
		t.Helper()
		if got, err := c.Call(t.Context(), "GET", "/v1/wallet", nil, nil); err != nil || got != want {
			t.Errorf("got %d, %v, want %d", got, err, want)
		}
	}
	ann := enter("ann")
	reload(`sessions: {current: k2, keys: {k1: "env:SHAKE_KEY", k2: "file:`+second+`"}}`, "read again")
	bob := enter("bob")
	wants(ann, 200)
	wants(bob, 200)
	reload(`sessions: {current: k3, keys: {k2: "file:`+second+`"}}`, "was not read again")
	wants(ann, 200)
	wants(bob, 200)
	reload(`sessions: {current: k2, keys: {k2: "file:`+second+`"}}`, "session keys were read again")
	wants(ann, 401)
	wants(bob, 200)
	if strings.Contains(p.Logged(), "another key") {
		t.Error("a key is in the log")
	}
}
