package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/event/kafkabus"
)

// letterList is what a test reads of a list, or of what was sent.
type letterList struct {
	Order    string
	Letters  []struct{ ID, Group, Outcome, State, Successor string }
	Outcomes map[string]int
	More     int
}

// On a dev that runs: somebody wrote nonsense into the topic, at the place of the next entry of a shard nobody plays in. The
// commands list it, show it, edit it and send it again; on a dev that is stopped they do the same.
func TestDeadLetters_onADev(t *testing.T) {
	d := startDev(t)
	round, _ := d.round()
	waitForLedger(t, d.data, round)
	target := "--data=" + d.data
	bus := d.bus()
	// Its key and place are nobody's cursor's, so no reader passes over anything, and reconcile has nothing to say.
	write(t, bus, event.Message{Topic: "shake.entries", Key: "nobody.1.0", Value: []byte("\x00\xffnonsense"), Headers: map[string]string{event.HeaderPosition: "1-1"}})
	var list letterList
	for giveUp := time.Now().Add(20 * time.Second); len(list.Letters) < 3 && time.Now().Before(giveUp); time.Sleep(100 * time.Millisecond) {
		list = letterList{}
		oneDocument(t, fine(t, "deadletters", "list", target, "--json", "--waiting").out, &list)
	}
	if len(list.Letters) != 3 || list.Order != "newest first" {
		t.Fatalf("got %+v, want a letter of each reader", list)
	}
	if got := fine(t, "deadletters", "list", target, "--oldest", "--limit=1", "--group=ledger").out; !strings.Contains(got, "1 letters, oldest first") || !strings.Contains(got, "nobody.1.0") {
		t.Errorf("got %q, want the ledger's in words", got)
	}
	id := ""
	for _, l := range list.Letters {
		if strings.HasSuffix(l.Group, ".ledger") {
			id = l.ID
		}
	}
	if got := fine(t, "deadletters", "inspect", id, target).out; !strings.Contains(got, "(hex)\n00ff6e6f") || !strings.Contains(got, "shake-group") || !strings.Contains(got, "waiting") {
		t.Errorf("got %q, want it shown in hex", got)
	}
	if got := fine(t, "deadletters", "inspect", id, target, "--raw").out; got != "\x00\xffnonsense" {
		t.Errorf("got %q, want the very bytes", got)
	}
	if got := runLine("deadletters", "edit", id, target, "--value={}", "--why=a try", "--by=ann"); got.code != 1 || !strings.Contains(got.errOut, "nobody can read it") {
		t.Errorf("got %s of an edit that makes no entry, want code 1", got)
	}
	if got := runLine("deadletters", "resend", id, target, "--by=ann", "--dry-run", "--json"); got.code != 1 || !strings.Contains(got.out, "would_bury") {
		t.Errorf("got %s, want a look to say what would be", got)
	}
	e := event.Entry{Kind: event.KindDry, Source: event.Source{Campaign: "nobody", Run: 1}, Position: event.Position{Epoch: 1, Seq: 1}}
	value, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, value, 0o600); err != nil {
		t.Fatal(err)
	}
	fine(t, "deadletters", "edit", id, target, "--file="+file, "--why=it was one", "--by=ann")
	if err := bus.Close(); err != nil {
		t.Error(err)
	}
	d.stop()
	var doc struct {
		Readable bool
		Edits    []struct{ By, Why string }
	}
	oneDocument(t, fine(t, "deadletters", "inspect", id, target, "--json").out, &doc)
	if !doc.Readable || len(doc.Edits) != 2 || doc.Edits[1].Why != "it was one" || doc.Edits[0].By != "ann" {
		t.Errorf("on a dev that is stopped: %+v", doc)
	}
	var sent letterList
	oneDocument(t, fine(t, "deadletters", "resend", "--group=ledger", target, "--by=ann", "--json").out, &sent)
	if len(sent.Letters) != 1 || sent.Outcomes["counted"] != 1 {
		t.Errorf("sent: %+v", sent)
	}
	sent = letterList{}
	oneDocument(t, fine(t, "deadletters", "resend", id, target, "--by=ann", "--json").out, &sent)
	if sent.Outcomes["resent"] != 1 {
		t.Errorf("sent again: %+v, want it left alone", sent)
	}
	if got := runLine("deadletters", "inspect", "0/4711", target); got.code != 1 || !strings.Contains(got.errOut, "no such letter") {
		t.Errorf("got %s of a letter that is not there", got)
	}
	for _, from := range []string{"outbox", "kafka"} {
		var replayed struct {
			From string
			Runs []struct{ Campaign string }
		}
		oneDocument(t, fine(t, "replay", "--from="+from, "--campaign=demo", target, "--json").out, &replayed)
		if replayed.From != from || len(replayed.Runs) != 1 || replayed.Runs[0].Campaign != "demo" {
			t.Errorf("--from %s: %+v", from, replayed)
		}
	}
	if got := runLine("replay", "--from=kafka", "--campaign=demo", "--shard=99", target); got.code != 2 || !strings.Contains(got.errOut, "no such shard") {
		t.Errorf("got %s of a shard that is not there, want code 2", got)
	}
	if got := fine(t, "replay", "--from=kafka", "--campaign=demo", "--all-runs", "--dry-run", target).out; !strings.Contains(got, "would be read again") || !strings.Contains(got, "ledger") {
		t.Errorf("got %q, want it in words", got)
	}
	claims := filepath.Join(t.TempDir(), "claims")
	if err := os.WriteFile(claims, []byte("nonsense\n!\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := runLine("replay", "--from=claims", claims, target); got.code != 1 || !strings.Contains(got.errOut, "2 lines are no claims of ours") {
		t.Errorf("got %s of lines that are none, want code 1", got)
	}
	d.inOrder(target)
}

// bus is a client of the dev's Kafka.
func (d *devProcess) bus() *kafkabus.Bus {
	d.Helper()
	text, err := os.ReadFile(filepath.Join(d.data, "addresses.json"))
	if err != nil {
		d.Fatal(err)
	}
	var at struct{ Kafka []string }
	if err := json.Unmarshal(text, &at); err != nil {
		d.Fatal(err)
	}
	bus, err := kafkabus.New(kafkabus.Options{Brokers: at.Kafka, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		d.Fatal(err)
	}
	return bus
}

func write(t *testing.T, bus *kafkabus.Bus, m event.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := bus.Produce(ctx, m); err != nil {
		t.Fatal(err)
	}
}
