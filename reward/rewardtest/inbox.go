package rewardtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/reward"
)

// Inbox is what the exam asks of a store.
type Inbox interface {
	reward.Mailbox
	Inbox(ctx context.Context, user, before string, limit int) ([]reward.Notice, string, error)
	reward.Outstanding
	reward.Handovers
	Receipt(ctx context.Context, user, id string, at time.Time) (bool, error)
	Progress(ctx context.Context, campaign string, run int64) (map[int]event.Cursor, error)
}

// HandOverAfter is how long after its writing a notice is for the push service, in the exam.
const HandOverAfter = 5 * time.Second

// RunInbox examines an inbox. newInbox opens an empty one, which keeps notices for a push service too.
func RunInbox(t *testing.T, newInbox func(testing.TB) Inbox) {
	for name, exam := range map[string]func(*testing.T, Inbox){
		"one notice a win":       oneNoticeAWin,
		"same round, once":       sameRoundOnce,
		"gap, void, dead":        noticesGapVoidDead,
		"pages":                  inboxPages,
		"receipts":               receipts,
		"pushed until receipted": pushes,
		"handed over once":       handovers,
		"random histories":       randomNotices,
		"ids safe in an URL":     noticeIDs,
		"same time, no overlap":  sameTime,
	} {
		t.Run(name, func(t *testing.T) { exam(t, newInbox(t)) })
	}
}

func deliverAll(t *testing.T, b reward.Mailbox, entries ...event.Entry) reward.Delivered {
	t.Helper()
	d, err := b.Apply(t.Context(), entries)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func inbox(t *testing.T, b Inbox, user string) []reward.Notice {
	t.Helper()
	var all []reward.Notice
	for before := ""; ; {
		page, next, err := b.Inbox(t.Context(), user, before, 7)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page...)
		if before = next; next == "" {
			return all
		}
	}
}

func oneNoticeAWin(t *testing.T, b Inbox) {
	w := NewWriter("demo", 0)
	w.Credit(100)
	w.Start("ann", "bob")
	w.End(Win{"ann", 10}, Win{"bob", 0})
	last := w.End(Win{"ann", 5})
	if d := deliverAll(t, b, w.Log...); d.Notices != 2 || d.Entries != 5 {
		t.Errorf("delivered %+v, want 2 notices", d)
	}
	if d := deliverAll(t, b, w.Log...); d.Notices != 0 || d.Repeats != 5 {
		t.Errorf("again: delivered %+v", d)
	}
	got := inbox(t, b, "ann")
	if len(got) != 2 || got[0].Coins != 5 || got[1].Coins != 10 || len(inbox(t, b, "bob")) != 0 {
		t.Fatalf("inbox: %+v", got)
	}
	n := got[0]
	if n.ID != reward.ID(reward.KindWin, "demo.1.1.ann.2") || n.Kind != "win" || n.Round != "demo.1.1.ann.2" ||
		n.Campaign != "demo" || n.Run != 1 || n.User != "ann" || !n.ReceiptedAt.IsZero() ||
		n.At.UnixMilli() != last.Rounds[0].SettledAt {
		t.Errorf("notice: %+v", n)
	}
	if n.Title != "Coins won: 5" || n.Body != "Round 2 paid 5. Your coins in this game: 15." || n.Params["total"] != "15" {
		t.Errorf("wording: %q %q %v", n.Title, n.Body, n.Params)
	}
	progress, err := b.Progress(t.Context(), "demo", 1)
	if err != nil || progress[0].Position != last.Position {
		t.Errorf("progress: %v (%v)", progress, err)
	}
}

func sameRoundOnce(t *testing.T, b Inbox) {
	x, y := NewWriter("demo", 0), NewWriter("demo", 1)
	x.End(Win{"ann", 10})
	y.End(Win{"bob", 1}, Win{"ann", 99})
	deliverAll(t, b, x.Log...)
	if d := deliverAll(t, b, y.Log...); d.Notices != 1 {
		t.Errorf("delivered %+v, want bob's alone", d)
	}
	if got := inbox(t, b, "ann"); len(got) != 1 || got[0].Coins != 10 {
		t.Errorf("inbox: %+v", got)
	}
}

