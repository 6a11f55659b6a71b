// Package yamlfile reads the YAML files that people write for Shake so strictly that a slip is told and not guessed at:
// one document, no unknown or repeated fields, no number that two people would read in two ways.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Decode reads text over what v points to; an empty text changes nothing. What is wrong is told on one line with its
// position, and without what stands there: somebody may have put a secret into the wrong place.
func Decode(text []byte, v any) error {
	loader, err := yaml.NewLoader(bytes.NewReader(text))
	if err != nil {
		return err
	}
	var file yaml.Node
	if err := loader.Load(&file); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		return plain(err)
	}
	if err := loader.Load(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("want one document, not two")
	}
	if err := clear(&file); err != nil {
		return err
	}
	return Load(&file, v)
}

// Load reads what stands at a node as strictly as Decode, for an UnmarshalYAML that looks at the node first.
func Load(node *yaml.Node, v any) error {
	return plain(node.Load(v, yaml.WithKnownFields(), yaml.WithUniqueKeys()))
}

// ambiguous integers are octal to YAML 1.1 and decimal to people, or written in a base that no file of ours needs.
var ambiguous = regexp.MustCompile(`^[-+]?0[0-9xXoObB_]`)

// clear refuses numbers that two people would read in two ways: in a pool of coins 0100 must not be 64.
func clear(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!int" && ambiguous.MatchString(n.Value) {
		return Errorf(n, "%.20q: want a decimal number without a leading zero", n.Value)
	}
	for _, child := range n.Content { // an alias points to what is walked where it stands
		if err := clear(child); err != nil {
			return err
		}
	}
	return nil
}

// words puts the library's messages about Go types into words for whoever wrote the file, without the value.
var words = []struct {
	from *regexp.Regexp
	to   string
}{
	{regexp.MustCompile("`[^`]*` ?"), ""},
	{regexp.MustCompile(`^field (.*) not found in type .*$`), `unknown field "$1"`},
	{regexp.MustCompile(`^cannot construct \S+ into u?int\d*$`), "want a whole number that fits"},
	{regexp.MustCompile(`^cannot construct \S+ into float\d+$`), "want a number"},
	{regexp.MustCompile(`^cannot construct !*(\S+) into .*$`), "no place for a value of kind $1"},
}

// plain puts what the library found into one line of ours.
func plain(err error) error {
	if err == nil {
		return nil
	}
	var found []*yaml.LoadError
	var many *yaml.LoadErrors
	var one *yaml.LoadError
	switch {
	case errors.As(err, &many):
		found = many.Errors
	case errors.As(err, &one):
		found = append(found, one)
	default:
		return errors.New("not YAML that can be read")
	}
	lines := make([]string, len(found))
	for i, e := range found {
		if own := new(wanted); errors.As(e, own) {
			lines[i] = own.Error()
			continue
		}
		message := e.Message
		for _, w := range words {
			message = w.from.ReplaceAllString(message, w.to)
		}
		lines[i] = fmt.Sprintf("[%d:%d] %s", e.Mark.Line, e.Mark.Column, message)
	}
	return wanted(strings.Join(strings.Fields(strings.Join(lines, "; ")), " "))
}

// wanted is an error of our own making, with its position in it.
type wanted string

func (w wanted) Error() string { return string(w) }

// Errorf says what was wanted where node stands.
func Errorf(node *yaml.Node, format string, args ...any) error {
	return wanted(fmt.Sprintf("[%d:%d] "+format, append([]any{node.Line, node.Column}, args...)...))
}
