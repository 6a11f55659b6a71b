package event

import (
	"errors"
	"os"
	"reflect"
	"testing"
)

func TestDecode_poison(t *testing.T) {
	with := func(change func(*Entry)) Entry {
		e := goldens()[KindEnd]
		e.Kind = KindEnd
		e.Rounds = append([]Round(nil), e.Rounds...)
		change(&e)
		return e
	}
	for name, e := range map[string]Entry{
		"no campaign":                 with(func(e *Entry) { e.Campaign = "" }),
		"no run":                      with(func(e *Entry) { e.Run = 0 }),
		"shard below bank":            with(func(e *Entry) { e.Shard = -2 }),
		"no epoch":                    with(func(e *Entry) { e.Epoch = 0 }),
		"no seq":                      with(func(e *Entry) { e.Seq = 0 }),
		"does not balance":            with(func(e *Entry) { e.State.Left++ }),
		"negative pool":               with(func(e *Entry) { e.State = State{Left: -1, Issued: 1} }),
		"no rounds":                   with(func(e *Entry) { e.Rounds = nil }),
		"no user":                     with(func(e *Entry) { e.Rounds[0].User = "" }),
		"paid over computed":          with(func(e *Entry) { e.Rounds[0].Paid = 13 }),
		"total under paid":            with(func(e *Entry) { e.Rounds[0].Total = 11 }),
		"unknown kind":                with(func(e *Entry) { e.Kind = "party" }),
		"start without body":          {Kind: KindStart, Source: demoShard, Position: Position{1, 1}},
		"debit of nothing":            {Kind: KindDebit, Source: demoShard, Position: Position{1, 1}, Transfer: &Transfer{Number: 1}},
		"unnumbered funding":          {Kind: KindFund, Source: demoBank, Position: Position{1, 1}, Funding: &Funding{Amount: 1}},
		"claim without what was lost": with(func(e *Entry) { e.Kind = KindClaim }),
		"claim of this very epoch":    with(func(e *Entry) { e.Kind, e.Lost = KindClaim, []Lost{{Position: e.Position}} }),
		"claim of more than rounds": with(func(e *Entry) {
			e.Kind, e.Lost = KindClaim, []Lost{{Position: Position{1, 1}}, {Position: Position{1, 1}}}
		}),
		"claim with more extra than coins": with(func(e *Entry) {
			e.Kind, e.Lost = KindClaim, []Lost{{Position: Position{1, 1}, Extra: 97}}
		}),
		"open without a host": {Kind: KindOpen, Source: demoShard, Position: Position{1, 1}, Open: &Open{}},
	} {
		value, err := e.Encode()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := Decode(value); !errors.Is(err, ErrPoison) {
			t.Errorf("%s: got %+v, %v, want poison", name, got, err)
		}
	}
	for _, text := range []string{"", "null", "[]", `{"v":1`, `{"v":3,"kind":"dry","campaign":"demo","run":1,"epoch":1,"seq":1}`, `{"v":1,"kind":"claim","campaign":"demo","run":1,"epoch":2,"seq":1}`, `{"v":"1"}`} {
		if _, err := Decode([]byte(text)); !errors.Is(err, ErrPoison) {
			t.Errorf("%q: got %v, want poison", text, err)
		}
	}
}

func TestRound_ID(t *testing.T) {
	if got, want := goldens()[KindEnd].Rounds[0].ID(demoShard), "demo.3.2.u7f3a.7"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What Decode lets through says the same after another trip.
func FuzzDecode(f *testing.F) {
	for kind := range goldens() {
		golden, err := os.ReadFile(goldenFile(kind))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(golden)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		e, err := Decode(value)
		if err != nil {
			if !errors.Is(err, ErrPoison) {
				t.Fatalf("%q: got %v, want poison", value, err)
			}
			return
		}
		again, err := e.Encode()
		if err != nil {
			t.Fatalf("%q: decoded, yet it does not encode: %v", value, err)
		}
		e.V = e.Kind.Version() // Encode writes the lowest one
		if got, err := Decode(again); err != nil || !reflect.DeepEqual(got, e) {
			t.Fatalf("%q: got %+v, %v after a second trip, want %+v", value, got, err, e)
		}
	})
}

func FuzzParseSource(f *testing.F) {
	for _, s := range []string{"demo.3.2", "demo.3.bank", "demo.3.-1", "demo.03.2", ".1.1", "a.b.1.1", "demo.9223372036854775808.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		s, err := ParseSource(key)
		if err == nil && s.String() != key {
			t.Fatalf("%q was read as %+v, which is %q", key, s, s)
		}
	})
}

func FuzzParsePosition(f *testing.F) {
	for _, s := range []string{"1-1", "2-0", "0-0", "-1-1", "1--1", "1", "9223372036854775807-9223372036854775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		p, err := ParsePosition(id)
		if err != nil {
			return
		}
		if again, err := ParsePosition(p.String()); err != nil || again != p || p.Epoch < 0 || p.Seq < 0 {
			t.Fatalf("%q was read as %+v, and that as %+v, %v", id, p, again, err)
		}
	})
}
