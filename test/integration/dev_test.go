package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/test/rig"
)

// TestDev is what somebody with nothing but Go sees: `shake dev` is ready at once, plays the demo campaign through
// its whole life and begins anew; what it keeps in its data folder survives even SIGKILL; Ctrl-C ends it quickly.
func TestDev(t *testing.T) {
	t.Parallel() // it waits more than it works
	data := filepath.Join(t.TempDir(), "data")
	d := startDev(t, data, "--live", "25s")
	c := d.login("ann")
	if got := c.round(1, 8); got.Coins < 0 || got.Total != got.Coins {
		t.Errorf("first round gave %+v", got)
	}
	c.round(2, 3)
	var open rig.Started
	c.want(200, "PUT", "/rounds/3", nil, &open)
	before := c.everything()
	time.Sleep(2 * time.Second) // embedded Redis keeps nothing: what is to survive SIGKILL must have reached the log

	d.Kill()
	d = startDev(t, data, "--live", "25s")
	c = d.login("ann")
	after := c.everything()
	for what, was := range before {
		if !reflect.DeepEqual(after[what], was) {
			t.Errorf("%s was %v before SIGKILL and is %v after", what, was, after[what])
		}
	}
	var again rig.Started
	c.want(200, "PUT", "/rounds/3", nil, &again)
	if again.Token != open.Token {
		t.Error("the open round has another token after the restart")
	}
	if r := c.end(3, open.Token, 8); r.Total < 0 {
		t.Errorf("the open round ended with %+v", r)
	}

	// Closed, settled, final board, and the next run.
	rig.Eventually(t, 60*time.Second, func() error {
		var shown struct{ Stage string }
		c.want(200, "GET", "", nil, &shown)
		if shown.Stage != "settled" {
			return fmt.Errorf("stage is %s", shown.Stage)
		}
		return nil
	})
	var board struct {
		Final   bool
		Entries []struct{ User string }
		Me      *struct{ Rank int }
	}
	c.want(200, "GET", "/leaderboard", nil, &board)
	if !board.Final || len(board.Entries) != 1 || board.Me == nil || board.Me.Rank != 1 {
		t.Errorf("final board is %+v, want ann alone on it", board)
	}
	rig.Eventually(t, 30*time.Second, func() error {
		var me struct {
			Next int `json:"next_number"`
		}
		c.want(200, "GET", "/me", nil, &me)
		if me.Next != 1 {
			return fmt.Errorf("next number is %d, want the next run's 1", me.Next)
		}
		return nil
	})

	d.retire(data)
	began := time.Now()
	if err := d.interrupt(); err != nil {
		t.Errorf("ended with %v\n%s", err, d.Logged())
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Ctrl-C took %s, want at most 5 s", took)
	}
	if log := d.Logged(); strings.Contains(log, "level=ERROR") {
		t.Errorf("errors were logged:\n%s", log)
	}
}

// retire removes what Redis has of the run that is settled, and nothing of the one that is on.
func (p *dev) retire(data string) {
	p.t.Helper()
	bin, err := testenv.Shake()
	if err != nil {
		p.t.Fatal(err)
	}
	for i, want := range []string{"1 runs retired", "0 runs retired"} {
		out, err := exec.Command(bin, "campaign", "retire", "demo", "--data", data).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) || i == 0 && strings.Contains(string(out), " 0 keys") {
			p.t.Errorf("retire: got %q, %v, want %s", out, err, want)
		}
	}
	if out, err := exec.Command(bin, "reconcile", "demo", "--run", "1", "--data", data).CombinedOutput(); err == nil || !strings.Contains(string(out), "retired") {
		p.t.Errorf("reconcile of a retired run: got %q, %v", out, err)
	}
	if out, err := exec.Command(bin, "reconcile", "demo", "--data", data).CombinedOutput(); err != nil {
		p.t.Errorf("reconcile: %v: %s", err, out)
	}
	c := p.login("ann")
	var open rig.Started
	c.want(200, "PUT", "/rounds/1", nil, &open) // of the run that is on
	var wallet struct{ Entries []struct{ Round string } }
	if _, err := c.Call(p.t.Context(), "GET", "/v1/wallet", nil, &wallet); err != nil || len(wallet.Entries) == 0 {
		p.t.Errorf("the wallet has %+v, %v after its run was retired", wallet, err)
	}
}

// interrupt is Ctrl-C.
func (p *dev) interrupt() error {
	if err := p.Cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return p.Cmd.Wait()
}

