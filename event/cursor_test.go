package event

import "testing"

func TestCursor_Judge(t *testing.T) {
	at := func(epoch, seq, fence int64) Cursor { return Cursor{Position{epoch, seq}, fence} }
	for _, c := range []struct {
		name   string
		cursor Cursor
		kind   Kind
		epoch  int64
		seq    int64
		want   Verdict
		after  Cursor // where a reader stands then
	}{
		{"the very first", Cursor{}, KindOpen, 1, 1, Apply, at(1, 1, 1)},
		{"the next", at(1, 5, 1), KindEnd, 1, 6, Apply, at(1, 6, 1)},
		{"the same again", at(1, 5, 1), KindEnd, 1, 5, Repeat, at(1, 5, 1)},
		{"an old one again", at(1, 5, 1), KindEnd, 1, 2, Repeat, at(1, 5, 1)},
		{"one is missing", at(1, 5, 1), KindEnd, 1, 7, Gap, at(1, 5, 1)},
		{"the first is missing", Cursor{}, KindStart, 1, 2, Gap, Cursor{}},
		{"no opening", Cursor{}, KindStart, 1, 1, Gap, Cursor{}},
		{"reopened", at(1, 5, 2), KindOpen, 2, 6, Apply, at(2, 6, 2)},
		{"reopened without a fence seen", at(1, 5, 1), KindOpen, 2, 6, Apply, at(2, 6, 2)},
		{"reopened, but the tail is missing", at(1, 5, 2), KindOpen, 2, 8, Gap, at(1, 5, 2)},
		{"new epoch without its opening", at(1, 5, 2), KindEnd, 2, 6, Gap, at(1, 5, 2)},
		{"an epoch was skipped", at(1, 5, 3), KindOpen, 3, 6, Apply, at(3, 6, 3)},
		{"repeat of the old epoch after reopening", at(2, 6, 2), KindEnd, 1, 5, Repeat, at(2, 6, 2)},
		{"lost host writes behind the reopening", at(2, 6, 2), KindEnd, 1, 7, Repeat, at(2, 6, 2)},
		{"lost host writes behind the fence", at(1, 5, 2), KindEnd, 1, 6, Void, at(1, 5, 2)},
		{"lost host, far ahead, behind the fence", at(1, 5, 2), KindEnd, 1, 9, Void, at(1, 5, 2)},
		{"repeat from before the fence", at(1, 5, 2), KindEnd, 1, 4, Repeat, at(1, 5, 2)},
		{"fence", at(1, 5, 1), KindFence, 2, 0, Apply, at(1, 5, 2)},
		{"the same fence again", at(1, 5, 2), KindFence, 2, 0, Repeat, at(1, 5, 2)},
		{"an older fence", at(1, 5, 3), KindFence, 2, 0, Repeat, at(1, 5, 3)},
		{"fence of an epoch that is open", at(2, 6, 2), KindFence, 2, 0, Repeat, at(2, 6, 2)},
		{"fence before anything", Cursor{}, KindFence, 1, 0, Apply, at(0, 0, 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := Entry{Kind: c.kind, Position: Position{c.epoch, c.seq}}
			got := c.cursor.Judge(e)
			if got != c.want {
				t.Fatalf("%+v judges %s %s: got %s, want %s", c.cursor, c.kind, e.Position, got, c.want)
			}
			after := c.cursor
			if got == Apply {
				after = c.cursor.Advance(e)
			}
			if after != c.after {
				t.Errorf("then it stands at %+v, want %+v", after, c.after)
			}
			if got == Apply && after.Judge(e) != Repeat {
				t.Errorf("the same entry again is judged %s, want repeat", after.Judge(e))
			}
		})
	}
}
