package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// devProcess is a `shake dev` of its own.
type devProcess struct {
	*testing.T
	cmd     *exec.Cmd
	data    string
	players string
}

var readyLine = regexp.MustCompile(`^ready players=(\S+) ops=(\S+) campaign=demo data=(\S+)$`)

// startDev starts a dev and waits for its line.
func startDev(t *testing.T) *devProcess {
	t.Helper()
	d := &devProcess{T: t, data: t.TempDir()}
	d.cmd = exec.CommandContext(t.Context(), os.Args[0], "dev", "--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0", "--data="+d.data,
		"--warmup=0s", "--round=1s", "--log-level=error")
	d.cmd.Env = append(os.Environ(), asProgram+"=1")
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(os.Interrupt) }
	d.cmd.WaitDelay = 10 * time.Second
	d.cmd.Stderr = os.Stderr
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	m := readyLine.FindStringSubmatch(strings.TrimSpace(line))
	if err != nil || m == nil {
		t.Fatalf("got line %q, %v, want ready with the URLs", line, err)
	}
	d.players = m[1]
	return d
}

// stop interrupts the process, as Ctrl-C does, and wants code 0 within 5 s.
func (d *devProcess) stop() {
	d.Helper()
	began := time.Now()
	if err := d.cmd.Process.Signal(syscall.SIGINT); err != nil {
		d.Fatal(err)
	}
	if err := d.cmd.Wait(); err != nil || time.Since(began) > 5*time.Second {
		d.Errorf("got %v after %s, want code 0 within 5 s", err, time.Since(began))
	}
}

// call does one request of a player and reads the answer.
func (d *devProcess) call(method, path, session string, body, answer any) {
	d.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		d.Fatal(err)
	}
	if body == nil {
		text = nil
	}
	ctx, cancel := context.WithTimeout(d.Context(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, d.players+path, bytes.NewReader(text))
	if err != nil {
		d.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+session)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		d.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		d.Fatalf("%s %s: got %d %s, %v", method, path, resp.StatusCode, got, err)
	}
	if err := json.Unmarshal(got, answer); err != nil {
		d.Fatal(err)
	}
}

// round plays one round, with beats like no hand's, and gives its id and coins.
func (d *devProcess) round() (id string, coins int64) {
	d.Helper()
	var session, started struct{ Token string }
	var result struct {
		Round string
		Coins int64
	}
	d.call("POST", "/v1/sessions", "", map[string]string{"provider": "dev", "credential": "ann", "market": "SG"}, &session)
	d.waitForPool()
	d.call("PUT", "/v1/campaigns/demo/rounds/1", session.Token, nil, &started)
	time.Sleep(time.Second)
	d.call("POST", "/v1/campaigns/demo/rounds/1/end", session.Token, map[string]any{"token": started.Token, "shakes": 1000, "beats": machineBeats()}, &result)
	return result.Round, result.Coins
}

// machineBeats are 16 beats, 60 ms apart.
func machineBeats() []int {
	beats := make([]int, 16)
	for i := range beats {
		beats[i] = i * 60
	}
	return beats
}

// flagged wants fair play to have flagged the round, and nothing else.
func flagged(t *testing.T, target, round string) {
	t.Helper()
	var list struct {
		Judgements []struct {
			Round   string
			Score   float64
			Reasons []string
		}
	}
	for giveUp := time.Now().Add(10 * time.Second); len(list.Judgements) == 0 && time.Now().Before(giveUp); time.Sleep(50 * time.Millisecond) {
		oneDocument(t, fine(t, "fairplay", "demo", target, "--json").out, &list)
	}
	if got := list.Judgements; len(got) != 1 || got[0].Round != round || got[0].Score != 1 || !slices.Equal(got[0].Reasons, []string{"regular"}) {
		t.Errorf("got %+v, want %s alone, regular", got, round)
	}
	if got := fine(t, "fairplay", "demo", target, "--limit=1").out; !strings.Contains(got, "REASONS") || !strings.Contains(got, round) {
		t.Errorf("got %q, want a table with %s", got, round)
	}
	if got := runLine("fairplay", "nope", target); got.code != 1 || got.out != "" || !strings.Contains(got.errOut, `campaign "nope": not found`) {
		t.Errorf("got %s of a campaign that is not there, want code 1", got)
	}
}

// waitForPool waits until the pool has been seen open for two looks of the keeper (100 ms each): without a warm-up
// the first level that arrives may be one from before the funding.
func (d *devProcess) waitForPool() {
	d.Helper()
	for open := 0; open < 5; time.Sleep(50 * time.Millisecond) {
		var campaign struct{ Pool struct{ Open bool } }
		if d.call("GET", "/v1/campaigns/demo", "", nil, &campaign); campaign.Pool.Open {
			open++
		} else {
			open = 0
		}
	}
}