func noticesGapVoidDead(t *testing.T, b Inbox) {
	w := NewWriter("demo", 0)
	w.End(Win{"ann", 1})
	w.End(Win{"ann", 2})
	w.End(Win{"ann", 3})
	var g *event.GapError
	if d, err := b.Apply(t.Context(), append(w.Log[:2:2], w.Log[3])); !errors.As(err, &g) || d.Notices != 1 {
		t.Errorf("gap: got %+v, %v", d, err)
	}
	if err := b.SkipDead(t.Context(), w.source, w.Log[2].Position, "not JSON"); err != nil {
		t.Fatal(err)
	}
	deliverAll(t, b, w.Log[3])
	zombie := w.lost()
	zombie.End(Win{"ann", 50})
	w.Fence()
	if d := deliverAll(t, b, w.Last(), zombie.Log[0]); d.Voids != 1 || d.Notices != 0 {
		t.Errorf("void: %+v", d)
	}
	if got := inbox(t, b, "ann"); len(got) != 2 || got[0].Coins != 3 || got[1].Coins != 1 {
		t.Errorf("inbox: %+v", got)
	}
	if d, r, err := b.PutBack(t.Context(), w.Log[2], ""); err != nil || r != event.Counts || d.Notices != 1 || len(d.Fresh) != 1 {
		t.Errorf("put back: %+v, %s, %v", d, r, err)
	}
	if d, r, err := b.PutBack(t.Context(), w.Log[2], ""); err != nil || r != event.Counted || d.Notices != 0 || len(d.Fresh) != 0 {
		t.Errorf("put back again: %+v, %s, %v", d, r, err)
	}
	if got := inbox(t, b, "ann"); len(got) != 3 {
		t.Errorf("inbox: %+v, want the notice that was put back too", got)
	}
}

func inboxPages(t *testing.T, b Inbox) {
	w := NewWriter("demo", 0)
	for i := range 25 {
		w.End(Win{"ann", int64(i + 1)}, Win{"bob", 1})
	}
	deliverAll(t, b, w.Log...)
	got := inbox(t, b, "ann")
	for i, n := range got {
		if n.Coins != int64(25-i) {
			t.Fatalf("newest first: notice %d has %d coins", i, n.Coins)
		}
	}
	if len(got) != 25 {
		t.Errorf("got %d notices, want 25", len(got))
	}
	if _, next, err := b.Inbox(t.Context(), "ann", "", 25); err != nil || next != "" {
		t.Errorf("exactly one page: next %q (%v)", next, err)
	}
	for _, bad := range []string{"x", "12", "a.b"} {
		if _, _, err := b.Inbox(t.Context(), "ann", bad, 5); !errors.Is(err, reward.ErrBadPage) {
			t.Errorf("page %q: got %v, want ErrBadPage", bad, err)
		}
	}
}

// Notices of one millisecond are told apart by id: none is left out at a page's edge, none comes twice.
func sameTime(t *testing.T, b Inbox) {
	w := NewWriter("demo", 0)
	var wins []Win
	for range 20 {
		wins = append(wins, Win{"ann", 1})
	}
	e := w.End(wins...)
	for i := range e.Rounds {
		e.Rounds[i].SettledAt = 1_700_000_000_000
	}
	deliverAll(t, b, w.Log...)
	seen := map[string]bool{}
	for _, n := range inbox(t, b, "ann") {
		seen[n.ID] = true
	}
	if len(seen) != 20 {
		t.Errorf("got %d notices, want 20", len(seen))
	}
}

