package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/shake-live/shake/internal/yamlfile"
)

// Duration is a length of time like 250ms, 10s or 168h.
type Duration time.Duration

// UnmarshalYAML reads a length like 10s.
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	v, err := time.ParseDuration(node.Value)
	if node.Kind != yaml.ScalarNode || err != nil {
		return yamlfile.Errorf(node, "want a length like 250ms or 10s")
	}
	*d = Duration(v)
	return nil
}

// MarshalYAML writes a length like 10s.
func (d Duration) MarshalYAML() (any, error) { return time.Duration(d).String(), nil }

// Secret is a reference in the file, env:NAME or file:PATH, and what it refers to. It never prints its value.
type Secret struct {
	reference string
	value     *string // behind a pointer, since fmt prints fields where a verb makes no sense, past all methods
}

// SecretOf makes a secret that is known already.
func SecretOf(value string) Secret { return Secret{value: &value} }

// Value is the secret itself.
func (s Secret) Value() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// String hides the secret.
func (s Secret) String() string { return "secret(" + s.reference + ")" }

// Format hides the secret from every verb; %d would print it otherwise.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText hides the secret from JSON and from logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalYAML reads the reference.
func (s *Secret) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return yamlfile.Errorf(node, "want env:NAME or file:PATH")
	}
	s.reference = node.Value
	return nil
}

// MarshalYAML writes the reference.
func (s Secret) MarshalYAML() (any, error) { return s.reference, nil }

// reveal finds the value. An empty reference is an empty secret.
func (s *Secret) reveal(name string, getenv func(string) string) error {
	if s.reference == "" {
		return nil
	}
	kind, where, _ := strings.Cut(s.reference, ":")
	value := ""
	switch kind {
	case "env":
		value = getenv(where)
	case "file":
		text, err := os.ReadFile(where) // #nosec G304 -- whoever configures us names the file
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		value = strings.TrimRight(string(text), "\r\n")
	default:
		return errors.New(name + ": want env:NAME or file:PATH, no secret in the file itself")
	}
	if value == "" {
		return fmt.Errorf("%s: %s is empty", name, s.reference)
	}
	s.value = &value
	return nil
}
