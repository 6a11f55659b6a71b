package roundlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type counts struct{ logged, lost, failed atomic.Int64 }

func (c *counts) RoundsLogged(n int)    { c.logged.Add(int64(n)) }
func (c *counts) RoundsNotLogged(n int) { c.lost.Add(int64(n)) }
func (c *counts) RoundLogFailed(error)  { c.failed.Add(1) }

func open(t testing.TB, o Options) (*Writer, *counts) {
	t.Helper()
	c := &counts{}
	w, err := Open(o, c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w, c
}

func read(t testing.TB, dir string) (claims []string, r Report) {
	t.Helper()
	r, err := Read(context.Background(), dir, func(claim string) error { claims = append(claims, claim); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return claims, r
}

// What many append at once is read back, all of it, also over processes and files.
func TestWriter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by us")
	var want []string
	for process := range 2 {
		w, c := open(t, Options{Dir: dir, MaxBytes: 4000, Flush: time.Millisecond})
		var all sync.WaitGroup
		for g := range 8 {
			for i := range 50 {
				want = append(want, fmt.Sprintf("claim-%d-%d-%d", process, g, i))
			}
			all.Go(func() {
				for i := range 50 {
					w.Append(fmt.Sprintf("claim-%d-%d-%d", process, g, i))
					if i%10 == 0 {
						time.Sleep(2 * time.Millisecond)
					}
				}
			})
		}
		all.Wait()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if c.logged.Load() != 400 || c.lost.Load() != 0 {
			t.Errorf("%d logged and %d lost, want 400 and none", c.logged.Load(), c.lost.Load())
		}
		w.Append("after the end")
		if c.lost.Load() != 1 {
			t.Error("one after the end is not known to be lost")
		}
	}
	got, r := read(t, dir)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || r.Records != 800 || r.Damaged != 0 || r.Files < 4 {
		t.Errorf("read %d claims, %+v; want 800 in some files", len(got), r)
	}
}

// A record is in the file soon, without Close: a process that is killed loses the last milliseconds.
func TestWriter_flushes(t *testing.T) {
	dir := t.TempDir()
	w, _ := open(t, Options{Dir: dir})
	w.Append("one")
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		if got, _ := read(t, dir); slices.Equal(got, []string{"one"}) {
			return
		}
		if time.Since(began) > 5*time.Second {
			t.Fatal("it is not in the file")
		}
	}
}

// Old files go: those over the total, and those past their time.
func TestWriter_keeps(t *testing.T) {
	dir := t.TempDir()
	for i := range 4 {
		path := filepath.Join(dir, fmt.Sprintf("2020010%dT000000.000000000%s", i+1, suffix))
		if err := os.WriteFile(path, bytes.Repeat(appendLine(nil, "x"), 10), 0o600); err != nil {
			t.Fatal(err)
		}
		if i == 3 {
			old := time.Now().Add(-48 * time.Hour)
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	foreign := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(foreign, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, Options{Dir: dir, KeepBytes: 250, KeepFor: 24 * time.Hour})
	files, err := list(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(f.path)[:8])
	}
	// The fourth is too old; with its bytes the first one is over the total.
	if len(names) != 2 && len(names) != 3 || slices.Contains(names, "20200104") || slices.Contains(names, "20200101") {
		t.Errorf("left are %v", names)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error("somebody else's file was removed")
	}
}

// A disk that takes nothing costs memory up to the bound, and what is over; nothing else. When it takes lines again
// those that waited are written.
func TestWriter_diskFull(t *testing.T) {
	dir := t.TempDir()
	w, c := open(t, Options{Dir: dir, Buffer: 1000, Flush: time.Hour})
	w.Append("before")
	good := w.file
	full, err := os.Open(good.Name()) // one that can't be written to fails as a full disk does: each write, with an error
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	w.file = full
	if err := w.flush(); err == nil {
		t.Fatal("a full disk took it")
	}
	for i := range 200 {
		w.Append(fmt.Sprintf("waiting-%03d", i))
	}
	if c.lost.Load() < 100 || c.lost.Load() > 199 {
		t.Errorf("%d are lost, want those beyond 1000 bytes", c.lost.Load())
	}
	w.file = good
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	got, r := read(t, dir)
	if len(got) != 201-int(c.lost.Load()) || got[0] != "before" || r.Damaged != 0 {
		t.Errorf("read %d, %+v; want what was not lost", len(got), r)
	}
}

func TestOpen_refuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: filepath.Join(file, "below")}, &counts{}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a folder within a file was opened")
	}
	if _, err := Read(t.Context(), filepath.Join(file, "below"), nil); err == nil {
		t.Error("a folder within a file was read")
	}
}