// dev is a running `shake dev`.
type dev struct {
	*rig.Process
	t *testing.T
}

// startDev starts `shake dev` with short rounds and waits for its line.
func startDev(t *testing.T, data string, flags ...string) *dev {
	t.Helper()
	bin, err := testenv.Shake()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	p := rig.Start(t, os.Environ(), bin, append([]string{
		"dev", "--data", data, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0",
		"--warmup", "1s", "--round", "1s", "--late", "3s", "--pool", "5000", "--log-level", "info",
	}, flags...)...)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("ready after %s, want at most 5 s", took)
	}
	return &dev{Process: p, t: t}
}

// demoClient is a player of the demo campaign, unless told otherwise.
type demoClient struct {
	*rig.Client
	t        *testing.T
	campaign string
}

func (p *dev) login(user string) *demoClient {
	p.t.Helper()
	c, err := rig.Login(p.t.Context(), http.DefaultClient, p.URL, user)
	if err != nil {
		p.t.Fatal(err)
	}
	d := &demoClient{Client: c, t: p.t, campaign: "demo"}
	rig.Eventually(p.t, 10*time.Second, func() error {
		var shown struct{ Stage string }
		d.want(200, "GET", "", nil, &shown)
		if shown.Stage == "warmup" {
			return fmt.Errorf("still warming up")
		}
		return nil
	})
	return d
}

func (c *demoClient) want(status int, method, path string, body, answer any) {
	c.t.Helper()
	if !strings.HasPrefix(path, "/v1/") {
		path = "/v1/campaigns/" + c.campaign + path
	}
	var raw json.RawMessage
	got, err := c.Call(c.t.Context(), method, path, body, &raw)
	if err != nil || got != status {
		c.t.Fatalf("%s %s answered %d %s, %v; want %d", method, path, got, raw, err, status)
	}
	if answer != nil {
		if err := json.Unmarshal(raw, answer); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *demoClient) round(number, shakes int) rig.Result {
	c.t.Helper()
	var s rig.Started
	c.want(200, "PUT", fmt.Sprintf("/rounds/%d", number), nil, &s)
	time.Sleep(900 * time.Millisecond)
	return c.end(number, s.Token, shakes)
}

func (c *demoClient) end(number int, token string, shakes int) (r rig.Result) {
	c.t.Helper()
	time.Sleep(900 * time.Millisecond)
	c.want(200, "POST", fmt.Sprintf("/rounds/%d/end", number), map[string]any{"token": token, "shakes": shakes}, &r)
	return r
}

// everything is what must survive, once what is on its way has arrived.
func (c *demoClient) everything() map[string]any {
	c.t.Helper()
	all := map[string]any{}
	rig.Eventually(c.t, 10*time.Second, func() error {
		for name, path := range map[string]string{
			"me": "/me", "board": "/leaderboard?around=me", "wallet": "/v1/wallet", "inbox": "/v1/inbox", "campaign": "",
			"result 1": "/rounds/1", "result 2": "/rounds/2",
		} {
			var raw json.RawMessage
			if status, err := c.Call(c.t.Context(), "GET", strings.Replace("/v1/campaigns/demo"+path, "/v1/campaigns/demo/v1", "/v1", 1), nil, &raw); err != nil || status != 200 {
				return fmt.Errorf("%s answers %d, %v", name, status, err)
			}
			var v map[string]any
			if err := json.Unmarshal(raw, &v); err != nil {
				return err
			}
			all[name] = v
		}
		me := all["me"].(map[string]any)
		if balance := all["wallet"].(map[string]any)["balance"]; balance != me["coins"] {
			return fmt.Errorf("the wallet has %v, want %v", balance, me["coins"])
		}
		if pool := all["campaign"].(map[string]any)["pool"].(map[string]any); pool["left"] != pool["funded"].(float64)-me["coins"].(float64) {
			return fmt.Errorf("pool shows %v with %v coins won", pool, me["coins"])
		}
		if board := all["board"].(map[string]any); me["coins"] != 0.0 && (board["me"] == nil || board["me"].(map[string]any)["coins"] != me["coins"]) {
			return fmt.Errorf("board shows %v, want %v", board["me"], me["coins"])
		} else if place, ok := board["me"].(map[string]any); ok && place["name"] != "ann" { // who logs in by it
			return fmt.Errorf("board shows %v, want ann by her name", place)
		}
		return nil
	})
	return all
}
