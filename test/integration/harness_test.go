// Package integration plays whole nights through the real program on real servers: a Redis Cluster, Apache Kafka
// and MariaDB.
package integration

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shake-live/shake/internal/testenv"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testenv.RemoveShake()
	os.Exit(code)
}

// system is a set of servers and what processes on them are told.
type system struct {
	t      *testing.T
	bin    string
	config string
	log    string // folder of the api's round log
	env    []string
}

// servers are the addresses of a system.
type servers struct {
	redis     []string
	cluster   bool
	kafka     []string
	dsn       string
	namespace string
	lameDuck  time.Duration
	more      string // further lines of the configuration
}

const settings = `
namespace: %s
listen: {access: "127.0.0.1:0", ops: "127.0.0.1:0"}
redis: {addrs: [%s], cluster: %v}
kafka: {brokers: [%s], partitions: 6, replication: 1}
sql: {driver: mysql, dsn: "env:SHAKE_DSN"}
sessions: {current: k1, keys: {k1: "env:SHAKE_KEY"}}
runs: {current: k1, keys: {k1: "env:SHAKE_KEY"}}
providers: [dev]
log: {level: info, format: text}
lame_duck: %s
%s
`

func newSystem(t *testing.T, s servers) *system {
	t.Helper()
	bin, err := testenv.Shake()
	if err != nil {
		t.Fatal(err)
	}
	sys := &system{t: t, bin: bin, config: filepath.Join(t.TempDir(), "shake.yaml")}
	sys.env = append(os.Environ(), "SHAKE_DSN="+s.dsn, "SHAKE_KEY=a key for these tests only")
	sys.log = filepath.Join(t.TempDir(), "round-log")
	s.more += "\nround_log: {dir: " + sys.log + "}"
	text := fmt.Sprintf(settings, s.namespace, quoted(s.redis), s.cluster, quoted(s.kafka), s.lameDuck, s.more)
	if err := os.WriteFile(sys.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return sys
}

func quoted(list []string) string { return `"` + strings.Join(list, `", "`) + `"` }

// process is one running `shake serve`.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string // of the players' door
	opsURL string
	log    *os.File
}

// serve starts a process and waits until it serves.
func (s *system) serve(roles string) *process {
	s.t.Helper()
	log, err := os.CreateTemp(s.t.TempDir(), roles+"-*.log")
	if err != nil {
		s.t.Fatal(err)
	}
	p := &process{t: s.t, cmd: exec.Command(s.bin, "serve", "--config", s.config, "--roles", roles), log: log}
	p.cmd.Env = s.env
	p.cmd.Stderr = log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.t.Fatalf("%s did not get ready: %v\n%s", roles, err, p.logged())
	}
	for _, word := range strings.Fields(line) {
		if url, ok := strings.CutPrefix(word, "players="); ok {
			p.url = url
		}
		if url, ok := strings.CutPrefix(word, "ops="); ok {
			p.opsURL = url
		}
	}
	return p
}

// kill is SIGKILL.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait() // it was killed
	}
}

// stop is SIGTERM, and waits for the end.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.cmd.Wait()
}

func (p *process) logged() string {
	text, _ := os.ReadFile(p.log.Name())
	return string(text[max(0, len(text)-4000):])
}

// shake runs a command of the program to its end.
func (s *system) shake(args ...string) (stdout string, err error) {
	cmd := exec.Command(s.bin, append(args, "--config", s.config)...)
	cmd.Env = s.env
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("shake %v: %w: %s", args, err, errOut.String())
	}
	return out.String(), nil
}

// apply stores, funds and publishes a campaign.
func (s *system) apply(text string) {
	s.t.Helper()
	if err := s.tryApply(text); err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) tryApply(text string) error {
	file := filepath.Join(s.t.TempDir(), "campaign.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	_, err := s.shake("campaign", "apply", file)
	return err
}

// campaign is a file for a campaign that is live from now on, with rounds that may end at once.
func campaign(id string, live time.Duration, chances, pool int64, shards int) string {
	now := time.Now().UTC()
	return fmt.Sprintf(`
id: %s
market: SG
name: Integration
starts_at: %s
ends_at: %s
round: 1s
early: 0s
late: 20s
chances: %d
pool: %d
shards: %d
curve:
  - {from: 0, probability: 0.9, min: 1, max: 100}
`, id, now.Add(-time.Second).Format(time.RFC3339), now.Add(live).Format(time.RFC3339), chances, pool, shards)
}

// client is one player's side of the API.
type client struct {
	http  *http.Client
	url   string
	token string
}

// login makes a client of a player.
func login(ctx context.Context, h *http.Client, url, user string) (*client, error) {
	c := &client{http: h, url: url}
	var answer struct{ Token string }
	status, err := c.call(ctx, "POST", "/v1/sessions", map[string]any{"provider": "dev", "credential": user, "market": "SG"}, &answer)
	if err == nil && status != 200 {
		err = fmt.Errorf("login answered %d", status)
	}
	c.token = answer.Token
	return c, err
}

// call makes one call; answer is read whatever the status.
func (c *client) call(ctx context.Context, method, path string, body, answer any) (int, error) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		sent = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, sent)
	if err != nil {
		return 0, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || answer == nil {
		return resp.StatusCode, err
	}
	return resp.StatusCode, json.Unmarshal(text, answer)
}

// started and result are what the tests need of the API's answers.
type started struct {
	Number int64
	Token  string
	Code   string
	Next   int64 `json:"next_number"`
}

type result struct {
	Round string
	Coins int64
	Total int64
	Code  string
}

// insist makes a call again until it is answered with something else than busy, overloaded or pending, as the
// page does. It gives up with ctx.
func (c *client) insist(ctx context.Context, method, path string, body, answer any) (int, error) {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		status, err := c.call(ctx, method, path, body, answer)
		if err == nil && status != 503 && status != 202 && status != 429 {
			return status, nil
		}
		select {
		case <-ctx.Done():
			return status, fmt.Errorf("%s %s: gave up at status %d: %w", method, path, status, err)
		case <-time.After(pause):
		}
	}
}

// eventually waits until check gives no error.
func eventually(t *testing.T, within time.Duration, check func() error) {
	t.Helper()
	giveUp := time.Now().Add(within)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(giveUp) {
			t.Fatalf("after %s still: %v", within, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// lines are the lines of a text.
func lines(r io.Reader) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for s := bufio.NewScanner(r); s.Scan(); {
			if !yield(s.Text()) {
				return
			}
		}
	}
}
