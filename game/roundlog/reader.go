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
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, maxLine)
	for ctx.Err() == nil {
		line, err := in.ReadSlice('\n')
		for errors.Is(err, bufio.ErrBufferFull) { // no line is so long: skip it
			line = nil
			_, err = in.ReadSlice('\n')
		}
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		text := strings.TrimSuffix(string(line), "\n")
		switch claim, ok := parseLine(text); {
		case ok && err == nil: // one without its end may lack the last byte of its claim
			r.Records++
			if err := fn(claim); err != nil {
				return err
			}
		case text != "" || line == nil:
			r.Damaged++
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
