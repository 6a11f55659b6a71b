package letters

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/shake-live/shake/event"
)

// Doc is a letter as a document.
type Doc struct {
	ID       ID        `json:"id"`
	At       time.Time `json:"at"` // when it was buried
	Group    string    `json:"group"`
	Key      string    `json:"key"`                // the entry's source
	Position string    `json:"position,omitempty"` // missing where the message did not tell
	Kind     string    `json:"kind,omitempty"`
	Reason   string    `json:"reason"`
	Origin   string    `json:"origin"`          // topic/partition/offset of the message
	Again    string    `json:"again,omitempty"` // the letter that it was before, sent again in vain
	Bytes    int       `json:"bytes"`
	Readable bool      `json:"readable"`         // what would be sent now
	Unread   string    `json:"unread,omitempty"` // why it is not
	State    string    `json:"state"`            // waiting, edited, resent
	Outcome  Outcome   `json:"outcome,omitempty"`
	Next     string    `json:"successor,omitempty"`

	// What follows is told of a letter that is looked at alone.
	Headers map[string]string `json:"headers,omitempty"`
	Buried  *Value            `json:"buried,omitempty"`  // as it was buried
	Now     *Value            `json:"now,omitempty"`     // what would be sent, if that is something else
	Entry   *event.Entry      `json:"entry,omitempty"`   // the same, as it is read
	Edits   []EditDoc         `json:"edits,omitempty"`   // oldest first
	Resends []ResendDoc       `json:"resends,omitempty"` // oldest first
}

// Value is bytes that a person is to read.
type Value struct {
	Form string `json:"form"` // json; text: quoted as Go does; hex
	Text string `json:"text"`
	More int    `json:"more_bytes,omitempty"` // that were left off
}

// EditDoc is an Edit as a document.
type EditDoc struct {
	Number int64     `json:"number"`
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Host   string    `json:"host"`
	Why    string    `json:"why"`
	Before *Value    `json:"before"`
	After  *Value    `json:"after"`
}

// ResendDoc is a Resend as a document.
type ResendDoc struct {
	Number  int64     `json:"number"`
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	Host    string    `json:"host"`
	Edit    int64     `json:"edit"` // 0: as it was
	Outcome Outcome   `json:"outcome"`
	Next    string    `json:"successor,omitempty"`
}

// Doc tells a letter.
func (l *Letter) Doc() Doc {
	h := l.Message.Headers
	_, err := l.Entry()
	d := Doc{
		ID: l.ID, At: l.Message.At.UTC(), Group: l.Group(), Key: l.Message.Key, Position: h[event.HeaderPosition], Kind: h[event.HeaderKind], Reason: l.Reason(),
		Origin: h[event.HeaderOrigin], Again: h[event.HeaderAgain], Bytes: len(l.Message.Value), Readable: err == nil, State: "waiting",
	}
	if err != nil {
		d.Unread = err.Error()
	}
	if l.Edited() > 0 {
		d.State = "edited"
	}
	if n := len(l.Resends); n > 0 {
		d.State, d.Outcome, d.Next = "resent", l.Resends[n-1].Outcome, l.Resends[n-1].Successor
	}
	return d
}

// Detail tells all of a letter.
func (l *Letter) Detail() Doc {
	d := l.Doc()
	d.Headers, d.Buried = l.Message.Headers, Show(l.Message.Value)
	if l.Edited() > 0 {
		d.Now = Show(l.Value())
	}
	if e, err := l.Entry(); err == nil {
		d.Entry = &e
	}
	for _, e := range l.Edits {
		d.Edits = append(d.Edits, EditDoc{e.Number, e.At, e.By.Name, e.By.Host, e.Why, Show(e.Before), Show(e.After)})
	}
	for _, r := range l.Resends {
		d.Resends = append(d.Resends, ResendDoc{r.Number, r.At, r.By.Name, r.By.Host, r.Edit, r.Outcome, r.Successor})
	}
	return d
}

// maxShown bounds what is shown of a value; --raw has all of it.
const maxShown = 64 << 10

// Show makes bytes readable whatever they are: JSON with its lines, text in quotes, all else in hex.
func Show(value []byte) *Value {
	more := max(0, len(value)-maxShown)
	if more == 0 && json.Valid(value) {
		var b bytes.Buffer
		if json.Indent(&b, value, "", "  ") == nil && utf8.Valid(value) {
			return &Value{Form: "json", Text: b.String()}
		}
	}
	shown := value[:len(value)-more]
	for more > 0 && len(shown) > 0 && !utf8.Valid(shown) && utf8.Valid(value) { // not through the middle of a letter
		shown, more = shown[:len(shown)-1], more+1
	}
	if utf8.Valid(shown) {
		return &Value{Form: "text", Text: strconv.Quote(string(shown)), More: more}
	}
	return &Value{Form: "hex", Text: hex.EncodeToString(shown), More: more}
}
