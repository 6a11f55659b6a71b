package event

import (
	"context"
	"errors"
)

// Return is what became of an entry that was put back.
type Return string

// What can become of it.
const (
	Counts  Return = "counted" // from now on
	Counted Return = "already" // it did before
	NoUse   Return = "void"    // it never will: its host had lost the source
)

// ErrOther says that another entry stands in this place already, put back before.
var ErrOther = errors.New("another entry was put back in this place")

// Returner is a reader that can be given an entry after it has passed over it, or that it stands before. The entry
// counts once, however often it comes; the reader's cursor stays where it is, unless the entry is the next one. note
// tells where it comes from and is kept with it. A *GapError says that the reader is not that far.
type Returner interface {
	PutBack(ctx context.Context, e Entry, note string) (Return, error)
}

// Return is what a batch of one entry came to.
func (t Tally) Return() Return {
	switch {
	case t.Entries > 0:
		return Counts
	case t.Voids > 0:
		return NoUse
	}
	return Counted
}

// Instead gives the entry that was put back in the place of one that nobody can read, which reason tells. Whoever
// reads the log once more asks it, so that all read the same history. Without one it gives the reason; any other
// error says that it could not find out.
type Instead func(ctx context.Context, s Source, p Position, reason error) (Entry, error)

// Read decodes a message, or gives what was put back in its place.
func (i Instead) Read(ctx context.Context, m Message) (Entry, error) {
	e, err := Decode(m.Value)
	if err == nil || i == nil {
		return e, err
	}
	source, position, placed := m.Place()
	if !placed {
		return e, err
	}
	return i(ctx, source, position, err)
}
