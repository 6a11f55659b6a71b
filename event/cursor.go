package event

import "fmt"

// Cursor is how far a reader has come in one source's history: the last position that counts, and the
// highest fence seen. Every reader judges by it, so all of them keep and drop the same entries.
type Cursor struct {
	Position
	Fence int64 // entries of a lower epoch are void from here on
}

// Verdict is what a reader does with an entry.
type Verdict int

const (
	Apply  Verdict = iota // the next one: take it and move on
	Repeat                // already counted: skip it in silence
	Void                  // written by a host that had lost the source: skip it and count it
	Gap                   // something before it is missing: stop, touch nothing, alarm
)

// String names the verdict as metrics and logs do.
func (v Verdict) String() string {
	return [...]string{"apply", "repeat", "void", "gap"}[v]
}

// Judge tells what to do with e. It depends on nothing but the entries seen so far.
func (c Cursor) Judge(e Entry) Verdict {
	switch {
	case e.Kind == KindFence:
		if e.Epoch <= c.Fence || e.Epoch <= c.Epoch {
			return Repeat
		}
		return Apply
	case !c.Position.Before(e.Position):
		return Repeat
	case e.Epoch < c.Fence:
		return Void
	case e.Seq != c.Seq+1:
		return Gap
	case e.Epoch != c.Epoch && e.Kind != KindOpen:
		return Gap
	default:
		return Apply
	}
}

// Advance is the cursor after e was applied.
func (c Cursor) Advance(e Entry) Cursor {
	if e.Kind == KindFence {
		c.Fence = max(c.Fence, e.Epoch)
		return c
	}
	return Cursor{Position: e.Position, Fence: max(c.Fence, e.Epoch)}
}

// GapError says that a source's history has a hole. No retry of the same message mends it.
type GapError struct {
	Source Source
	At     Cursor
	Got    Position
}

func (g *GapError) Error() string {
	return fmt.Sprintf("gap in %s: applied up to %s, got %s", g.Source, g.At.Position, g.Got)
}
