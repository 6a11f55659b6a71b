// Command mutate breaks the program in ways that must not go unnoticed, one after the other, and runs the fault or the test
// that is to notice. A suite that cannot fail proves nothing.
//
//	go run ./test/faults/mutate           all mutations
//	go run ./test/faults/mutate NAME …    some
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/shake-live/shake/internal/testenv"
)

// mutation is one way in which the program could be wrong.
type mutation struct {
	name  string
	edits []edit
	fault string   // that notices
	test  []string // or the package's test that does: arguments of go test
}

// edit replaces a text that stands in the file exactly once.
type edit struct{ file, old, new string }

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(names []string) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MUTATION\tNOTICED BY\tTOOK\tNOTICED")
	missed := 0
	for _, m := range mutations {
		if len(names) > 0 && !slices.Contains(names, m.name) {
			continue
		}
		began := time.Now()
		noticed, err := m.try()
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if !noticed {
			missed++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%v\n", m.name, m.who(), time.Since(began).Round(time.Second), noticed)
		fmt.Fprintln(os.Stderr, m.name, noticed)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if missed > 0 {
		return fmt.Errorf("%d mutations were not noticed", missed)
	}
	return nil
}

func (m mutation) who() string {
	if m.fault != "" {
		return "fault " + m.fault
	}
	return strings.Join(m.test, " ")
}

// limit bounds one run.
const limit = "8m"

// try tells whether the mutation is noticed: a test fails that passes without it, rather than one that can't be built.
func (m mutation) try() (bool, error) {
	dir, err := os.MkdirTemp("", "shake-mutant-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	if err := copyTree(dir); err != nil {
		return false, err
	}
	for _, e := range m.edits {
		if err := e.apply(dir); err != nil {
			return false, err
		}
	}
	build := command(dir, "go", "vet", "./...")
	if out, err := build.CombinedOutput(); err != nil {
		return false, fmt.Errorf("the mutant can't be built: %w\n%s", err, out)
	}
	args := append([]string{"test", "-count=1", "-timeout", limit}, m.test...)
	test := command(dir, "go", args...)
	if m.fault != "" {
		test = command(dir, "go", "test", "-count=1", "-timeout", limit, "./test/faults")
		test.Env = append(os.Environ(), "SHAKE_FAULTS="+m.fault)
	}
	out, err := test.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return false, err
	}
	// Servers that did not start, say, are no verdict.
	if strings.Contains(string(out), "testenv: ") && !strings.Contains(string(out), "    --- FAIL: ") && m.fault != "" {
		return false, fmt.Errorf("the fault could not be run:\n%s", out)
	}
	if err == nil {
		fmt.Fprintf(os.Stderr, "%s\n", out)
	}
	return err != nil && strings.Contains(string(out), "--- FAIL: "), nil
}

func command(dir, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.SysProcAttr = dir, testenv.OwnedChild()
	return cmd
}

// copyTree copies what the working tree has, without what git ignores.
func copyTree(dir string) error {
	out, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(out)) {
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed, and not yet committed
		}
		if err != nil {
			return err
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, text, 0o644); err != nil {
			return err
		}
	}
	// Kafka's jars are fetched once.
	return os.Symlink(mustAbs(".run"), filepath.Join(dir, ".run"))
}

func mustAbs(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		panic(err) // only where there is no working directory
	}
	return abs
}

func (e edit) apply(dir string) error {
	path := filepath.Join(dir, e.file)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if n := strings.Count(string(text), e.old); n != 1 {
		return fmt.Errorf("%s has %q %d times, want once", e.file, e.old, n)
	}
	return os.WriteFile(path, []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o644)
}
