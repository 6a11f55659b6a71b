package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// shakeDir is where the program was built; "" while it was not.
var shakeDir string

// Tags are build tags for the program, with commas between; they are set before it is first asked for.
var Tags string

var buildShake = sync.OnceValues(func() (path string, err error) {
	if shakeDir, err = os.MkdirTemp("", "shake-program-"); err != nil {
		return "", err
	}
	path = filepath.Join(shakeDir, "shake")
	out, err := exec.Command("go", "build", "-tags", Tags, "-o", path, "github.com/shake-live/shake/cmd/shake").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// Shake gives the path of the program, built from this tree once for all tests of the process.
func Shake() (path string, err error) { return buildShake() }

// RemoveShake removes it again; it is for the end of TestMain.
func RemoveShake() {
	if shakeDir != "" {
		_ = os.RemoveAll(shakeDir) // a folder for temporary files is cleaned by others, too
	}
}
