// Package rig starts the real program on real servers for tests, and plays on it: what the integration tests and the fault
// suite have in common.
package rig

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

// System is a set of servers and what processes on them are told.
type System struct {
	t        *testing.T
	Bin      string
	Config   string
	RoundLog string // folder of the api's round log
	Env      []string
}

// Servers are the addresses of a system.
type Servers struct {
	Redis     []string
	Cluster   bool
	Kafka     []string
	DSN       string
	Namespace string
	LameDuck  time.Duration
	Copies    int    // of each Kafka partition; 0 is 1
	More      string // further lines of the configuration
}

const settings = `
namespace: %s
listen: {access: "127.0.0.1:0", ops: "127.0.0.1:0"}
redis: {addrs: [%s], cluster: %v}
kafka: {brokers: [%s], partitions: 6, replication: %d}
sql: {driver: mysql, dsn: "env:SHAKE_DSN"}
sessions: {current: k1, keys: {k1: "env:SHAKE_KEY"}}
runs: {current: k1, keys: {k1: "env:SHAKE_KEY"}}
providers: [dev]
log: {level: info, format: text}
lame_duck: %s
%s
`

// New writes the configuration for processes on the servers.
func New(t *testing.T, s Servers) *System {
	t.Helper()
	bin, err := testenv.Shake()
	if err != nil {
		t.Fatal(err)
	}
	sys := &System{t: t, Bin: bin, Config: filepath.Join(t.TempDir(), "shake.yaml")}
	sys.Env = append(os.Environ(), "SHAKE_DSN="+s.DSN, "SHAKE_KEY=a key for these tests only")
	sys.RoundLog = filepath.Join(t.TempDir(), "round-log")
	s.More += "\nround_log: {dir: " + sys.RoundLog + "}"
	text := fmt.Sprintf(settings, s.Namespace, quoted(s.Redis), s.Cluster, quoted(s.Kafka), max(1, s.Copies), s.LameDuck, s.More)
	if err := os.WriteFile(sys.Config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return sys
}

func quoted(list []string) string { return `"` + strings.Join(list, `", "`) + `"` }

// Process is one running `shake serve`.
type Process struct {
	Cmd    *exec.Cmd
	URL    string // of the players' door
	OpsURL string
	log    *os.File
}

// Serve starts a process and waits until it serves.
func (s *System) Serve(roles string) *Process {
	s.t.Helper()
	return Start(s.t, s.Env, s.Bin, "serve", "--config", s.Config, "--roles", roles)
}

// Start runs the program until the test ends and waits for the line that says it is ready.
func Start(t *testing.T, env []string, bin string, args ...string) *Process {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), "shake-*.log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	p := &Process{Cmd: exec.Command(bin, args...), log: log}
	p.Cmd.Env = env
	p.Cmd.Stderr = log
	p.Cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.Cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "ready ") {
		t.Fatalf("shake %v said %q, %v\n%s", args, line, err, p.Logged())
	}
	for _, word := range strings.Fields(line) {
		if url, ok := strings.CutPrefix(word, "players="); ok {
			p.URL = url
		}
		if url, ok := strings.CutPrefix(word, "ops="); ok {
			p.OpsURL = url
		}
	}
	return p
}

// Kill is SIGKILL.
func (p *Process) Kill() {
	if p.Cmd.ProcessState == nil {
		_ = p.Cmd.Process.Kill()
		_ = p.Cmd.Wait() // it was killed
	}
}

// Stop is SIGTERM, and waits for the end.
func (p *Process) Stop() error {
	if err := p.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.Cmd.Wait()
}

// Logged is the end of what the process has logged.
func (p *Process) Logged() string {
	text, _ := os.ReadFile(p.log.Name())
	return string(text[max(0, len(text)-4000):])
}

// WholeLog is all that the process has logged.
func (p *Process) WholeLog() (string, error) {
	text, err := os.ReadFile(p.log.Name())
	return string(text), err
}

// Metrics is what the process's ops port tells.
func (p *Process) Metrics() (string, error) {
	resp, err := http.Get(p.OpsURL + "/metrics")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// Metric is one sample of it, named with its labels as it stands there; 0 where there is none.
func (p *Process) Metric(sample string) (value float64) {
	text, err := p.Metrics()
	if err != nil {
		return 0
	}
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, sample+" "); ok {
			_, _ = fmt.Sscan(rest, &value) // it is written by a library
		}
	}
	return value
}

// Shake runs a command of the program to its end.
func (s *System) Shake(args ...string) (stdout string, err error) {
	cmd := exec.Command(s.Bin, append(args, "--config", s.Config)...)
	cmd.Env = s.Env
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("shake %v: %w: %s", args, err, errOut.String())
	}
	return out.String(), nil
}

// Apply stores, funds and publishes a campaign.
func (s *System) Apply(text string) {
	s.t.Helper()
	if err := s.TryApply(text); err != nil {
		s.t.Fatal(err)
	}
}

func (s *System) TryApply(text string) error {
	file := filepath.Join(s.t.TempDir(), "campaign.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	_, err := s.Shake("campaign", "apply", file)
	return err
}

// Campaign is a file for a campaign that is live from now on, with rounds that may end at once.
func Campaign(id string, live time.Duration, chances, pool int64, shards int) string {
	return CampaignAt(time.Now().Add(-time.Second), id, live, chances, pool, shards)
}

// CampaignAt is one that is live from then on.
func CampaignAt(at time.Time, id string, live time.Duration, chances, pool int64, shards int) string {
	at = at.UTC()
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
`, id, at.Format(time.RFC3339), at.Add(live).Format(time.RFC3339), chances, pool, shards)
}

// Client is one player's side of the API.
type Client struct {
	HTTP  *http.Client
	URL   string
	Token string
}

// Login makes a client of a player.
func Login(ctx context.Context, h *http.Client, url, user string) (*Client, error) {
	c := &Client{HTTP: h, URL: url}
	var answer struct{ Token string }
	status, err := c.Call(ctx, "POST", "/v1/sessions", map[string]any{"provider": "dev", "credential": user, "market": "SG"}, &answer)
	if err == nil && status != 200 {
		err = fmt.Errorf("login answered %d", status)
	}
	c.Token = answer.Token
	return c, err
}

// Call makes one call; answer is read whatever the status.
func (c *Client) Call(ctx context.Context, method, path string, body, answer any) (int, error) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		sent = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, sent)
	if err != nil {
		return 0, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	resp, err := c.HTTP.Do(req)
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

// Started and Result are what the tests need of the API's answers.
type Started struct {
	Number int64
	Token  string
	Code   string
	Next   int64 `json:"next_number"`
}

type Result struct {
	Round string
	Coins int64
	Total int64
	Code  string
}

// Insist makes a call again until it is answered with something else than busy, overloaded or pending, as the
// page does. It gives up with ctx.
func (c *Client) Insist(ctx context.Context, method, path string, body, answer any) (int, error) {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		status, err := c.Call(ctx, method, path, body, answer)
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

// Eventually waits until check gives no error.
func Eventually(t *testing.T, within time.Duration, check func() error) {
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
