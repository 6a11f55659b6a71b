package access_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/shake-live/shake/access"
)

func TestCleanName(t *testing.T) {
	for raw, want := range map[string]string{
		"ann":                    "ann",
		"Łukasz Żółć":            "Łukasz Żółć",
		"Z\u0307o\u0301łc\u0301": "Żółć", // as some phones type it
		"王小明":                    "王小明",
		"นภัสสร ก้องเกียรติ":               "นภัสสร ก้องเกียรติ",
		"محمد\u200cعلی":                    "محمد\u200cعلی", // Persian needs the joiner's opposite
		"👩\u200d👩\u200d👧 ☀\ufe0f":          "👩\u200d👩\u200d👧 ☀\ufe0f",
		"<b>Ann</b> & Bob":                 "<b>Ann</b> & Bob", // pages set text as text
		"  ann \t\u00a0\u3000\n lee ":      "ann lee",
		"\u202eevil\u202c \u2066x\u2069":   "evil x",
		"a\u200b\u00ad\ufeffb\x00\x1b[0m":  "ab[0m",
		"\u200d\u200cann\u200d":            "ann",
		"a\u200d\u200d\u200cb":             "a\u200db",
		"a\u200d b":                        "a b",
		"\u0301\u0301ann":                  "ann",
		"ann \u0301lee":                    "ann lee",
		"a" + strings.Repeat("\u0334", 60): "a" + strings.Repeat("\u0334", 4),
		"e\u200b\u0301":                    "é",
		"ann\xff\xfe":                      "ann",
		strings.Repeat("ż", 50):            strings.Repeat("ż", 40),
		strings.Repeat("z", 39) + " zz":    strings.Repeat("z", 39),
		strings.Repeat("x", 1<<20):         strings.Repeat("x", 40),

		"": "", " \n\t": "", "\u200d": "", "\u202e": "", "\u3164": "", "\u2800 \u2800": "", "\x00": "", "\u0301": "", "\ufffd": "", "\ue000": "",
	} {
		if got := access.CleanName(raw); got != want {
			t.Errorf("%.80q: got %q, want %q", raw, got, want)
		}
	}
}

// Whatever a platform says, what is shown has these properties, and is not changed by cleaning it again.
func FuzzCleanName(f *testing.F) {
	for _, raw := range []string{
		"ann", " Łukasz  Żółć\n", "\u202eevil", "e\u200b\u0301", "\u0344\u0344\u0344\u0344\u0344", "a\u200d\u200d b\u200c", "\u0f73\u0f75", "각\u11a8", "\xff",
		strings.Repeat("\u0958", 40), strings.Repeat("a\u0301\u0316", 60), "\u2800\u3164", strings.Repeat("x", 39) + "\u200dy",
	} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		name := access.CleanName(raw)
		if !utf8.ValidString(name) || utf8.RuneCountInString(name) > 40 || !norm.NFC.IsNormalString(name) {
			t.Errorf("%q: got %q, want at most 40 characters in NFC", raw, name)
		}
		for _, r := range name {
			if unicode.In(r, unicode.Cc, unicode.Bidi_Control, unicode.Co, unicode.Zl, unicode.Zp) || unicode.IsSpace(r) && r != ' ' || r == utf8.RuneError {
				t.Errorf("%q: got %q with %U", raw, name, r)
			}
		}
		if strings.TrimSpace(name) != name || strings.Contains(name, "  ") {
			t.Errorf("%q: got %q, want single spaces between words", raw, name)
		}
		if name != "" && !strings.ContainsFunc(name, func(r rune) bool { return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) }) {
			t.Errorf("%q: got %q, in which there is nothing to see", raw, name)
		}
		if again := access.CleanName(name); again != name {
			t.Errorf("%q: got %q, and %q of that", raw, name, again)
		}
	})
}
