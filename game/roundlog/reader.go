package roundlog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Report is what Read has found.
type Report struct {
	Files   int
	Records int
	Damaged int // lines that were torn or damaged
}

// maxLine bounds a line: a claim has 512 bytes at most.
const maxLine = 4096

// Read gives the claims of all files in the folder, the oldest file first, until fn gives an error. Claims may come
// twice. Whether they are genuine is for whoever knows the keys to say.
func Read(ctx context.Context, dir string, fn func(claim string) error) (Report, error) {
	files, err := list(dir)
	if err != nil {
		return Report{}, err
	}
	var r Report
	for _, f := range files {
		if err := r.read(ctx, f.path, fn); err != nil {
			return r, fmt.Errorf("%s: %w", f.path, err)
		}
		r.Files++
	}
	return r, nil
}

func (r *Report) read(ctx context.Context, path string, fn func(claim string) error) error {
	f, err := os.Open(path) // #nosec G304 -- whoever replays names the folder
	if err != nil {
		return err
	}
	defer f.Close()
	return r.lines(ctx, f, func(text string, whole bool) error {
		switch claim, ok := parseLine(text); {
		case ok && whole: // one without its end may lack the last byte of its claim
			r.Records++
			return fn(claim)
		case text != "" || !whole:
			r.Damaged++
		}
		return nil
	})
}

// ReadClaims gives the claims of a text that has one in each line, as players hold them, until fn gives an error. Empty
// lines and those that begin with # say nothing; what can't be a claim is damaged.
func ReadClaims(ctx context.Context, in io.Reader, fn func(claim string) error) (Report, error) {
	r := Report{Files: 1}
	err := r.lines(ctx, in, func(text string, _ bool) error { // the last line needs no end
		text = strings.TrimSpace(text)
		switch {
		case text == "" || text[0] == '#':
			return nil
		case strings.Trim(text, claimLetters) != "" || len(text) > maxClaim:
			r.Damaged++
			return nil
		}
		r.Records++
		return fn(text)
	})
	return r, err
}

const (
	claimLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	maxClaim     = 512
)

// lines gives each line without its end, and whether it had one. Those that are too long are damaged.
func (r *Report) lines(ctx context.Context, from io.Reader, fn func(line string, whole bool) error) error {
	in := bufio.NewReaderSize(from, maxLine)
	for ctx.Err() == nil {
		line, err := in.ReadSlice('\n')
		long := false
		for errors.Is(err, bufio.ErrBufferFull) { // no line is so long: skip it
			long = true
			_, err = in.ReadSlice('\n')
		}
		if errors.Is(err, io.EOF) && len(line) == 0 && !long {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if long {
			r.Damaged++
		} else if err := fn(strings.TrimSuffix(string(line), "\n"), err == nil); err != nil {
			return err
		}
		if err != nil {
			return nil
		}
	}
	return ctx.Err()
}

// parseLine checks a line's sum.
func parseLine(line string) (claim string, ok bool) {
	if len(line) < 10 || line[8] != ' ' {
		return "", false
	}
	claim = line[9:]
	written := appendLine(nil, claim)
	return claim, line[:8] == string(written[:8])
}

type found struct {
	path    string
	size    int64
	changed time.Time
}

// list gives the folder's files, oldest first: their names are when they began.
func list(dir string) ([]found, error) {
	entries, err := os.ReadDir(dir) // in the order of names
	if err != nil {
		return nil, fmt.Errorf("round log: %w", err)
	}
	var files []found
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) || !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("round log: %w", err)
		}
		files = append(files, found{filepath.Join(dir, e.Name()), info.Size(), info.ModTime()})
	}
	return files, nil
}
