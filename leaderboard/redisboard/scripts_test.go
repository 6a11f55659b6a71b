package redisboard

import (
	"regexp"
	"strings"
	"testing"
)

var (
	used  = regexp.MustCompile(`(KEYS|ARGV)\[(\d+)\]`)
	named = regexp.MustCompile(`(?m)^-- (KEYS|ARGV)(.*)$`)
)

// The header of a script names each slot that its body uses, and says what it gives.
func TestScripts_headers(t *testing.T) {
	for name, source := range map[string]string{"apply": applySource, "around": aroundSource} {
		if !strings.HasPrefix(source, "-- "+name+": ") || !strings.Contains(source, "\n-- gives ") {
			t.Errorf("%s: no header that says what it does and gives", name)
		}
		header := map[string]string{}
		for _, m := range named.FindAllStringSubmatch(source, -1) {
			header[m[1]] = m[2] + " "
		}
		for _, m := range used.FindAllStringSubmatch(source, -1) {
			if !strings.Contains(header[m[1]], "  "+m[2]+" ") && !strings.Contains(header[m[1]], " "+m[2]+" ") {
				t.Errorf("%s: the header does not name %s", name, m[0])
			}
		}
	}
}
