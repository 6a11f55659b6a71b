package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/event/redisoutbox"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/reward"
	"github.com/shake-live/shake/test/rig"
)

// TestReplay breaks the ways of a night one after the other, and puts each right by hand, with the commands that a person has:
// no worker runs and the outboxes are carried; an entry in Kafka can't be read, is edited and sent again; the ledger's and the
// inbox's tables are lost; and all of Redis, with rounds that Kafka never had. After each of them reconcile finds nothing.
func TestReplay(t *testing.T) {
	s := rig.Servers{
		Redis: []string{testenv.Redis(t)}, Kafka: testenv.Kafka(t), DSN: testenv.MySQL(t), Namespace: testenv.Namespace(t),
		More: "durability: {mode: async}\nlimits: {user_rate: 0}",
	}
	sys := rig.New(t, s)
	sys.Apply(rig.Campaign("replay", 20*time.Minute, 100, 950_000, 4))
	c := &claiming{
		night: &night{t: t, sys: sys, servers: s, id: "replay", run: inventory.Run{Campaign: "replay", Number: 1, Shards: 4}, api: sys.Serve("api")},
		http:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128}, Timeout: 10 * time.Second},
	}
	c.connect()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c.worker = sys.Serve("worker")
	c.play(ctx, everybody, 1)
	c.settle(ctx)

	c.worker.Kill()
	poisoned := c.carry(ctx)
	c.night.poisoned = true
	c.worker = sys.Serve("worker")
	c.resend(ctx, poisoned)
	c.readAgain(ctx)
	c.claimByFile(ctx)
}

// json runs a command and reads its document; code is that of its end.
func (c *claiming) json(into any, args ...string) (code int) {
	c.t.Helper()
	out, err := c.sys.Shake(append(args, "--json")...)
	var ended interface{ ExitCode() int }
	if errors.As(err, &ended) {
		code = ended.ExitCode()
	} else if err != nil {
		c.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		c.t.Fatalf("%v: %v: %q, %v", args, err, out, code)
	}
	return code
}

// inOrder wants reconcile to find nothing, with so many dead letters of the ledger.
func (c *claiming) inOrder(when string, dead int64) {
	c.t.Helper()
	var r struct {
		OK    bool
		Total struct {
			Dead int64
			Lag  int64
		}
	}
	if code := c.json(&r, "reconcile", c.id); code != 0 || !r.OK || r.Total.Dead != dead {
		out, _ := c.sys.Shake("reconcile", c.id)
		c.t.Errorf("%s: reconcile ended with %d: %+v, want %d dead\n%s", when, code, r, dead, out)
	}
}

type carried struct {
	Runs []struct {
		Entries, Rounds, Coins int64
		Pools                  []struct{ Shard, Entries int64 }
		Readers                map[string]struct {
			Entries, Repeats, Dead int
			Gaps, Ahead            []string
		}
	}
}

// carry plays while no worker runs, writes to Kafka what no reader can read in place of one entry, and carries the outboxes.
// It gives the entry as it was.
func (c *claiming) carry(ctx context.Context) (poisoned event.Entry) {
	c.t.Helper()
	c.play(ctx, everybody, 1)
	outbox := redisoutbox.New(c.Redis, redisdb.NewKeyCache(c.servers.Namespace), redisoutbox.Options{})
	waiting, err := outbox.Waiting(ctx, c.run, 2, event.Position{}, 1000)
	c.must(err)
	at := slices.IndexFunc(waiting, func(e event.Entry) bool { return e.Paid() > 0 })
	if at < 0 {
		c.t.Fatal("nobody of shard 2 has won")
	}
	for i, e := range waiting[:at+1] { // a relay that was cut off in the middle of a message; its good copy comes later, as a repeat
		m, err := e.Message(c.Topic)
		c.must(err)
		if i == at {
			m.Value = m.Value[:len(m.Value)-20]
		}
		c.must(c.Bus.Produce(ctx, m))
	}
	var look, done, again carried
	args := []string{"replay", "--from", "outbox", "--campaign", c.id}
	if code := c.json(&look, append(args, "--dry-run")...); code != 0 || look.Runs[0].Rounds != claimPlayers {
		c.t.Errorf("a look: code %d, %+v, want %d rounds", code, look, claimPlayers)
	}
	if code := c.json(&done, args...); code != 0 || done.Runs[0].Entries != look.Runs[0].Entries || done.Runs[0].Coins != look.Runs[0].Coins || len(done.Runs[0].Pools) != 5 {
		c.t.Errorf("carried: code %d, %+v, want %+v", code, done, look)
	}
	if code := c.json(&again, args...); code != 0 || again.Runs[0].Entries != 0 {
		c.t.Errorf("carried again: code %d, %+v, want nothing", code, again)
	}
	return waiting[at]
}

