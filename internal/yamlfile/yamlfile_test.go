package yamlfile_test

import (
	"strings"
	"testing"

	"github.com/shake-live/shake/internal/yamlfile"
)

type file struct {
	N    int64          `yaml:"n"`
	Rows []struct{}     `yaml:"rows"`
	Maps map[string]int `yaml:"maps"`
	Deep *file          `yaml:"deep"`
}

func TestDecode(t *testing.T) {
	got := file{N: 7}
	if err := yamlfile.Decode(nil, &got); err != nil || got.N != 7 {
		t.Errorf("nothing: got %+v, %v, want what was there", got, err)
	}
	for _, text := range []string{"n: 1_000", "n: 1000", "n: 1e3", "maps: {n: &a 5}\nn: 1000"} {
		if err := yamlfile.Decode([]byte(text), &got); err != nil || got.N != 1000 {
			t.Errorf("%s: got %+v, %v, want 1000", text, got, err)
		}
	}
}

func TestDecode_refuses(t *testing.T) {
	for text, want := range map[string]string{
		"n: 2.5":                  "[1:4] want a whole number that fits",
		"n: 0100":                 "[1:4] \"0100\": want a decimal number without a leading zero",
		"n: -0x10":                "want a decimal number",
		"maps: {a: 1, b: 010}":    "want a decimal number",
		"n: 1\nn: 2":              "[2:1] mapping key \"n\" already defined",
		"m: 1":                    `[1:1] unknown field "m"`,
		"n: 1\n---\n{}":           "want one document, not two",
		"n: hunter2":              "[1:4] want a whole number that fits",
		"rows:\n  ! #":            "[2:3]",
		"deep: &d {deep: *d}":     "contains itself",
		"n: [":                    "[2:1]",
		"n: 99999999999999999999": "want a whole number that fits",
		"- 1":                     "[1:1] no place for a value of kind seq",
	} {
		err := yamlfile.Decode([]byte(text), new(file))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got %v, want one line with %q", text, err, want)
		}
	}
}

// What nobody foresaw is an error, never a panic.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"n: 1", "rows:\n  ! #", "maps: {a: 1}", "maps: &a {b: *a}", "deep: &d {deep: *d}", "rows: &r [*r]", "<<: {n: 1}", "? :", "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(_ *testing.T, text []byte) { _ = yamlfile.Decode(text, new(file)) })
}
