// Package letters looks after the dead letters: entries that a consumer group could not read. A person lists them, looks at
// one, edits it on record, and sends it again, to the group that buried it and to no other.
//
// A letter lies in the log of dead letters as it was buried, for as long as that log is kept, and is never changed there.
// What was done about it stands in a Store. That a letter is sent again only once is for convenience; that its entry counts
// only once is the reader's own doing, see event.Returner.
package letters

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/shake-live/shake/event"
)

var (
	// ErrNotFound says that no letter lies in a place.
	ErrNotFound = errors.New("no such letter")
	// ErrBadID says that a text names no letter.
	ErrBadID = errors.New("bad letter id")
)

// ID is the place of a letter in the log of dead letters.
type ID struct {
	Topic     string
	Partition int32
	Offset    int64
}

// String gives topic/partition/offset.
func (id ID) String() string { return fmt.Sprintf("%s/%d/%d", id.Topic, id.Partition, id.Offset) }

// CheckID tells whether a text can be the id of a letter of some topic.
func CheckID(text string) error {
	topic, _, _ := strings.Cut(text, "/")
	if strings.Count(text, "/") == 1 {
		topic = "x"
	}
	_, err := ParseID(text, topic)
	return err
}

// MarshalText gives the same.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// ParseID reads what String wrote, in the given topic; without a topic in the text it is that one.
func ParseID(text, topic string) (ID, error) {
	parts := strings.Split(text, "/")
	if len(parts) == 2 {
		parts = append([]string{topic}, parts...)
	}
	if len(parts) != 3 || parts[0] != topic {
		return ID{}, fmt.Errorf("%w %q: want %s/PARTITION/OFFSET, or PARTITION/OFFSET", ErrBadID, text, topic)
	}
	if parts[0] == "" {
		return ID{}, fmt.Errorf("%w %q: no topic", ErrBadID, text)
	}
	partition, err1 := strconv.ParseUint(parts[1], 10, 31)
	offset, err2 := strconv.ParseUint(parts[2], 10, 63)
	if err1 != nil || err2 != nil {
		return ID{}, fmt.Errorf("%w %q: partition and offset are whole numbers", ErrBadID, text)
	}
	return ID{Topic: topic, Partition: int32(partition), Offset: int64(offset)}, nil
}

// Letter is a dead letter with all that was done about it.
type Letter struct {
	ID       ID
	Message  event.Message
	Source   event.Source
	Position event.Position
	Placed   bool // Source and Position are known; without them no reader has passed over it
	Note
}

// Note is what was done about a letter.
type Note struct {
	Edits   []Edit   // oldest first
	Resends []Resend // oldest first
}

// Who does something, and from where.
type Who struct{ Name, Host string }

// Edit is one change of what is sent again.
type Edit struct {
	Letter ID
	Number int64 // from 1 on; set by the store
	At     time.Time
	By     Who
	Why    string
	Before []byte
	After  []byte
}

// Resend is one sending.
type Resend struct {
	Letter    ID
	Number    int64 // from 1 on; set by the store
	At        time.Time
	By        Who
	Edit      int64 // which edit was sent; 0: the letter as it was
	Outcome   Outcome
	Successor string // id of the letter that it was buried in anew
}

// Group is who buried it.
func (l *Letter) Group() string { return l.Message.Headers[event.HeaderGroup] }

// Reason is why.
func (l *Letter) Reason() string { return l.Message.Headers[event.HeaderReason] }

// Value is what would be sent now: the last edit, or the letter as it was.
func (l *Letter) Value() []byte {
	if n := len(l.Edits); n > 0 {
		return l.Edits[n-1].After
	}
	return l.Message.Value
}

// Edited is the number of the last edit; 0: there is none.
func (l *Letter) Edited() int64 { return int64(len(l.Edits)) }

// Waits tells whether nobody has sent it again yet.
func (l *Letter) Waits() bool { return len(l.Resends) == 0 }

// Entry reads what would be sent. It must be an entry of the very place that the letter's reader has passed over.
func (l *Letter) Entry() (event.Entry, error) {
	e, err := event.Decode(l.Value())
	if err == nil && l.Placed && (e.Source != l.Source || e.Position != l.Position) {
		err = fmt.Errorf("%w: it says %s %s, and stands in the place of %s %s", event.ErrPoison, e.Source, e.Position, l.Source, l.Position)
	}
	return e, err
}

// Store keeps what was done about letters.
type Store interface {
	// Notes gives what was done about these; who has none is left out.
	Notes(ctx context.Context, ids []ID) (map[ID]Note, error)
	// Edit records an edit that follows edit number after; ErrStale if another one came between.
	Edit(ctx context.Context, e Edit, after int64) error
	// Resent records a sending.
	Resent(ctx context.Context, r Resend) error
}

// ErrStale says that somebody else edited the letter meanwhile.
var ErrStale = errors.New("somebody else has edited the letter meanwhile")

// Filter chooses letters. The zero value of a field lets all through.
type Filter struct {
	Group    string
	Campaign string
	Run      int64
	Reason   string // a part of it, in any case of letters
	Since    time.Time
	Until    time.Time
	Waiting  bool // not sent again yet
}

// matches tells whether a letter is meant, as far as the letter alone tells.
func (f *Filter) matches(l *Letter) bool {
	of, _ := event.ParseSource(l.Message.Key)
	return (f.Group == "" || groupIs(l.Group(), f.Group)) &&
		(f.Campaign == "" || of.Campaign == f.Campaign) &&
		(f.Run == 0 || of.Run == f.Run) &&
		(f.Reason == "" || strings.Contains(strings.ToLower(l.Reason()), strings.ToLower(f.Reason))) &&
		(f.Since.IsZero() || !l.Message.At.Before(f.Since)) &&
		(f.Until.IsZero() || l.Message.At.Before(f.Until))
}

// groupIs lets a group go by its name without the namespace.
func groupIs(group, name string) bool { return group == name || strings.HasSuffix(group, "."+name) }