type lettersDoc struct {
	Letters []letterDoc
	More    int
}

type letterDoc struct {
	ID, Group, Position, State, Outcome, Successor, Again, Reason string
	Readable                                                      bool
	Buried                                                        struct{ Form, Text string }
	Edits                                                         []struct{ By, Why string }
}

// resend finds the letters of the entry, edits them and sends them again.
func (c *claiming) resend(ctx context.Context, poisoned event.Entry) {
	c.t.Helper()
	var list lettersDoc
	rig.Eventually(c.t, 30*time.Second, func() error {
		list = lettersDoc{}
		if code := c.json(&list, "deadletters", "list", "--waiting", "--campaign", c.id); code != 0 || len(list.Letters) != 3 {
			return fmt.Errorf("code %d, %d letters, want one of each reader", code, len(list.Letters))
		}
		return nil
	})
	c.settle(ctx)
	c.inOrder("with dead letters", 1)
	before, err := c.Ledger.Sums(ctx, c.id, 1)
	c.must(err)

	// Sent as it is, it is buried anew.
	var sent struct {
		Letters  []letterDoc
		Outcomes map[string]int
	}
	first := list.Letters[0].ID
	if code := c.json(&sent, "deadletters", "resend", first, "--by", "ann"); code != 1 || sent.Outcomes["buried"] != 1 {
		c.t.Errorf("sent as it is: code %d, %+v", code, sent)
	}
	list = lettersDoc{}
	if c.json(&list, "deadletters", "list", "--waiting", "--reason", "unreadable"); len(list.Letters) != 3 || list.Letters[0].Again != first {
		c.t.Fatalf("after it was buried anew: %+v", list)
	}
	right, err := poisoned.Encode()
	c.must(err)
	file := filepath.Join(c.t.TempDir(), "entry.json")
	c.must(os.WriteFile(file, right, 0o600))
	for _, l := range list.Letters {
		var d letterDoc
		if code := c.json(&d, "deadletters", "inspect", l.ID); code != 0 || d.Readable || d.Buried.Form != "text" || !strings.Contains(d.Buried.Text, poisoned.Rounds[0].User) {
			c.t.Errorf("inspect: code %d, %+v", code, d)
		}
		if code := c.json(&d, "deadletters", "edit", l.ID, "--file", file, "--why", "cut off on its way", "--by", "ann"); code != 0 || !d.Readable || len(d.Edits) != 1 || d.Edits[0].By != "ann" {
			c.t.Errorf("edit: code %d, %+v", code, d)
		}
		if raw, err := c.sys.Shake("deadletters", "inspect", l.ID, "--raw"); err != nil || !bytes.Equal([]byte(raw), right) {
			c.t.Errorf("what would be sent: %q, %v", raw, err)
		}
	}
	c.inOrder("with edited letters", 1)
	sent.Outcomes = nil
	if code := c.json(&sent, "deadletters", "resend", "--campaign", c.id, "--by", "ann", "--rate", "1000"); code != 0 || sent.Outcomes["counted"] != 3 {
		c.t.Errorf("sent: code %d, %+v", code, sent)
	}
	for range 2 {
		sent.Outcomes = nil
		if code := c.json(&sent, "deadletters", "resend", "--group", "ledger", "--by", "ann", "--again"); code > 1 || sent.Outcomes["counted"] != 0 || sent.Outcomes["already"] != 1 {
			c.t.Errorf("sent again: code %d, %+v", code, sent)
		}
	}
	after, err := c.Ledger.Sums(ctx, c.id, 1)
	c.must(err)
	if after.Granted-before.Granted != poisoned.Paid() || after.Dead != 0 {
		c.t.Errorf("the ledger has %d coins more, and %d dead letters, want %d and none", after.Granted-before.Granted, after.Dead, poisoned.Paid())
	}
	c.agree(ctx, "after letters were put back")
}