func receipts(t *testing.T, b Inbox) {
	w := NewWriter("demo", 0)
	w.End(Win{"ann", 1})
	deliverAll(t, b, w.Log...)
	id := inbox(t, b, "ann")[0].ID
	first := time.UnixMilli(1_700_000_100_000).UTC()
	for i := range 3 {
		if is, err := b.Receipt(t.Context(), "ann", id, first.Add(time.Duration(i)*time.Hour)); err != nil || is != (i == 0) {
			t.Fatal(err)
		}
	}
	if got := inbox(t, b, "ann")[0].ReceiptedAt; !got.Equal(first) {
		t.Errorf("receipted at %v, want the first time, %v", got, first)
	}
	deliverAll(t, b, w.Log...)
	if got := inbox(t, b, "ann")[0].ReceiptedAt; !got.Equal(first) {
		t.Errorf("a repeated entry took the receipt away: %v", got)
	}
	for _, c := range [][2]string{{"bob", id}, {"Ann", id}, {"ann", id + "x"}, {"ann", ""}} {
		if _, err := b.Receipt(t.Context(), c[0], c[1], first); !errors.Is(err, reward.ErrNotFound) {
			t.Errorf("%q receipts %q: got %v, want ErrNotFound", c[0], c[1], err)
		}
	}
}

func noticeIDs(t *testing.T, b Inbox) {
	w := NewWriter("demo", 0)
	for _, user := range []string{"a/b?c#d%20", "🦆", "ann", "ann "} {
		w.End(Win{user, 1})
		deliverAll(t, b, w.Log...)
		for _, c := range inbox(t, b, user)[0].ID {
			if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
				t.Errorf("%q: %q in the id", user, c)
			}
		}
	}
}

func randomNotices(t *testing.T, b Inbox) {
	for seed := range uint64(seeds) {
		campaign := fmt.Sprint("random", seed)
		rng := rand.New(rand.NewPCG(seed, 1))
		tr := randomHistory(rng, campaign, 40)
		deliver(t, rng, tr.log, func(batch []event.Entry) error {
			_, err := b.Apply(t.Context(), batch)
			return err
		})
		wins := 0
		for user, coins := range tr.coins {
			var got int64
			for _, n := range inbox(t, b, user) {
				if n.Campaign == campaign {
					got += n.Coins
					wins++
				}
			}
			if got != coins {
				t.Errorf("seed %d: notices of %s tell of %d coins, want %d", seed, user, got, coins)
			}
		}
		if wins != tr.wins || len(inbox(t, b, "nobody")) != 0 {
			t.Errorf("seed %d: got %d notices, want %d, and none for nobody", seed, wins, tr.wins)
		}
	}
}

// pushes: a notice is due again 5 s, 30 s, 2 min and 10 min after its first push, until its receipt comes; who comes back
// is told what he has not seen.
func pushes(t *testing.T, b Inbox) {
	w := NewWriter("demo", 0)
	w.Credit(100)
	w.Start("ann", "bob")
	w.End(Win{"ann", 10}, Win{"bob", 7})
	began := time.Now()
	if d := deliverAll(t, b, w.Log...); len(d.Fresh) != 2 {
		t.Errorf("got %d fresh notices, want 2 to push", len(d.Fresh))
	}
	if d := deliverAll(t, b, w.Log...); len(d.Fresh) != 0 {
		t.Errorf("again: got %d fresh notices, want none", len(d.Fresh))
	}
	due := func(after time.Duration, want ...string) {
		t.Helper()
		var got []string
		for {
			list, err := b.Due(t.Context(), began.Add(after), 1)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				break
			}
			got = append(got, list[0].User)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("after %s got %v to push, want %v", after, got, want)
		}
	}
	unseen := func(want ...string) {
		t.Helper()
		list, err := b.Unseen(t.Context(), []string{"ann", "bob", "nobody"}, 10)
		got := make([]string, 0, len(list))
		for _, n := range list {
			got = append(got, n.User)
		}
		if slices.Sort(got); err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v unseen, %v, want %v", got, err, want)
		}
	}
	const slack = 3 * time.Second // the first push is noted by the store's own clock
	due(4 * time.Second)
	due(5*time.Second+slack, "ann", "bob")
	due(29 * time.Second)
	unseen("ann", "bob")
	if _, err := b.Receipt(t.Context(), "bob", inbox(t, b, "bob")[0].ID, began); err != nil {
		t.Fatal(err)
	}
	unseen("ann")
	due(30*time.Second+slack, "ann")
	due(119 * time.Second)
	due(2*time.Minute+slack, "ann")
	due(10*time.Minute - slack)
	due(10*time.Minute+slack, "ann")
	due(24 * time.Hour)
	unseen()
	if n := len(inbox(t, b, "ann")); n != 1 {
		t.Errorf("ann's inbox has %d notices, want the one that nobody showed her", n)
	}
}

