package reward_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/reward"
	"github.com/shake-live/shake/reward/rewardtest"
)

func TestReading_stopsOneSourceAtAGap(t *testing.T) {
	a, b := rewardtest.NewWriter("demo", 0), rewardtest.NewWriter("demo", 1)
	a.Credit(1)
	a.Credit(1)
	b.Credit(1)
	a.Fence()
	r := event.NewReading(map[event.Source]event.Cursor{})
	var took []bool
	for _, e := range []event.Entry{a.Log[0], a.Log[2], a.Log[1], a.Log[3], b.Log[0], b.Log[1]} {
		took = append(took, r.Take(e))
	}
	for i, want := range []bool{true, false, false, false, true, true} {
		if took[i] != want {
			t.Errorf("entry %d: taken is %v, want %v", i, took[i], want)
		}
	}
	var g *event.GapError
	if err := r.Tally.Err(); !errors.As(err, &g) || g.Got != a.Log[2].Position {
		t.Errorf("got %v, want the gap at %s", err, a.Log[2].Position)
	}
	if (event.Tally{}).Err() != nil {
		t.Error("no gap is an error")
	}
}

// A shard never grants more than it received less what it sent, in whatever order things come.
func TestPost_cap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := rewardtest.NewWriter("demo", 0)
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			amount := rapid.Int64Range(0, 20).Draw(t, "amount")
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				w.Credit(amount + 1)
			case 1:
				w.Debit(amount + 1)
			default:
				w.End(rewardtest.Win{User: "ann", Paid: amount}, rewardtest.Win{User: "bob", Paid: amount})
			}
		}
		p := reward.Post(map[event.Source]event.Cursor{}, map[event.Source]reward.Count{}, w.Log, nil)
		c := p.Counts[w.Last().Source]
		var granted, held, paid int64
		for _, r := range p.Rounds {
			paid += r.Paid
			if r.State == reward.Granted {
				granted += r.Paid
			} else {
				held += r.Paid
			}
		}
		if granted != c.Granted || held != c.Held || granted != p.Applied.Coins || granted+held != paid {
			t.Fatalf("counts %+v, applied %+v; rows say granted %d, held %d", c, p.Applied, granted, held)
		}
		if granted > 0 && granted > c.Received {
			t.Fatalf("granted %d of %d received", granted, c.Received)
		}
	})
}

// Posting a history at once or entry by entry comes to the same.
func TestPost_batchesDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := rewardtest.NewWriter("demo", 0)
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "credit") {
				w.Credit(rapid.Int64Range(1, 20).Draw(t, "amount"))
			} else {
				w.End(rewardtest.Win{User: "ann", Paid: rapid.Int64Range(0, 20).Draw(t, "paid")})
			}
		}
		start := func() (map[event.Source]event.Cursor, map[event.Source]reward.Count) {
			return map[event.Source]event.Cursor{}, map[event.Source]reward.Count{}
		}
		cursors, counts := start()
		whole := reward.Post(cursors, counts, w.Log, nil)
		for _, e := range w.Log {
			p := reward.Post(cursors, counts, []event.Entry{e}, nil)
			cursors, counts = p.Cursors, p.Counts
		}
		source := w.Last().Source
		if whole.Counts[source] != counts[source] || whole.Cursors[source] != cursors[source] {
			t.Fatalf("at once %+v, one by one %+v", whole.Counts[source], counts[source])
		}
	})
}

func TestParseRoundID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := reward.RoundID{
			Campaign: rapid.StringMatching(`[a-z0-9-]{1,20}`).Draw(t, "campaign"),
			Run:      rapid.Int64Range(1, 1<<40).Draw(t, "run"),
			Epoch:    rapid.Int64Range(1, 1<<40).Draw(t, "epoch"),
			User:     rapid.StringN(1, 20, -1).Draw(t, "user"),
			Number:   rapid.Int64Range(1, 1<<40).Draw(t, "number"),
		}
		if got, err := reward.ParseRoundID(want.String()); err != nil || got != want {
			t.Fatalf("%s: got %+v (%v), want %+v", want, got, err, want)
		}
	})
	for _, bad := range []string{"", "a", "a.1.1.7", "a.1.1..7", ".1.1.ann.7", "a.x.1.ann.7", "a.01.1.ann.7", "a.1.1.ann.+7", "a.1.1.ann.7x"} {
		if got, err := reward.ParseRoundID(bad); err == nil {
			t.Errorf("%q: got %+v, want an error", bad, got)
		}
	}
}

func TestParseID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind, ref := rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "kind"), rapid.String().Draw(t, "ref")
		k, r, err := reward.ParseID(reward.ID(kind, ref))
		if err != nil || k != kind || r != ref {
			t.Fatalf("got %q %q (%v), want %q %q", k, r, err, kind, ref)
		}
	})
}

func FuzzParseRoundID(f *testing.F) {
	f.Add("demo.3.1.ann.7")
	f.Fuzz(func(t *testing.T, id string) {
		if r, err := reward.ParseRoundID(id); err == nil && r.String() != id {
			t.Errorf("%q was read as %q", id, r)
		}
	})
}

func FuzzParsePlace(f *testing.F) {
	f.Add("1700000000000.d2luLmRlbW8")
	f.Fuzz(func(t *testing.T, cursor string) {
		p, err := reward.ParsePlace(cursor)
		if err != nil && !errors.Is(err, reward.ErrBadPage) {
			t.Errorf("%q: %v", cursor, err)
		}
		if err == nil && cursor != "" {
			if again, err := reward.ParsePlace(p.String()); err != nil || again != p {
				t.Errorf("%q was read as %+v", cursor, p)
			}
		}
	})
}

func TestText_Fill(t *testing.T) {
	text := reward.Text{Title: "{a}", Body: "{b} {a} {c}"}
	title, body := text.Fill(map[string]string{"a": "{b}", "b": "2"})
	if title != "{b}" || body != "2 {b} {c}" {
		t.Errorf("got %q and %q: a value is text, not a wording", title, body)
	}
}
