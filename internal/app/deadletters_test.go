package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/event/letters"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/ops/reconcile"
)

var ann = letters.Who{Name: "ann", Host: "here"}

// buryThem lets the consumers of all readers read the log, until each of them has come to its end.
func (w *world) buryThem() {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	defer cancel()
	ended := make(chan struct{}, 3)
	readers := w.readers()
	for _, r := range readers {
		go func() { r.run(ctx); ended <- struct{}{} }()
	}
	for deadline := time.Now().Add(time.Minute); ; pause(ctx, 50*time.Millisecond) {
		behind := int64(0)
		for _, r := range readers {
			lag, err := w.bus.Lag(ctx, w.group(r.name), w.topics.Entries)
			if err != nil { // a group's coordinator takes a moment to know it
				behind++
			}
			for _, n := range lag {
				behind += n
			}
		}
		if behind == 0 {
			break
		}
		if time.Now().After(deadline) {
			w.Fatalf("the readers are %d messages behind", behind)
		}
	}
	cancel()
	for range readers {
		<-ended
	}
}

// poison sends entries to the log, those of the given places as nobody can read them.
func (w *world) poison(entries []event.Entry, dead ...int) {
	w.Helper()
	for i, e := range entries {
		m, err := e.Message(w.topics.Entries)
		w.must(err)
		for _, d := range dead {
			if d == i {
				m.Value = m.Value[:len(m.Value)/2]
			}
		}
		w.must(w.bus.Produce(w.Context(), m))
	}
}

func (w *world) letters(f letters.Filter) []letters.Letter {
	w.Helper()
	list, more, err := w.desk(nil).List(w.Context(), f, 1000, true, nil)
	w.must(err)
	if more != 0 {
		w.Errorf("%d more letters", more)
	}
	return list
}

