package event

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

var (
	demoShard = Source{Campaign: "demo", Run: 3, Shard: 2}
	demoBank  = Source{Campaign: "demo", Run: 3, Shard: Bank}
)

// goldens has one entry of each kind. Their JSON is what other programs parse: a difference from the golden
// file is a change of the schema, and docs/events.md says what that takes.
func goldens() map[Kind]Entry {
	const at = 1795233600123
	return map[Kind]Entry{
		KindOpen: {Source: demoShard, Position: Position{2, 41}, At: at,
			State: State{Left: 950, Issued: 50, Received: 1000},
			Open:  &Open{Host: "8e1f1cf8d2a0c6a3f3d1f4b9a7c5e3d1b2a49687", Previous: Position{1, 40}}},
		KindStart: {Source: demoShard, Position: Position{2, 42}, At: at,
			State:  State{Left: 950, Issued: 50, Received: 1000},
			Starts: []Start{{User: "u7f3a", Number: 7, At: at}, {User: "u9b21", Number: 1, At: at + 4}}},
		KindEnd: {Source: demoShard, Position: Position{2, 43}, At: at,
			State: State{Left: 938, Issued: 62, Received: 1000},
			Rounds: []Round{{User: "u7f3a", Number: 7, StartEpoch: 2, StartedAt: at - 10000, Shakes: 74, ElapsedMS: 9870,
				Computed: 12, Paid: 12, Total: 96, ChancesLeft: 43, SettledAt: at}}},
		KindClaim: {Source: demoShard, Position: Position{3, 46}, At: at,
			State: State{Left: 920, Issued: 80, Received: 1000},
			Rounds: []Round{{User: "u7f3a", Number: 8, StartEpoch: 2, StartedAt: at - 95000, Shakes: 60, ElapsedMS: 10000,
				Computed: 11, Paid: 11, Total: 107, ChancesLeft: 42, SettledAt: at},
				{User: "u9b21", Number: 3, StartEpoch: 2, StartedAt: at - 96000, Shakes: 41, ElapsedMS: 10000,
					Computed: 7, Paid: 7, Total: 31, ChancesLeft: 47, SettledAt: at}},
			Lost: []Lost{{Position: Position{2, 45}, SettledAt: at - 85000},
				{Position: Position{2, 46}, SettledAt: at - 84990, Beside: true, Extra: 7}}},
		KindFund: {Source: demoBank, Position: Position{1, 2}, At: at,
			State:   State{Left: 1000000, Funded: 1000000},
			Funding: &Funding{Number: 1, Amount: 1000000}},
		KindDebit: {Source: demoBank, Position: Position{1, 3}, At: at,
			State:    State{Left: 999000, Funded: 1000000, Sent: 1000},
			Transfer: &Transfer{Peer: 2, Number: 1, Amount: 1000}},
		KindCredit: {Source: demoShard, Position: Position{1, 2}, At: at,
			State:    State{Left: 1000, Received: 1000},
			Transfer: &Transfer{Peer: Bank, Number: 1, Amount: 1000}},
		KindDry: {Source: demoShard, Position: Position{2, 44}, At: at,
			State: State{Left: 938, Issued: 62, Received: 1000, Dry: true}},
		KindFence: {Source: demoShard, Position: Position{Epoch: 3}, At: at},
	}
}

func goldenFile(k Kind) string { return filepath.Join("testdata", string(k)+".json") }

func TestEntry_golden(t *testing.T) {
	for kind, e := range goldens() {
		t.Run(string(kind), func(t *testing.T) {
			e.V, e.Kind = kind.Version(), kind
			value, err := e.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				writeGolden(t, kind, value)
			}
			golden, err := os.ReadFile(goldenFile(kind))
			if err != nil {
				t.Fatal(err)
			}
			want := jsontext.Value(bytes.Clone(golden))
			if err := want.Compact(); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(value, want) {
				t.Errorf("encoded\n%s, the golden file has\n%s", value, want)
			}
			got, err := Decode(golden)
			if err != nil || !reflect.DeepEqual(got, e) {
				t.Errorf("decoded\n%+v, %v, want\n%+v", got, err, e)
			}
		})
	}
}

func writeGolden(t *testing.T, k Kind, value []byte) {
	t.Helper()
	v := jsontext.Value(bytes.Clone(value))
	if err := v.Indent(jsontext.WithIndent("  ")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenFile(k), append(v, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The document shows the golden files as they are.
func TestEntry_documented(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "docs", "events.md"))
	if err != nil {
		t.Fatal(err)
	}
	for kind := range goldens() {
		golden, err := os.ReadFile(goldenFile(kind))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(doc, []byte("```json\n"+string(golden)+"```")) {
			t.Errorf("docs/events.md lacks %s as it is in %s", kind, goldenFile(kind))
		}
	}
	for _, header := range []string{HeaderKind, HeaderPosition, HeaderReason, HeaderGroup, HeaderOrigin} {
		if !bytes.Contains(doc, []byte("`"+header+"`")) {
			t.Errorf("docs/events.md lacks the header %s", header)
		}
	}
}
