package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/event/letters"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/ops/reconcile"
)

// Outboxes are carried while no worker runs: dry, with a part of the shards, all, and again.
func TestReplay_outbox(t *testing.T) {
	for name, configOf := range installations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, openStack(t, configOf(t)), "outbox", 4, 60, 1)
			w.buryThem()
			for shard := range 4 {
				for _, r := range w.rounds {
					if r.shard == shard {
						w.settleNow(shard, r.User)
						break
					}
				}
			}
			end := func() (sum int64) {
				for p := range int32(w.cfg.Kafka.Partitions) {
					n, err := w.bus.End(t.Context(), w.topics.Entries, p)
					w.must(err)
					sum += n
				}
				return sum
			}
			before := end()
			for _, step := range []struct {
				name   string
				order  ReplayEntries
				want   int64
				behind int64 // in Kafka afterwards
			}{
				{"dry", ReplayEntries{DryRun: true}, 4, 0},
				{"two shards", ReplayEntries{Shards: []int{1, 3}}, 2, 2},
				{"dry again", ReplayEntries{DryRun: true, AllRuns: true}, 2, 2},
				{"all", ReplayEntries{Run: 1}, 2, 4},
				{"again", ReplayEntries{}, 0, 4},
			} {
				step.order.Campaign, step.order.Rate = "outbox", 1000
				runs, err := w.lives(t.Context(), step.order)
				w.must(err)
				got, err := w.replayOutbox(t.Context(), runs[0], step.order)
				w.must(err)
				if len(runs) != 1 || got.Entries != step.want || got.Rounds != step.want || got.Coins != 4*step.want || end() != before+step.behind {
					t.Errorf("%s: got %+v, and %d more in Kafka, want %d and %d", step.name, got, end()-before, step.want, step.behind)
				}
			}
			w.buryThem()
			w.wantReport("carried", 0, 0)
			if _, err := w.lives(t.Context(), ReplayEntries{Campaign: "outbox", Shards: []int{4}}); err == nil {
				t.Error("a shard that the run has not was taken")
			}
			if _, err := w.lives(t.Context(), ReplayEntries{Campaign: "outbox", Run: 2}); err == nil {
				t.Error("a run that the campaign has not was taken")
			}
		})
	}
}

// again replays from Kafka.
func (w *world) again(r ReplayEntries) *ReplayedRun {
	w.Helper()
	r.Campaign, r.Rate = w.campaign.ID, 1_000_000
	if r.To == nil {
		r.To = Readers
	}
	done, err := w.replayKafka(w.Context(), w.campaign, r)
	w.must(err)
	return done
}

func (r *ReplayedRun) open() int { return (&ReplayedEntries{Runs: []*ReplayedRun{r}}).Open() }

// backup copies what a reader has in SQL of a run, and gives what brings it back.
func (w *world) backup(tables ...string) (restore func()) {
	w.Helper()
	for _, table := range tables {
		if _, err := w.sql.ExecContext(w.Context(), "CREATE TABLE kept_"+table+" AS SELECT * FROM "+table); err != nil {
			w.Fatal(err)
		}
	}
	return func() {
		for _, table := range tables {
			for _, q := range []string{"DELETE FROM " + table, "INSERT INTO " + table + " SELECT * FROM kept_" + table} {
				if _, err := w.sql.ExecContext(w.Context(), q); err != nil {
					w.Fatal(err)
				}
			}
		}
	}
}

var sqlOfReaders = []string{"cursors", "dead_letters", "shards", "rounds", "booked_fundings", "entries", "wallets", "notices", "pushes"}

