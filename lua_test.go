package shake_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	luaIndex = regexp.MustCompile(`\b(KEYS|ARGV)\[(\d+)\]`)
	luaWord  = regexp.MustCompile(`'ok', stamp, '([a-z]+)`)
)

// TestLuaHeaders holds header and body of every script together: the header names the script, each key and argument
// that the body takes by number, and each word that it answers with.
func TestLuaHeaders(t *testing.T) {
	scripts := 0
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".lua") || strings.HasPrefix(name, ".") {
			return err
		}
		scripts++
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		checkScript(t, name, string(text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if scripts < 10 {
		t.Errorf("found %d scripts: the walk has missed some", scripts)
	}
}

func checkScript(t *testing.T, name, text string) {
	header, body := split(text)
	short := strings.TrimSuffix(filepath.Base(name), ".lua")
	if !strings.HasPrefix(header, "-- "+short+": ") {
		t.Errorf("%s: the header does not begin with its name", name)
	}
	for _, want := range []string{"-- KEYS  ", "-- gives "} {
		if !strings.Contains(header, want) {
			t.Errorf("%s: the header has no line %q", name, want)
		}
	}
	for _, m := range luaIndex.FindAllStringSubmatch(body, -1) {
		if !documented(header, m[1], m[2]) {
			t.Errorf("%s: the header does not name %s %s", name, m[1], m[2])
		}
	}
	for _, m := range luaWord.FindAllStringSubmatch(body, -1) {
		if !regexp.MustCompile(`\b` + m[1] + `\b`).MatchString(header) {
			t.Errorf("%s: the header does not tell of the answer %q", name, m[1])
		}
	}
}

// split parts the leading comment from the rest.
func split(text string) (header, body string) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "--") {
			break
		}
		header += line
	}
	return header, strings.TrimPrefix(text, header)
}

// documented tells whether "n name" stands in the header's part on KEYS or ARGV.
func documented(header, kind, number string) bool {
	part, inside := "", false
	for line := range strings.Lines(header) {
		switch {
		case strings.HasPrefix(line, "-- "+kind+"  "):
			inside = true
		case strings.HasPrefix(line, "-- KEYS") || strings.HasPrefix(line, "-- ARGV") || strings.HasPrefix(line, "-- gives"):
			inside = false
		}
		if inside {
			part += line
		}
	}
	return regexp.MustCompile(`(^|\s)` + number + `[ …]`).MatchString(part)
}
