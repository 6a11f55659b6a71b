package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/shake-live/shake/internal/sqldb"
)

// reconciled is what a test reads of the document.
type reconciled struct {
	OK       bool
	Run      int64
	Findings []struct {
		Kind, User string
		Rounds     []string
	}
	Identities []struct {
		Name string
		OK   bool
	}
	Plan struct {
		ID      string
		Actions []struct{ Kind string }
		Applied []struct{ Kind, Who, Outcome string }
	}
}

// A dev, running and stopped, is in order; a wallet that is not is found, and mended when asked for by the plan's id.
func TestReconcile_onADev(t *testing.T) {
	d := startDev(t)
	round, coins := d.round()
	waitForLedger(t, d.data, round)
	target := "--data=" + d.data
	d.inOrder(target)
	if got := runLine("reconcile", "nope", target, "--json"); got.code != 1 || !strings.Contains(got.out, `not found`) {
		t.Errorf("got %s of a campaign that is not there, want code 1", got)
	}
	const off = 5
	d.exec("INSERT INTO wallets (user, balance) VALUES (?, ?) ON CONFLICT (user) DO UPDATE SET balance = ?", "ann", coins+off, coins+off)
	var found reconciled
	args := []string{"reconcile", "demo", target, "--json", "--repair"}
	got := runLine(args...)
	oneDocument(t, got.out, &found)
	if got.code != 1 || found.OK || len(found.Findings) != 1 || found.Findings[0].Kind != "book.wallet" || len(found.Plan.Actions) != 1 || len(found.Plan.Applied) != 0 {
		t.Fatalf("got %s, want the wallet found and planned for", got)
	}
	if got := runLine("reconcile", "demo", target); got.code != 1 || !strings.Contains(got.out, "1 DIFFERENCES") || !strings.Contains(got.out, "book.wallet") {
		t.Errorf("got %s, want the finding in words", got)
	}
	if got := runLine(append(args, "--apply=nonsense", "--by=ann")...); got.code != 1 || !strings.Contains(got.errOut, "the plan is another one") {
		t.Errorf("got %s for a plan that is none, want code 1", got)
	}
	var mended reconciled
	got = runLine(append(args, "--apply="+found.Plan.ID, "--by=ann")...)
	oneDocument(t, got.out, &mended)
	if got.code != 0 || !mended.OK || len(mended.Plan.Applied) != 1 || mended.Plan.Applied[0].Who != "ann" || mended.Plan.Applied[0].Outcome != "done" {
		t.Errorf("got %s, want it mended by ann", got)
	}
	d.inOrder(target)
	d.stop()
	d.inOrder(target)
}

func (d *devProcess) exec(query string, args ...any) {
	d.Helper()
	db, err := sqldb.Open(d.Context(), sqldb.Options{Driver: "sqlite", DSN: filepath.Join(d.data, "shake.db")})
	if err != nil {
		d.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(d.Context(), query, args...); err != nil {
		d.Fatal(err)
	}
}

// inOrder wants no difference, in words and as a document, of rounds and of counters.
func (d *devProcess) inOrder(target string) {
	d.Helper()
	var doc reconciled
	oneDocument(d.T, fine(d.T, "reconcile", "demo", target, "--json").out, &doc)
	if !doc.OK || doc.Run != 1 || len(doc.Findings) != 0 || len(doc.Identities) != 8 {
		d.Errorf("got %+v, want all identities of run 1 to hold", doc)
	}
	for _, flag := range []string{"--repair", "--counters"} {
		if got := fine(d.T, "reconcile", "demo", target, flag).out; !strings.Contains(got, "all identities hold") {
			d.Errorf("%s: got %q, want it in words", flag, got)
		}
	}
}