// The database comes back as it was hours ago, the board is lost, and the groups' offsets stand at the end: the readers read
// the log again, from the beginning, and take up what they lack, also around what nobody can read, and what was put back.
func TestReplay_kafka(t *testing.T) {
	for name, configOf := range installations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, openStack(t, configOf(t)), "again", 4, 60, 2)
			w.buryThem()
			restore := w.backup(sqlOfReaders...)
			for shard := range 4 {
				w.deliver(w.settledIn(shard, 3))
			}
			unread := w.settledIn(1, 2)
			w.poison(unread, 0)
			for _, shard := range w.run.Pools() {
				w.must(w.relay.Drain(t.Context(), w.run, shard))
			}
			w.buryThem()
			dead := unread[0].Paid()
			w.wantReport("before", 1, dead)

			restore()
			look := w.again(ReplayEntries{DryRun: true})
			if l := look.Readers["ledger"]; l.Entries == 0 || l.Dead != 1 || look.Readers["board"].Entries != 0 || look.open() != 0 {
				t.Errorf("a look: ledger %+v, board %+v", l, look.Readers["board"])
			}
			if r := w.check(t.Context(), nil, reconcile.Options{}); r.Total.Lag == 0 {
				t.Error("the look has changed something")
			}
			done := w.again(ReplayEntries{To: []string{"ledger"}})
			if l := done.Readers["ledger"]; l.Entries != look.Readers["ledger"].Entries || l.Dead != 1 || l.Repeats == 0 || done.open() != 0 {
				t.Errorf("the ledger: %+v, the look said %+v", l, look.Readers["ledger"])
			}
			late := w.again(ReplayEntries{To: []string{"inbox"}, Since: time.Now().Add(time.Hour)})
			if late.Entries != 0 || late.open() != 0 {
				t.Errorf("from the future: %+v", late)
			}
			done = w.again(ReplayEntries{To: []string{"inbox"}})
			if done.Readers["inbox"].Entries == 0 || done.open() != 0 {
				t.Errorf("the inbox: %+v", done.Readers["inbox"])
			}
			w.wantReport("after", 1, dead)
			for range 2 {
				if done := w.again(ReplayEntries{}); done.Readers["ledger"].Entries+done.Readers["board"].Entries+done.Readers["inbox"].Entries != 0 || done.open() != 0 {
					t.Errorf("again: %+v", done.Readers)
				}
			}
			w.wantReport("again", 1, dead)

			// The board from nothing, with its scores lost but not its positions: nobody would notice before.
			keys := w.boardKeys()
			w.must(w.stack.redis.Client().Del(t.Context(), keys[0]).Err())
			if done := w.again(ReplayEntries{To: []string{"board"}}); done.Readers["board"].Entries != 0 {
				t.Errorf("the board's positions said that nothing is missing, and it took %+v", done.Readers["board"])
			}
			if done := w.again(ReplayEntries{To: []string{"board"}, Rebuild: true}); !done.Readers["board"].Rebuilt || done.open() != 0 {
				t.Errorf("built anew: %+v", done.Readers["board"])
			}
			w.wantReport("with a board built anew", 1, dead)

			// What was put back with one reader is read by the others in its place, and counts once.
			for _, l := range w.letters(letters.Filter{Group: "ledger"}) {
				_, err := w.desk(nil).Edit(t.Context(), l.ID, valueOf(t, unread[0]), ann, "cut off")
				w.must(err)
			}
			_, _, err := w.desk(w.returners()).Resend(t.Context(), letters.Order{Filter: letters.Filter{Group: "ledger"}, Max: 10, By: ann})
			w.must(err)
			w.again(ReplayEntries{})
			w.wantReport("with a letter put back", 0, 0)
			w.exec("DELETE FROM notices WHERE campaign = ?", w.run.Campaign)
			w.exec("DELETE FROM cursors WHERE reader = 'notices' AND campaign = ?", w.run.Campaign)
			w.exec("DELETE FROM dead_letters WHERE reader = 'notices' AND campaign = ?", w.run.Campaign)
			if done := w.again(ReplayEntries{To: []string{"inbox"}}); done.Readers["inbox"].Dead != 0 || done.open() != 0 {
				t.Errorf("an inbox from nothing: %+v, want the letter read as it was put back", done.Readers["inbox"])
			}
			w.wantReport("with an inbox from nothing", 0, 0)

			// From too late on there is a hole, which is told and not jumped over.
			w.exec("DELETE FROM notices WHERE campaign = ?", w.run.Campaign)
			w.exec("DELETE FROM cursors WHERE reader = 'notices' AND campaign = ?", w.run.Campaign)
			offsets := map[int32]int64{}
			for p := range int32(w.cfg.Kafka.Partitions) {
				end, err := w.bus.End(t.Context(), w.topics.Entries, p)
				w.must(err)
				offsets[p] = max(0, end-2)
			}
			if done := w.again(ReplayEntries{To: []string{"inbox"}, Offsets: offsets}); done.open() == 0 || len(done.Readers["inbox"].Gaps) == 0 || done.Readers["inbox"].Entries != 0 {
				t.Errorf("from too late on: %+v, want holes", done.Readers["inbox"])
			}
			w.again(ReplayEntries{To: []string{"inbox"}, Shards: []int{0, event.Bank}})
			w.again(ReplayEntries{To: []string{"inbox"}, Shards: []int{1, 2, 3}})
			w.wantReport("shard by shard", 0, 0)

			// A reader that is further than Kafka is told.
			w.exec("UPDATE cursors SET seq = seq + 5 WHERE reader = 'notices' AND campaign = ? AND shard = 2", w.run.Campaign)
			if done := w.again(ReplayEntries{}); len(done.Readers["inbox"].Ahead) != 1 || done.open() != 1 || !strings.Contains(done.Readers["inbox"].Ahead[0], "again.1.2") {
				t.Errorf("ahead: %+v", done.Readers["inbox"])
			}
		})
	}
}

func (w *world) exec(query string, args ...any) {
	w.Helper()
	_, err := w.sql.ExecContext(context.Background(), query, args...)
	w.must(err)
}

// boardKeys are the keys of the run's board, scores first.
func (w *world) boardKeys() []string {
	tag := fmt.Sprintf("%s:{board.%s.%d}:", w.cfg.Namespace, w.run.Campaign, w.run.Number)
	return []string{tag + "z", tag + "at"}
}

