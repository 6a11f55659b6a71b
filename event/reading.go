package event

import "errors"

// Tally counts what a reader did with the entries of a batch.
type Tally struct {
	Entries int // taken
	Repeats int // counted before
	Voids   int // written by a host that had lost its source
	Gaps    []*GapError
}

// Err is nil unless a source's history has a hole; errors.As finds the first one's GapError.
func (t Tally) Err() error {
	errs := make([]error, len(t.Gaps))
	for i, g := range t.Gaps {
		errs[i] = g
	}
	return errors.Join(errs...)
}

// Reading judges a batch entry by entry and moves the cursors along.
//
// At a gap it stops that source and goes on with the others. They do not depend on each other, and when the
// batch comes again, as it does after an error, everything taken now is a repeat then.
type Reading struct {
	Cursors map[Source]Cursor
	Tally   Tally
	stuck   map[Source]bool
}

// NewReading starts from where the reader is; a source without a cursor is at its beginning.
func NewReading(cursors map[Source]Cursor) *Reading {
	return &Reading{Cursors: cursors, stuck: map[Source]bool{}}
}

// Take tells whether the entry is to be applied.
func (r *Reading) Take(e Entry) bool {
	if r.stuck[e.Source] {
		return false
	}
	c := r.Cursors[e.Source]
	switch c.Judge(e) {
	case Apply:
		r.Cursors[e.Source] = c.Advance(e)
		r.Tally.Entries++
		return true
	case Gap:
		r.stuck[e.Source] = true
		r.Tally.Gaps = append(r.Tally.Gaps, &GapError{Source: e.Source, At: c, Got: e.Position})
	case Void:
		r.Tally.Voids++
	case Repeat:
		r.Tally.Repeats++
	}
	return false
}

// SkipDead is the cursor after passing over an entry that nobody could read, and whether it moved. All that
// is known of such an entry is its position, so it may have been the one that opened a new epoch; without a
// seq it was a fence, whose position is all it says.
func (c Cursor) SkipDead(s Source, p Position) (Cursor, bool, error) {
	e := Entry{Kind: KindOpen, Source: s, Position: p}
	if p.Seq == 0 {
		e.Kind = KindFence
	}
	switch c.Judge(e) {
	case Apply:
		return c.Advance(e), true, nil
	case Gap:
		return c, false, &GapError{Source: s, At: c, Got: p}
	default:
		return c, false, nil
	}
}