func TestRead_stops(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "1"+suffix), bytes.Repeat(appendLine(nil, "x"), 10), 0o600); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	n := 0
	r, err := Read(t.Context(), dir, func(string) error {
		if n++; n == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || r.Records != 3 {
		t.Errorf("got %+v, %v after the third said stop", r, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ctx, dir, func(string) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's end", err)
	}
}

// Whatever is done to the bytes of a file, each line that was not touched is read, and none that was.
func TestRead_damage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "1"+suffix)
	rapid.Check(t, func(t *rapid.T) {
		var text []byte
		var ends []int // of the lines
		n := rapid.IntRange(1, 30).Draw(t, "lines")
		for i := range n {
			text = appendLine(text, fmt.Sprintf("claim-%d", i))
			ends = append(ends, len(text))
		}
		cut := rapid.IntRange(0, len(text)).Draw(t, "cut")
		hit := -1
		if cut > 0 && rapid.Bool().Draw(t, "hit it") {
			hit = rapid.IntRange(0, cut-1).Draw(t, "hit")
			text[hit] ^= byte(rapid.IntRange(1, 255).Draw(t, "with"))
		}
		if err := os.WriteFile(path, text[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		var want []string
		begin := 0
		for i, end := range ends {
			touched := end > cut || hit >= begin && hit < end || i > 0 && hit == begin-1 // the end of the line before
			if !touched {
				want = append(want, fmt.Sprintf("claim-%d", i))
			}
			begin = end
		}
		var got []string
		if _, err := Read(context.Background(), dir, func(claim string) error { got = append(got, claim); return nil }); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("cut at %d, hit at %d: got %v, want %v", cut, hit, got, want)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add(appendLine(appendLine(nil, "one"), "two"))
	f.Add([]byte("00000000 \n\n\xff"))
	f.Add(bytes.Repeat([]byte("x"), 2*maxLine))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "1"+suffix), text, 0o600); err != nil {
			t.Fatal(err)
		}
		claims, _ := read(t, dir)
		for _, claim := range claims {
			if !bytes.Contains(text, appendLine(nil, claim)) {
				t.Errorf("read %q, which is not there", claim)
			}
		}
	})
}

func TestReadClaims(t *testing.T) {
	text := "# gathered by the desk\n\n  one \r\ntwo-_9\nnot a claim\n" + string(bytes.Repeat([]byte("x"), 513)) + "\n" +
		string(bytes.Repeat([]byte("y"), 3*maxLine)) + "\n{}\nlast"
	var got []string
	r, err := ReadClaims(t.Context(), strings.NewReader(text), func(claim string) error { got = append(got, claim); return nil })
	if want := []string{"one", "two-_9", "last"}; err != nil || !slices.Equal(got, want) || r != (Report{Files: 1, Records: 3, Damaged: 4}) {
		t.Errorf("got %q, %+v, %v", got, r, err)
	}
	enough := errors.New("enough")
	if _, err := ReadClaims(t.Context(), strings.NewReader(text), func(string) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("fn's error: got %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadClaims(ended, strings.NewReader(text), func(string) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: got %v", err)
	}
}

// Whatever is read stands in a line of its own, and every line is read, damaged, empty or a comment.
func FuzzReadClaims(f *testing.F) {
	f.Add([]byte("one\ntwo"))
	f.Add([]byte("#\n \r\n\xff\n\x00"))
	f.Add(bytes.Repeat([]byte("x"), 2*maxLine))
	f.Fuzz(func(t *testing.T, text []byte) {
		var want, got []string
		damaged := 0
		for _, line := range strings.Split(string(text), "\n") {
			trimmed := strings.TrimSpace(line)
			switch {
			case len(line) >= maxLine: // too long to be looked at
				damaged++
			case trimmed == "" || trimmed[0] == '#':
			case len(trimmed) > 512 || strings.IndexFunc(trimmed, func(r rune) bool { return !strings.ContainsRune(claimLetters, r) }) >= 0:
				damaged++
			default:
				want = append(want, trimmed)
			}
		}
		r, err := ReadClaims(t.Context(), bytes.NewReader(text), func(claim string) error { got = append(got, claim); return nil })
		if err != nil || !slices.Equal(got, want) || r.Records != len(want) || r.Damaged != damaged {
			t.Errorf("%q: got %q, %+v, %v, want %q and %d damaged", text, got, r, err, want, damaged)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	w, _ := open(b, Options{Dir: b.TempDir()})
	claim := string(bytes.Repeat([]byte("a"), 220))
	b.ReportAllocs()
	for b.Loop() {
		w.Append(claim)
	}
}