func valueOf(t testing.TB, e event.Entry) []byte {
	t.Helper()
	value, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// wantReport wants a report without a difference, with so many entries and coins in dead letters.
func (w *world) wantReport(when string, dead, coins int64) {
	w.Helper()
	r := w.check(w.Context(), nil, reconcile.Options{})
	wantClean(w, r)
	if r.Total.Dead != dead || r.Total.DeadCoins != coins {
		w.Errorf("%s: got %d dead letters with %d coins, want %d with %d", when, r.Total.Dead, r.Total.DeadCoins, dead, coins)
	}
	quick, err := w.checker(reconcile.Options{}).Quick(w.Context(), subjectOf(w.campaign))
	w.must(err)
	wantClean(w, quick)
}

// Entries that nobody can read are buried, edited and sent again, one reader after the other: the books agree at every
// step, each coin is granted once, and a run that is read from nothing has them too.
func TestDeadLetters(t *testing.T) {
	for name, configOf := range installations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, openStack(t, configOf(t)), "dead", 4, 60, 2)
			w.buryThem()
			w.coins = 7
			unread := w.settledIn(1, 4)
			w.poison(unread, 1, 2)
			if _, err := inventory.New(w.stack.pools).Draw(t.Context(), w.run, 2, 9000); err != nil {
				t.Fatal(err)
			}
			w.coins = 8000
			rich := w.settledIn(2, 1)
			w.poison(rich, 0) // the credit, without which the round is more than the shard ever had
			for _, shard := range w.run.Pools() {
				w.must(w.relay.Drain(t.Context(), w.run, shard))
			}
			w.buryThem()
			if r := w.check(t.Context(), nil, reconcile.Options{}); r.Total.Held != 8000 {
				t.Errorf("before: %d coins held, want 8000", r.Total.Held)
			}
			w.wantReport("before", 3, 14)

			all := w.letters(letters.Filter{Campaign: "dead"})
			if len(all) != 9 {
				t.Fatalf("%d letters, want 3 of each of 3 groups", len(all))
			}
			// Once as it is: it is buried anew, and the first one is done with.
			desk := w.desk(w.returners())
			first := all[0].ID
			results, _, err := desk.Resend(t.Context(), letters.Order{IDs: []letters.ID{first, first}, Max: 10, By: ann})
			w.must(err)
			if len(results) != 1 || results[0].Outcome != letters.Buried || results[0].Successor == "" {
				t.Fatalf("an unreadable letter sent again: %+v", results)
			}
			if results, _, err = desk.Resend(t.Context(), letters.Order{IDs: []letters.ID{first}, Max: 10, By: ann}); err != nil || results[0].Outcome != letters.Before {
				t.Errorf("and once more: %+v, %v", results, err)
			}
			anew := w.letters(letters.Filter{Waiting: true})
			if len(anew) != 9 || anew[8].Message.Headers[event.HeaderAgain] != first.String() || anew[8].Group() != all[0].Group() ||
				anew[8].Message.Headers[event.HeaderOrigin] != all[0].Message.Headers[event.HeaderOrigin] || anew[8].ID.String() != results0(w, first) {
				t.Errorf("buried anew: %+v", anew[len(anew)-1].Doc())
			}
			right := map[string]event.Entry{}
			for _, e := range append(unread, rich...) {
				right[fmt.Sprint(e.Source, e.Position)] = e
			}
			for _, l := range anew {
				e := right[fmt.Sprint(l.Source, l.Position)]
				edited, err := desk.Edit(t.Context(), l.ID, valueOf(t, e), ann, "cut off")
				if _, unread := edited.Entry(); err != nil || unread != nil || edited.Edited() != 1 {
					t.Fatalf("edit: %+v, %v, %v", edited.Doc(), err, unread)
				}
			}
			for i, group := range []string{"notices", "board", "ledger"} {
				f := letters.Filter{Group: group}
				dry, _, err := desk.Resend(t.Context(), letters.Order{Filter: f, Max: 2, By: ann, DryRun: true})
				if err != nil || len(dry) != 2 || dry[0].Outcome != letters.WouldSend {
					t.Errorf("%s, a look: %+v, %v", group, dry, err)
				}
				for _, batch := range []int{2, 1, 0} { // in batches of two
					done, more, err := desk.Resend(t.Context(), letters.Order{Filter: f, Max: 2, By: ann})
					w.must(err)
					if len(done) != batch || more != int64(batch/2) {
						t.Errorf("%s: sent %d and %d more, want %d", group, len(done), more, batch)
					}
					for _, r := range done {
						if r.Outcome != letters.Sent && !(group == "board" && r.Outcome == letters.Counted) { // a credit raises no total
							t.Errorf("%s: %s came to %s", group, r.ID, r.Outcome)
						}
					}
					if group != "ledger" {
						w.wantReport(fmt.Sprintf("step %d", i), 3, 14)
					}
				}
			}
			w.wantReport("after", 0, 0)
			results, _, err = desk.Resend(t.Context(), letters.Order{Filter: letters.Filter{Campaign: "dead"}, Max: 100, By: ann, Again: true})
			w.must(err)
			counted, buried := 0, 0
			for _, r := range results {
				switch r.Outcome {
				case letters.Counted:
					counted++
				case letters.Buried: // the first one, which nobody edited
					buried++
				}
			}
			if counted != 9 || buried != 1 {
				t.Errorf("all again: %d counted before, %d were buried, want 9 and 1", counted, buried)
			}
			w.wantReport("again", 0, 0)
			if r := w.check(t.Context(), nil, reconcile.Options{}); r.Total.Held != 0 {
				t.Errorf("%d coins are held still, though the credit is there", r.Total.Held)
			}
			// A board from nothing, and pools from nothing.
			for _, key := range w.keysOfRun() {
				w.must(w.stack.redis.Client().Del(t.Context(), key).Err())
			}
			w.must(w.board.Reset(t.Context(), w.run))
			if _, err := w.rebuildBoardOf(t.Context(), w.campaign); err != nil {
				t.Fatal(err)
			}
			opened, err := w.opener.Open(t.Context(), w.run, w.campaign.Since)
			w.must(err)
			if len(opened.Pools) != 2 {
				t.Errorf("opened %v, want the two that were gone", opened.Pools)
			}
			w.relayAll()
			w.wantReport("from nothing", 0, 0)
		})
	}
}

// results0 is the letter that a letter was buried in anew.
func results0(w *world, id letters.ID) string {
	l, err := w.desk(nil).Letter(w.Context(), id)
	w.must(err)
	return l.Resends[0].Successor
}

// keysOfRun are the two pools that had letters.
func (w *world) keysOfRun() (list []string) {
	for _, shard := range []int{1, 2} {
		list = append(list, w.keys.Of(w.run).Pool(shard))
	}
	return list
}

