// Command shake is the backend of promo mini-games: one program for all roles and tools.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/shake-live/shake/internal/app"
	"github.com/shake-live/shake/internal/config"
)

// Exit codes, as docs and scripts know them.
const (
	exitFine        = 0
	exitFinding     = 1 // a failed check, a difference
	exitUsage       = 2
	exitUnreachable = 3 // a system did not answer
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process around it.
func run(args []string, out, errOut io.Writer) int {
	var cli CLI
	code, done := exitFine, false
	parser, err := kong.New(&cli, kong.Name("shake"), kong.Description("Backend for promo mini-games during livestreams."),
		kong.Writers(out, errOut), kong.Exit(func(c int) { code, done = c, true }), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Vars{"version": version()})
	if err != nil {
		fmt.Fprintln(errOut, "shake:", err)
		return exitUsage
	}
	parsed, err := parser.Parse(args)
	if done {
		return code // --help and --version have said all
	}
	if err != nil {
		fmt.Fprintln(errOut, "shake:", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	parsed.BindTo(ctx, (*context.Context)(nil))
	if err := parsed.Run(&streams{out: out, err: errOut}); err != nil {
		fmt.Fprintln(errOut, "shake:", err)
		if slices.Contains(args, "--json") && !errors.Is(err, errFinding) && !errors.Is(err, errTold) { // those have their document already
			_ = writeJSON(out, map[string]string{"error": err.Error()}) // what can't be written is told above
		}
		return exitCode(err)
	}
	return exitFine
}

// streams are where a command writes: results to out, everything else to err.
type streams struct{ out, err io.Writer }

// errFinding ends a command that found something wrong.
var errFinding = errors.New("finding")

// errTold marks an error that stands in the document which was printed.
var errTold = errors.New("not all was done")

// exitCode tells what kind of error ended a command. What is none of these is a finding: what was asked for is not so.
func exitCode(err error) int {
	switch {
	case errors.Is(err, app.ErrUnreachable):
		return exitUnreachable
	case errors.Is(err, errUsage), errors.Is(err, app.ErrRetired), errors.Is(err, app.ErrNoShard), errors.Is(err, config.ErrInvalid), errors.Is(err, fs.ErrNotExist): // a folder that is no dev's
		return exitUsage
	}
	return exitFinding
}

// version is what the build knows of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "shake, built without modules"
	}
	text := "shake " + info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			text += " " + s.Value
		}
	}
	return text + " " + info.GoVersion
}
