package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// program is something that must be installed, and the Debian package that brings it.
type program struct {
	names []string // any of them will do
	debs  []string
}

var (
	redisServer = program{[]string{"redis-server", "valkey-server"}, []string{"redis-server"}}
	redisCLI    = program{[]string{"redis-cli", "valkey-cli"}, []string{"redis-tools"}}
	mariadbd    = program{[]string{"mariadbd", "mysqld"}, []string{"mariadb-server"}}
	mariadbInit = program{[]string{"mariadb-install-db"}, []string{"mariadb-server"}}
	java        = program{[]string{"java"}, []string{"default-jdk-headless"}}
	maven       = program{[]string{"mvn"}, []string{"maven", "default-jdk-headless"}}
	// Chromium comes with faces for the scripts that the page speaks, or text in them would be boxes of another width.
	chromium = program{[]string{"chromium", "chromium-browser", "google-chrome"}, []string{"chromium", "fonts-noto-core", "fonts-wqy-zenhei"}}
	promtool = program{[]string{"promtool"}, []string{"prometheus"}}
	compiler = program{[]string{"gcc", "clang"}, []string{"gcc", "libc6-dev"}}
)

// errNotInstalled tells people the way that needs nothing.
var errNotInstalled = errors.New("not installed, and only root on a Debian-like system gets it through apt; " +
	"install it, name a server in the environment (see package testenv), or run `make test-embedded`, which needs Go alone")

// path finds the program and installs it if need be.
func (p program) path() (string, error) {
	if path, ok := p.find(); ok {
		return path, nil
	}
	if os.Geteuid() != 0 {
		return "", fmt.Errorf("%s: %w", p.names[0], errNotInstalled)
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return "", fmt.Errorf("%s: %w", p.names[0], errNotInstalled)
	}
	if err := p.install(); err != nil {
		return "", fmt.Errorf("%s: %w", p.names[0], err)
	}
	path, ok := p.find()
	if !ok {
		return "", fmt.Errorf("%s: apt installed %v, yet it is nowhere", p.names[0], p.debs)
	}
	return path, nil
}

// find looks in PATH and where Debian puts servers, which other users' PATH leaves out.
func (p program) find() (string, bool) {
	for _, name := range p.names {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
		if path, err := exec.LookPath(filepath.Join("/usr/sbin", name)); err == nil {
			return path, true
		}
	}
	return "", false
}

// install runs apt for one process at a time; whoever waited finds the program there.
func (p program) install() error {
	one, err := lock(filepath.Join(os.TempDir(), "shake-test-apt"))
	if err != nil {
		return err
	}
	defer one.Close()
	if _, ok := p.find(); ok {
		return nil
	}
	fmt.Fprintf(os.Stderr, "testenv: installing %v\n", p.debs)
	install := append([]string{"install", "-y", "--no-install-recommends"}, p.debs...)
	if apt(install...) == nil {
		return nil
	}
	// A fresh machine has no package lists yet, or old ones that name versions no longer kept.
	if err := apt("update"); err != nil {
		return err
	}
	return apt(install...)
}

// apt keeps Debian from starting the servers it installs (runlevel 1 is the one without services):
// ours have ports and folders of their own.
func apt(args ...string) error {
	cmd := exec.Command("apt-get", append([]string{"-q", "-o", "DPkg::Lock::Timeout=300"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = os.Stderr, os.Stderr, OwnedChild()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("apt-get %v: %w", args, err)
	}
	return nil
}
