package letters_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/event/letters"
)

func TestParseID(t *testing.T) {
	want := letters.ID{Topic: "shake.entries.dead", Partition: 3, Offset: 17}
	for _, text := range []string{"shake.entries.dead/3/17", "3/17"} {
		if got, err := letters.ParseID(text, want.Topic); err != nil || got != want {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
		if err := letters.CheckID(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"", "17", "other/3/17", "/3/17", "3/-1", "-3/1", "+3/1", "3/1 ", "a/b", "shake.entries.dead/3/17/", "9999999999/1", "0/99999999999999999999"} {
		if got, err := letters.ParseID(text, want.Topic); !errors.Is(err, letters.ErrBadID) {
			t.Errorf("%q: got %+v, %v, want it refused", text, got, err)
		}
	}
}

// Whatever is taken for an id comes back as it was, and is the same id when read again.
func FuzzParseID(f *testing.F) {
	for _, seed := range []string{"shake.entries.dead/0/17", "0/17", "x/0/1", "", "//", "0/-0", "00/017"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const topic = "shake.entries.dead"
		id, err := letters.ParseID(text, topic)
		if err != nil {
			return
		}
		if err := letters.CheckID(text); err != nil {
			t.Errorf("%q is an id, and CheckID says %v", text, err)
		}
		if again, err := letters.ParseID(id.String(), topic); err != nil || again != id || id.Partition < 0 || id.Offset < 0 || id.Topic != topic {
			t.Errorf("%q: got %+v, and then %+v, %v", text, id, again, err)
		}
	})
}

func TestShow(t *testing.T) {
	for value, want := range map[string]letters.Value{
		`{"a":1}`:  {Form: "json", Text: "{\n  \"a\": 1\n}"},
		`{"a":1`:   {Form: "text", Text: `"{\"a\":1"`},
		"\x00\xff": {Form: "hex", Text: "00ff"},
		"":         {Form: "text", Text: `""`},
	} {
		if got := letters.Show([]byte(value)); *got != want {
			t.Errorf("%q: got %+v, want %+v", value, *got, want)
		}
	}
	if got := letters.Show([]byte(strings.Repeat("é", 40_000))); got.Form != "text" || got.More == 0 || strings.ContainsRune(got.Text, '\uFFFD') {
		t.Errorf("a long text: %s, %d more", got.Form, got.More)
	}
}

// What is shown is JSON that says the same, or the very bytes.
func FuzzShow(f *testing.F) {
	for _, seed := range []string{"{}", "{", "\xff", "\"", "é", "[1e999]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		got := letters.Show(value)
		switch got.Form {
		case "json":
			var a, b strings.Builder
			if err := errors.Join(compact(&a, value), compact(&b, []byte(got.Text))); err != nil || a.String() != b.String() {
				t.Errorf("%q is shown as %q: %v", value, got.Text, err)
			}
		case "text":
			if back, err := strconv.Unquote(got.Text); err != nil || got.More == 0 && back != string(value) {
				t.Errorf("%q is shown as %q", value, got.Text)
			}
		case "hex":
			if back, err := hex.DecodeString(got.Text); err != nil || got.More == 0 && string(back) != string(value) {
				t.Errorf("%q is shown as %q", value, got.Text)
			}
		}
	})
}

func compact(into *strings.Builder, value []byte) error {
	var raw json.RawMessage
	if err := json.Unmarshal(value, &raw); err != nil {
		return err
	}
	for _, r := range string(raw) {
		if !strings.ContainsRune(" \n\r\t", r) {
			into.WriteRune(r)
		}
	}
	return nil
}

// An entry goes back to its own place alone.
func TestLetter_Entry(t *testing.T) {
	e := event.Entry{Kind: event.KindDry, Source: event.Source{Campaign: "demo", Run: 1, Shard: 2}, Position: event.Position{Epoch: 1, Seq: 5}}
	value, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	l := letters.Letter{Message: event.Message{Value: value}, Source: e.Source, Position: e.Position, Placed: true}
	if got, err := l.Entry(); err != nil || got.Position != e.Position {
		t.Errorf("got %+v, %v", got, err)
	}
	l.Position.Seq++
	if _, err := l.Entry(); !errors.Is(err, event.ErrPoison) {
		t.Errorf("of another place: got %v", err)
	}
	l.Placed = false // nobody knows its place, so its own words count
	if _, err := l.Entry(); err != nil {
		t.Errorf("of no place: %v", err)
	}
	l.Edits = []letters.Edit{{After: []byte("?")}}
	if _, err := l.Entry(); !errors.Is(err, event.ErrPoison) {
		t.Errorf("edited: got %v", err)
	}
}