// The tools work on a dev that runs and on one that is stopped, and say the same of both.
func TestTools_onADev(t *testing.T) {
	d := startDev(t)
	round, coins := d.round()
	tools := func(t *testing.T) {
		target := "--data=" + d.data
		t.Run("list", func(t *testing.T) {
			var list struct {
				Campaigns []struct {
					ID  string
					Run int64
				}
			}
			oneDocument(t, fine(t, "campaign", "list", target, "--json").out, &list)
			if len(list.Campaigns) != 1 || list.Campaigns[0].ID != "demo" || list.Campaigns[0].Run != 1 {
				t.Errorf("got %+v, want demo in run 1", list)
			}
			if got := fine(t, "campaign", "list", target).out; !strings.Contains(got, "demo") || !strings.HasPrefix(got, "ID ") {
				t.Errorf("got %q, want a table with demo", got)
			}
		})
		t.Run("show", func(t *testing.T) {
			var one struct {
				ID      string
				RoundMS int64 `json:"round_ms"`
			}
			oneDocument(t, fine(t, "campaign", "show", "demo", target, "--json").out, &one)
			if one.ID != "demo" || one.RoundMS != 1000 {
				t.Errorf("got %+v, want demo with rounds of a second", one)
			}
			if got := fine(t, "campaign", "show", "demo", target).out; !strings.Contains(got, "1000000 coins in 4 shards") {
				t.Errorf("got %q, want its pool", got)
			}
			if got := runLine("campaign", "show", "nope", target); got.code != 1 || got.out != "" || !strings.Contains(got.errOut, `campaign "nope": not found`) {
				t.Errorf("got %s of one that is not there, want code 1", got)
			}
		})
		t.Run("retire", func(t *testing.T) {
			for id, want := range map[string]string{"demo --run=1": "not settled", "nope": "not found", "demo --run=7": "not found"} {
				if got := runLine(append([]string{"campaign", "retire", target}, strings.Fields(id)...)...); got.code != 1 || !strings.Contains(got.errOut, want) {
					t.Errorf("retire %s: got %s, want code 1 and %q", id, got, want)
				}
			}
		})
		t.Run("verify", func(t *testing.T) { verify(t, target, round, coins) })
		t.Run("fairplay", func(t *testing.T) { flagged(t, target, round) })
	}
	waitForLedger(t, d.data, round)
	t.Run("running", tools)
	t.Run("apply", func(t *testing.T) { applyTwice(t, "--data="+d.data) })
	d.stop()
}

func TestTools_onAStoppedDev(t *testing.T) {
	d := startDev(t)
	round, coins := d.round()
	waitForLedger(t, d.data, round)
	d.stop()
	target := "--data=" + d.data
	verify(t, target, round, coins)
	flagged(t, target, round)
	fine(t, "campaign", "list", target, "--json")
	applyTwice(t, target)
}

// A dev that was killed leaves the addresses of its servers behind. They are dead, and nothing may be asked of them:
// commands work on the folder's files, as after a stop.
func TestTools_onAKilledDev(t *testing.T) {
	d := startDev(t)
	round, coins := d.round()
	waitForLedger(t, d.data, round)
	addresses := filepath.Join(d.data, "addresses.json")
	stale, err := os.ReadFile(addresses)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = d.cmd.Wait() // it was killed
	if left, err := os.ReadFile(addresses); err != nil || !bytes.Equal(left, stale) {
		t.Fatalf("the dev left %q, %v, want the addresses that are stale now", left, err)
	}
	target := "--data=" + d.data
	verify(t, target, round, coins)
	applyTwice(t, target)
	if left, err := os.ReadFile(addresses); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the commands left %q, %v, want no addresses of servers that are gone", left, err)
	}
}

// fine runs a command that must end with code 0 and say nothing on standard error.
func fine(t *testing.T, args ...string) ran {
	t.Helper()
	got := runLine(args...)
	if got.code != 0 || got.errOut != "" {
		t.Errorf("shake %q: got %s, want code 0", args, got)
	}
	return got
}

func waitForLedger(t *testing.T, data, round string) {
	t.Helper()
	for giveUp := time.Now().Add(10 * time.Second); runLine("verify", round, "--data="+data).code != 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(giveUp) {
			t.Fatalf("round %s does not come to the ledger", round)
		}
	}
}

// verify derives the round and wants the coins that its end told.
func verify(t *testing.T, target, round string, coins int64) {
	t.Helper()
	var d struct {
		Round         string
		Derived, Paid int64
		OK            bool
	}
	oneDocument(t, fine(t, "verify", round, target, "--json").out, &d)
	if d.Round != round || d.Paid != coins || d.Derived != coins || !d.OK {
		t.Errorf("got %+v, want %d coins of %s", d, coins, round)
	}
	if got := fine(t, "verify", round, target).out; !strings.Contains(got, fmt.Sprintf("paid      %d coins", coins)) {
		t.Errorf("got %q, want its derivation in lines", got)
	}
	if got := runLine("verify", round+"9", target); got.code != 1 || got.out != "" || !strings.Contains(got.errOut, "no such round") {
		t.Errorf("got %s of a round that is not there, want code 1", got)
	}
}

// applyTwice applies a campaign's file: the second time nothing is changed.
func applyTwice(t *testing.T, target string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "show.yaml")
	at := func(d time.Duration) string { return time.Now().Add(d).Format(time.RFC3339) }
	text := "id: show\nmarket: SG\nname: The show\nstarts_at: " + at(time.Hour) + "\nends_at: " + at(2*time.Hour) +
		"\nround: 10s\nchances: 3\npool: 1000\nshards: 2\ncurve: [{from: 1, probability: 0.5, min: 1, max: 10}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		var got struct {
			Changed  bool
			Campaign struct{ ID string }
		}
		oneDocument(t, fine(t, "campaign", "apply", file, target, "--json").out, &got)
		if got.Changed != want || got.Campaign.ID != "show" {
			t.Errorf("got %+v, want changed: %v", got, want)
		}
	}
	if got := fine(t, "campaign", "apply", file, target).out; got != "show: unchanged, version 1, run 1, 1000 coins in 2 shards\n" {
		t.Errorf("got %q, want it unchanged", got)
	}
	broken := strings.Replace(text, "shards: 2", "shards: 3", 1)
	if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := runLine("campaign", "apply", file, target, "--json"); got.code != 1 || !json.Valid([]byte(got.out)) || !strings.Contains(got.out, "shards and market are fixed") {
		t.Errorf("got %s of other shards, want code 1 and one document that says why", got)
	}
}