// What is put back and was never so is named, with the letter, whoever edited it, and the rounds: with coins that the pool
// never issued, whether its own words cover that or not, in the middle of the history and at its end.
func TestDeadLetters_aLie(t *testing.T) {
	for name, lie := range map[string]func(e *event.Entry){
		"more coins": func(e *event.Entry) {
			e.Rounds[0].Paid, e.Rounds[0].Computed, e.Rounds[0].Total = e.Rounds[0].Paid+500, e.Rounds[0].Computed+500, e.Rounds[0].Total+500
		},
		"more coins, and a state to match": func(e *event.Entry) {
			e.Rounds[0].Paid, e.Rounds[0].Computed, e.Rounds[0].Total = e.Rounds[0].Paid+500, e.Rounds[0].Computed+500, e.Rounds[0].Total+500
			e.State.Left, e.State.Issued = e.State.Left-500, e.State.Issued+500
		},
	} {
		for place, last := range map[string]bool{"in the middle": false, "at the end": true} {
			t.Run(name+" "+place, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, openStack(t, embeddedConfig(t)), "lie", 2, 40, 2)
				w.buryThem()
				entries := w.settledIn(1, 3)
				at := 1
				if last {
					at = len(entries) - 1
				}
				w.poison(entries, at)
				w.buryThem()
				if last {
					w.wantReport("before", 1, 0) // what the last entry paid, only the next one would tell
				} else {
					w.wantReport("before", 1, entries[at].Paid())
				}
				forged := entries[at]
				forged.Rounds = append([]event.Round(nil), forged.Rounds...)
				lie(&forged)
				desk := w.desk(w.returners())
				for _, l := range w.letters(letters.Filter{}) {
					if _, err := desk.Edit(t.Context(), l.ID, valueOf(t, forged), letters.Who{Name: "eve", Host: "there"}, "they asked for it"); err != nil {
						t.Fatal(err)
					}
				}
				done, _, err := desk.Resend(t.Context(), letters.Order{Max: 10, By: ann})
				if err != nil || len(done) != 3 {
					t.Fatalf("%+v, %v", done, err)
				}
				r := w.check(t.Context(), nil, reconcile.Options{})
				var text strings.Builder
				w.must(r.Write(&text))
				if r.OK || !strings.Contains(text.String(), "ledger.letter") || !strings.Contains(text.String(), "edited by eve: they asked for it") ||
					!strings.Contains(text.String(), forged.Rounds[0].ID(forged.Source)) {
					t.Errorf("reconcile does not name it:\n%s", text.String())
				}
			})
		}
	}
}

// Who edits or asks for what is not there is told so.
func TestDesk_refuses(t *testing.T) {
	w := newWorld(t, openStack(t, embeddedConfig(t)), "desk", 2, 20, 1)
	w.buryThem()
	entries := w.settledIn(0, 2)
	w.poison(entries, 0)
	w.buryThem()
	desk := w.desk(w.returners())
	list := w.letters(letters.Filter{Group: "ledger"})
	if len(list) != 1 {
		t.Fatalf("%d letters", len(list))
	}
	id := list[0].ID
	nowhere := id
	nowhere.Offset += 100
	for _, bad := range []letters.ID{nowhere, {Topic: id.Topic, Partition: 7}, {Topic: "other"}} {
		if _, err := desk.Letter(t.Context(), bad); !errors.Is(err, letters.ErrNotFound) {
			t.Errorf("%s: got %v", bad, err)
		}
	}
	// An entry of another place is no entry for this one.
	if _, err := desk.Edit(t.Context(), id, valueOf(t, entries[1]), ann, "mistaken"); err != nil {
		t.Fatal(err)
	}
	done, _, err := desk.Resend(t.Context(), letters.Order{IDs: []letters.ID{id}, Max: 1, By: ann, DryRun: true})
	if err != nil || done[0].Outcome != letters.WouldBury || !strings.Contains(done[0].Why, "stands in the place of") {
		t.Errorf("got %+v, %v", done, err)
	}
	// Two who edit the same letter at once: one of them is told.
	store := desk.Store
	l, err := desk.Letter(t.Context(), id)
	w.must(err)
	e := letters.Edit{Letter: id, At: time.Now(), By: ann, Why: "x", Before: l.Value(), After: []byte("y")}
	w.must(store.Edit(t.Context(), e, l.Edited()))
	if err := store.Edit(t.Context(), e, l.Edited()); !errors.Is(err, letters.ErrStale) {
		t.Errorf("the second edit: got %v", err)
	}
	// The same value again is no edit.
	if l, err := desk.Edit(t.Context(), id, []byte("y"), ann, "again"); err != nil || l.Edited() != 2 {
		t.Errorf("got %d edits, %v, want 2", l.Edited(), err)
	}
	// A group that is none of ours.
	strange := event.Letter(list[0].Message, w.topics.Dead, "somebody.else", errors.New("no"))
	w.must(w.bus.Produce(t.Context(), strange))
	done, _, err = desk.Resend(t.Context(), letters.Order{Filter: letters.Filter{Group: "somebody.else"}, Max: 1, By: ann})
	if err != nil || len(done) != 1 || done[0].Outcome != letters.NoReader || !done[0].Outcome.Open() {
		t.Errorf("a strange group: %+v, %v", done, err)
	}
	for f, want := range map[letters.Filter]int{
		{}: 4, {Campaign: "desk"}: 4, {Campaign: "other"}: 0, {Run: 1}: 4, {Run: 2}: 0, {Reason: "UNREADABLE"}: 3, {Reason: "nonsense"}: 0,
		{Since: time.Now().Add(time.Hour)}: 0, {Until: time.Now().Add(-time.Hour)}: 0, {Since: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)}: 4,
		{Group: "board"}: 1,
	} {
		if got := len(w.letters(f)); got != want {
			t.Errorf("%+v: got %d letters, want %d", f, got, want)
		}
	}
	newest, more, err := desk.List(t.Context(), letters.Filter{}, 1, false, nil)
	if err != nil || len(newest) != 1 || more != 3 || newest[0].Group() != "somebody.else" {
		t.Errorf("the newest: %+v, %d more, %v", newest, more, err)
	}
}
