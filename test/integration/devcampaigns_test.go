package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/test/rig"
)

// TestDev_otherCampaigns starts `shake dev` again and again, gently and with SIGKILL: whatever campaigns its folder
// has are open and whole as soon as it says that it is ready.
func TestDev_otherCampaigns(t *testing.T) {
	t.Parallel() // it waits more than it works
	data := filepath.Join(t.TempDir(), "data")
	bin, err := testenv.Shake()
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{"one", "two", "three"}
	d := startDev(t, data, "--live", "5m")
	for _, id := range ids {
		file := filepath.Join(t.TempDir(), id+".yaml")
		if err := os.WriteFile(file, []byte(rig.Campaign(id, 10*time.Minute, 1000, 100_000, 4)), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(bin, "campaign", "apply", "--data", data, file).CombinedOutput(); err != nil {
			t.Fatalf("apply %s: %v\n%s", id, err, out)
		}
	}
	coins := map[string]int64{}
	for turn := range 3 {
		for _, id := range ids {
			for _, user := range []string{"ann", "bob"} {
				r := d.visit(user, id).round(turn+1, 8)
				coins[id] += r.Coins
			}
		}
		for _, id := range ids { // what is to be there after a SIGKILL must have reached the log
			rig.Eventually(t, 10*time.Second, func() error { return d.visit("ann", id).whole(coins[id]) })
		}
		if turn == 1 {
			d.Kill()
		} else if err := d.interrupt(); err != nil {
			t.Fatalf("ended with %v\n%s", err, d.Logged())
		}
		if log := d.Logged(); strings.Contains(log, "level=ERROR") {
			t.Errorf("errors were logged:\n%s", log)
		}
		d = startDev(t, data, "--live", "5m")
		for _, id := range ids {
			if err := d.visit("ann", id).whole(coins[id]); err != nil {
				t.Errorf("turn %d: %v", turn, err)
			}
		}
	}
}

// visit is a player of another campaign than the demo.
func (p *dev) visit(user, campaign string) *demoClient {
	p.t.Helper()
	c := p.login(user)
	c.campaign = campaign
	return c
}

// whole tells what of a campaign is not as it must be after so many coins were won.
func (c *demoClient) whole(coins int64) error {
	c.t.Helper()
	var shown struct {
		Pool struct {
			Funded, Left int64
			Open         bool
		}
	}
	c.want(200, "GET", "", nil, &shown)
	if p := shown.Pool; !p.Open || p.Funded != 100_000 || p.Left != 100_000-coins {
		return fmt.Errorf("pool of %s shows %+v after %d coins", c.campaign, p, coins)
	}
	var board struct{ Entries []struct{ Coins int64 } }
	var raw json.RawMessage
	c.want(200, "GET", "/leaderboard", nil, &raw)
	if err := json.Unmarshal(raw, &board); err != nil {
		return err
	}
	var sum int64
	for _, e := range board.Entries {
		sum += e.Coins
	}
	if sum != coins {
		return fmt.Errorf("board of %s sums to %d, want %d: %s", c.campaign, sum, coins, raw)
	}
	return nil
}