// claimsOf are claims of the world's rounds, as their ends gave them out.
func (w *world) claimsOf(rounds []settled) (texts []string) {
	w.Helper()
	for _, r := range rounds {
		texts = append(texts, w.runKeys().SignClaim(game.Claim{Campaign: w.run.Campaign, Run: 1, Shard: int64(r.shard), At: r.at, Round: r.Round}))
	}
	return texts
}

// Claims in a file: of rounds that are there, of a settle that was lost, of others, and lines that are none.
func TestReplay_claims(t *testing.T) {
	for name, configOf := range installations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, openStack(t, configOf(t)), "claims", 3, 30, 1)
			w.buryThem()
			rounds := w.rounds[:5]
			lost := rounds[0] // a round of which nobody has heard, settled before the pools were opened anew
			lost.Number += 1
			lost.Paid, lost.Computed, lost.Total = 6, 6, lost.Total+6
			texts := w.claimsOf(append(slices.Clone(rounds), lost))
			text := "# what people sent us\n\n" + strings.Join(texts, "\r\n") + "\nno claim at all!\n" + strings.Repeat("x", 5000) + "\n" + texts[0] + "A\n" + texts[0]
			plays := game.New(game.Deps{
				Catalog: w.catalog, Rounds: w.stack.rounds, Levels: w.view, Coins: newDraws(w.stack.pools), Archive: archive{w.ledger}, Book: book{w.ledger},
			})
			w.must(w.copies.Publish(t.Context(), w.campaign))
			send := func(dry bool, f ClaimFilter) Replayed {
				done, err := replay(t.Context(), plays.Replay, Replay{Claims: strings.NewReader(text), Filter: f, Rate: 100_000, DryRun: dry})
				w.must(err)
				return done
			}
			look := send(true, ClaimFilter{})
			if look.Records != 8 || look.Damaged != 2 || look.Outcomes["already_granted"] != 6 || look.Outcomes["lost"] != 1 || look.Outcomes["invalid"] != 1 || look.Coins != 6 {
				t.Errorf("a look: %+v", look)
			}
			if done := send(false, ClaimFilter{User: "dev:nobody"}); done.Skipped != 7 || done.Outcomes["granted"] != 0 {
				t.Errorf("of nobody: %+v", done)
			}
			if done := send(false, ClaimFilter{Campaign: "claims", Run: 1, User: lost.User, Shards: []int{lost.shard}, Since: time.Now().Add(-2 * time.Hour), Until: time.Now().Add(time.Hour)}); done.Outcomes["granted"] != 1 || done.Coins != 6 {
				t.Errorf("of the one: %+v", done)
			}
			w.relayAll()
			w.buryThem()
			for range 2 {
				if done := send(false, ClaimFilter{}); done.Outcomes["already_granted"] != 7 || done.Coins != 0 || done.Open() != 0 {
					t.Errorf("again: %+v", done)
				}
			}
			wantClean(t, w.check(t.Context(), nil, reconcile.Options{}))
		})
	}
}

// The filter judges by the claim's own words; each of them counts.
func TestClaimFilter(t *testing.T) {
	keyring, err := game.NewKeyring("m", map[string][]byte{"m": []byte("a master key for tests")})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := keyring.RunKeys("m", "demo", 3)
	if err != nil {
		t.Fatal(err)
	}
	at := time.UnixMilli(1_795_233_600_123)
	claim := keys.SignClaim(game.Claim{Campaign: "demo", Run: 3, Shard: 2, At: event.Position{Epoch: 1, Seq: 9}, Round: event.Round{User: "dev:ann", Number: 1, StartEpoch: 1, SettledAt: at.UnixMilli()}})
	for _, c := range []struct {
		f    ClaimFilter
		want bool
	}{
		{ClaimFilter{}, true}, {ClaimFilter{Campaign: "demo"}, true}, {ClaimFilter{Campaign: "dem"}, false}, {ClaimFilter{Run: 3}, true}, {ClaimFilter{Run: 2}, false},
		{ClaimFilter{User: "dev:ann"}, true}, {ClaimFilter{User: "ann"}, false}, {ClaimFilter{Shards: []int{0, 2}}, true}, {ClaimFilter{Shards: []int{1}}, false},
		{ClaimFilter{Since: at}, true}, {ClaimFilter{Since: at.Add(time.Millisecond)}, false}, {ClaimFilter{Until: at}, false}, {ClaimFilter{Until: at.Add(time.Millisecond)}, true},
		{ClaimFilter{Campaign: "demo", Run: 3, User: "dev:bob"}, false},
	} {
		if got := c.f.passes(claim); got != c.want {
			t.Errorf("%+v: got %v", c.f, got)
		}
	}
	if f := (ClaimFilter{User: "dev:bob"}); !f.passes("nonsense") {
		t.Error("what is no claim is not told to be none")
	}
}

// A rate is kept to.
func TestPace(t *testing.T) {
	p, began := newPace(1000), time.Now()
	for range 20 {
		if err := p.wait(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took < 185*time.Millisecond || took > 2*time.Second {
		t.Errorf("200 at 1000 a second took %s", took)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.wait(ended, 1_000_000); err == nil {
		t.Error("an ended context is not told")
	}
}
