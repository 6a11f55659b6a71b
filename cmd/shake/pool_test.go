package main

import (
	"strings"
	"testing"
)

// shownPools is what a test reads of `shake pool show`.
type shownPools struct {
	Run   int64
	Pools []struct {
		Pool, Host, Server  string
		Open                bool
		Epoch, Left, Issued int64
	}
}

func (d *devProcess) pools(args ...string) (s shownPools) {
	d.Helper()
	got := runLine(append([]string{"pool", "show", "demo", "--data=" + d.data, "--json"}, args...)...)
	if got.code != 0 {
		d.Fatalf("got %s, want code 0", got)
	}
	oneDocument(d.T, got.out, &s)
	return s
}

// The pools of a dev are shown; reopening does nothing to those that are open, and a fence begins a new epoch.
func TestPool_onADev(t *testing.T) {
	d := startDev(t)
	_, coins := d.round()
	target := "--data=" + d.data
	all := d.pools()
	issued := int64(0)
	for _, p := range all.Pools {
		if issued += p.Issued; !p.Open || p.Host == "" || p.Server == "" {
			t.Errorf("pool %+v, want it open on its server", p)
		}
	}
	if len(all.Pools) != 5 || all.Pools[0].Pool != "bank" || issued != coins {
		t.Fatalf("got %+v, want a bank and 4 shards that issued %d", all, coins)
	}
	if got := runLine("pool", "show", "demo", target, "--shard=2"); got.code != 0 || strings.Count(got.out, "\n") != 3 || !strings.Contains(got.out, " open ") {
		t.Errorf("got %s, want one shard in words", got)
	}
	if got := runLine("pool", "reopen", "demo", target); got.code != 0 || !strings.Contains(got.out, "nothing was done") {
		t.Errorf("got %s, want nothing done to pools that are open", got)
	}
	if got := runLine("pool", "reopen", "demo", target, "--fence", "--shard=bank", "--shard=1", "--json"); got.code != 0 || !strings.Contains(got.out, `"opened": [`) {
		t.Errorf("got %s, want two pools opened anew", got)
	}
	for i, p := range d.pools().Pools {
		before, fenced := all.Pools[i], p.Pool == "bank" || p.Pool == "1"
		if !p.Open || p.Left != before.Left || fenced != (p.Epoch > before.Epoch) {
			t.Errorf("pool is %+v and was %+v; want the bank and shard 1, and no other, in a new epoch", p, before)
		}
	}
	d.inOrder(target)
	d.stop()
}

func TestPool_usage(t *testing.T) {
	d := startDev(t)
	target := "--data=" + d.data
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"show", "nope"}, exitFinding, "not found"},
		{[]string{"show", "demo", "--shard=x"}, exitUsage, "--shard"},
		{[]string{"show", "demo", "--shard=4"}, exitUsage, "no such shard"},
		{[]string{"reopen", "demo", "--run=-1"}, exitUsage, "--run"},
		{[]string{"move", "demo", "--to=127.0.0.1:1"}, exitUsage, "--shard"},
		{[]string{"move", "demo", "--to=127.0.0.1:1", "--shard=0", "--dry-run", "--undo"}, exitUsage, "--undo"},
		{[]string{"move", "demo", "--to=127.0.0.1:1", "--shard=0"}, exitFinding, "not a cluster"},
		{[]string{"reopen", "demo", "--run=7"}, exitFinding, "not found"},
	} {
		if got := runLine(append(append([]string{"pool"}, c.args...), target)...); got.code != c.code || !strings.Contains(got.errOut, c.says) {
			t.Errorf("%v: got %s, want code %d and %q", c.args, got, c.code, c.says)
		}
	}
}