// readAgain empties what ledger and inbox have in SQL, behind the worker's back, and has them read Kafka again.
func (c *claiming) readAgain(ctx context.Context) {
	c.t.Helper()
	for _, q := range []string{
		"DELETE FROM rounds", "DELETE FROM entries", "DELETE FROM wallets", "DELETE FROM shards", "DELETE FROM booked_fundings", "DELETE FROM notices", "DELETE FROM pushes",
		"DELETE FROM cursors", "DELETE FROM dead_letters WHERE reader <> 'board'",
	} {
		_, err := c.SQL.ExecContext(ctx, q)
		c.must(err)
	}
	c.play(ctx, everySecond, 1) // the worker's readers stand before a hole now
	var look, done, again carried
	args := []string{"replay", "--from", "kafka", "--campaign", c.id, "--to", "ledger,inbox"}
	if code := c.json(&look, append(args, "--dry-run")...); code != 0 || look.Runs[0].Readers["ledger"].Entries == 0 || look.Runs[0].Readers["ledger"].Dead != 0 {
		c.t.Errorf("a look: code %d, %+v", code, look)
	}
	if code := c.json(&done, args...); code != 0 || done.Runs[0].Readers["ledger"].Entries < look.Runs[0].Readers["ledger"].Entries || done.Runs[0].Readers["inbox"].Entries == 0 {
		c.t.Errorf("read again: code %d, %+v, the look said %+v", code, done, look)
	}
	c.settle(ctx)
	c.agree(ctx, "after Kafka was read again")
	if code := c.json(&again, args[:5]...); code != 0 || again.Runs[0].Readers["ledger"].Entries+again.Runs[0].Readers["board"].Entries+again.Runs[0].Readers["inbox"].Entries != 0 {
		c.t.Errorf("again: code %d, %+v, want nothing new", code, again)
	}
	c.agree(ctx, "after it was read once more")
}

// claimByFile loses all of Redis, with a round of each player that Kafka never had, and pays them by a file of claims.
func (c *claiming) claimByFile(ctx context.Context) {
	c.t.Helper()
	c.worker.Kill()
	before := len(c.promises)
	c.play(ctx, everybody, 1)
	keys, err := c.Redis.Client().Keys(ctx, c.servers.Namespace+":*").Result()
	c.must(err)
	c.must(c.Redis.Client().Del(ctx, keys...).Err())
	c.worker = c.sys.Serve("worker")
	text := "# what the desk got\n"
	var lost int64
	for i, p := range c.promises {
		text += p.claim + "\n"
		if i >= before {
			lost += p.coins
		}
	}
	file := filepath.Join(c.t.TempDir(), "claims.txt")
	c.must(os.WriteFile(file, []byte(text), 0o600))
	type replayed struct {
		Records, Damaged, Skipped int
		Outcomes                  map[string]int
		Coins                     int64
	}
	args := []string{"replay", "--from", "claims", file, "--rate", "5000"}
	var look, one, done, again replayed
	id, err := reward.ParseRoundID(c.promises[before].round)
	c.must(err)
	rig.Eventually(c.t, time.Minute, func() error { // the ledger has to read how the pools were opened
		look = replayed{}
		if c.json(&look, append(args, "--dry-run")...); look.Outcomes["lost"] != claimPlayers || look.Coins != lost {
			return fmt.Errorf("a look: %+v, want %d lost with %d coins", look, claimPlayers, lost)
		}
		return nil
	})
	if code := c.json(&one, append(args, "--user", id.User, "--campaign", c.id)...); code != 0 || one.Outcomes["granted"] != 1 || one.Skipped == 0 {
		c.t.Errorf("of one player: code %d, %+v", code, one)
	}
	if code := c.json(&done, args...); code != 0 || done.Outcomes["granted"]+done.Outcomes["already_granted"] != len(c.promises) || done.Coins > lost {
		c.t.Errorf("paid: code %d, %+v", code, done)
	}
	c.settle(ctx)
	if code := c.json(&again, args...); code != 0 || again.Outcomes["already_granted"] != len(c.promises) || again.Coins != 0 {
		c.t.Errorf("paid again: code %d, %+v", code, again)
	}
	c.agree(ctx, "after a file of claims")
}
