package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var (
	inline = regexp.MustCompile("`(shake [^`]*)`")
	alone  = regexp.MustCompile(`(?m)^(shake .*)$`)
	behind = regexp.MustCompile(`\s+(#|> ).*`)
)

// Whoever is called at night types what the runbooks say: each command of them is one, with these flags.
func TestRunbooks_commands(t *testing.T) {
	pages, err := filepath.Glob("../../docs/runbooks/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no runbooks: %v", err)
	}
	file := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	filled := strings.NewReplacer("CAMPAIGN.yaml", file, "FILE", file, "FIXED", file, "DIR", t.TempDir())
	tried := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range append(inline.FindAllStringSubmatch(string(text), -1), alone.FindAllStringSubmatch(string(text), -1)...) {
			line := behind.ReplaceAllString(m[1], "")
			if !strings.Contains(line, "--config") {
				continue // a name in a sentence, not to be typed
			}
			tried++
			var cli CLI
			parser, err := kong.New(&cli, kong.Name("shake"), kong.Writers(io.Discard, io.Discard), kong.Vars{"version": "test"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parser.Parse(strings.Fields(filled.Replace(line))[1:]); err != nil {
				t.Errorf("%s: %s: %v", filepath.Base(page), m[1], err)
			}
		}
	}
	if tried < 30 {
		t.Errorf("found %d commands alone", tried)
	}
}
