package access

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	// maxName bounds a name in characters, which is what fits beside a rank on a phone.
	maxName = 40
	// maxRaw bounds what is looked at at all, in bytes: far more than forty characters take.
	maxRaw = 4096
	// maxMarks bounds the marks on one letter. Scripts put up to three there; more reach into the lines above and below.
	maxMarks = 4
)

// Invisible characters that some scripts and emoji need between two others.
const joiners = "\u200c\u200d"

// CleanName makes of what a platform calls a player what can be shown to everybody: NFC, at most 40 characters, single
// spaces, and nothing that can't be seen or that turns the text around it: no controls, no bidi overrides, no marks
// without a letter. Empty: there is nothing to show.
func CleanName(raw string) string {
	if len(raw) > maxRaw {
		raw = raw[:maxRaw] // a character that is cut in two is no character, and goes
	}
	name := norm.NFC.String(visible(norm.NFC.String(raw)))
	if utf8.RuneCountInString(name) > maxName {
		name = string([]rune(name)[:maxName])
	}
	return strings.TrimRight(name, " "+joiners)
}

// visible keeps what can be seen, and between it single spaces and joiners.
func visible(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	var between rune // a space or joiner, written when something follows
	marks := maxMarks
	for _, r := range text {
		switch {
		case blank(r):
			between = ' '
		case strings.ContainsRune(joiners, r):
			if between == 0 {
				between = r
			}
		case !unicode.IsPrint(r) || r == utf8.RuneError || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r):
		case unicode.Is(unicode.M, r) && (between == ' ' || marks == maxMarks): // a mark on nothing, or one too many
		default:
			if unicode.Is(unicode.M, r) {
				marks++
			} else {
				marks = 0
			}
			if between != 0 && b.Len() > 0 {
				b.WriteRune(between)
			}
			between = 0
			b.WriteRune(r)
		}
	}
	return b.String()
}

// blank tells whether a character looks like a space; the empty Braille pattern does and is none.
func blank(r rune) bool { return unicode.IsSpace(r) || r == '\u2800' }