// handovers: each notice is given to the push service until that is done, unless it was shown meanwhile; one whose
// claimer died is given again.
func handovers(t *testing.T, b Inbox) {
	w := NewWriter("demo", 0)
	w.Credit(100)
	w.Start("ann", "bob", "cid")
	w.End(Win{"ann", 10}, Win{"bob", 7}, Win{"cid", 5})
	began := time.Now()
	deliverAll(t, b, w.Log...)
	deliverAll(t, b, w.Log...)
	const slack = 3 * time.Second // the store notes the time by its own clock
	claim := func(after time.Duration, limit int, want ...string) map[string]string {
		t.Helper()
		list, err := b.Claim(t.Context(), began.Add(after), began.Add(after+time.Minute), limit)
		var got []string
		ids := map[string]string{}
		for _, h := range list {
			got = append(got, fmt.Sprint(h.User, " ", h.Coins, " ", h.Params["coins"], " ", h.Tries))
			ids[h.User] = h.ID
		}
		if slices.Sort(got); err != nil || !slices.Equal(got, want) {
			t.Errorf("after %s got %q, %v, want %q", after, got, err, want)
		}
		return ids
	}
	waiting := func(atMost, want int) {
		t.Helper()
		if n, err := b.Waiting(t.Context(), atMost); err != nil || n != want {
			t.Errorf("%d wait, %v, want %d", n, err, want)
		}
	}
	waiting(2, 2)
	waiting(10, 3)
	claim(HandOverAfter-time.Second, 10)
	if n := len(claimSome(t, b, began.Add(HandOverAfter+slack), 2)) + len(claimSome(t, b, began.Add(HandOverAfter+slack), 2)); n != 3 {
		t.Errorf("got %d notices in two claims of 2, want 3", n)
	}
	claim(HandOverAfter+slack, 10) // all are claimed
	if _, err := b.Receipt(t.Context(), "bob", inbox(t, b, "bob")[0].ID, began); err != nil {
		t.Fatal(err)
	}
	ids := claim(2*time.Minute, 10, "ann 10 10 0", "cid 5 5 0") // nobody told what became of them
	for range 2 {
		if err := b.Done(t.Context(), []string{ids["cid"], "not there"}); err != nil {
			t.Error(err)
		}
	}
	if err := b.Later(t.Context(), map[string]time.Time{ids["ann"]: began.Add(time.Hour), ids["cid"]: began}); err != nil {
		t.Error(err)
	}
	claim(time.Hour-time.Second, 10)
	claim(time.Hour, 10, "ann 10 10 1")
	waiting(10, 1)
	if err := errors.Join(b.Done(t.Context(), nil), b.Later(t.Context(), nil), b.Done(t.Context(), []string{ids["ann"]})); err != nil {
		t.Error(err)
	}
	waiting(10, 0)
	if d := deliverAll(t, b, w.Log...); d.Repeats == 0 {
		t.Errorf("got %+v, want repeats", d)
	}
	waiting(10, 0)
}

func claimSome(t *testing.T, b Inbox, now time.Time, limit int) []reward.Handover {
	t.Helper()
	list, err := b.Claim(t.Context(), now, now.Add(time.Minute), limit)
	if err != nil {
		t.Fatal(err)
	}
	return list
}
