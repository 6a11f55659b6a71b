package testenv

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// runFolder is the repository's .run, found upward from where the test runs.
func runFolder() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			run := filepath.Join(dir, ".run")
			return run, os.MkdirAll(run, 0o777)
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the working directory: run tests inside the repository")
		}
	}
}

// newFolder makes a fresh data folder under .run/test. It is removed by its owner, or, when the owner was
// killed, by the next process that makes one: a folder's lock is free once its owner is dead.
func newFolder(name string) (string, error) {
	run, err := runFolder()
	if err != nil {
		return "", err
	}
	root := filepath.Join(run, "test")
	if err := os.MkdirAll(root, 0o777); err != nil {
		return "", err
	}
	one, err := lock(filepath.Join(root, "lock"))
	if err != nil {
		return "", err
	}
	defer one.Close()
	sweep(root)
	dir, err := os.MkdirTemp(root, name+"-")
	if err != nil {
		return "", err
	}
	return dir, keep(dir + ".lock")
}

func sweep(root string) {
	locks, _ := filepath.Glob(filepath.Join(root, "*.lock")) // errs only on a bad pattern
	for _, path := range locks {
		f, err := flock(path, tryExclusive)
		if err != nil {
			continue
		}
		removeFolder(strings.TrimSuffix(path, ".lock"))
		f.Close()
	}
}

// removeFolder is best effort: what a dying server still writes is swept by the next process.
func removeFolder(dir string) {
	if os.RemoveAll(dir) == nil {
		_ = os.Remove(dir + ".lock")
	}
}
