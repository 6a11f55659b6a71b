// Package roundlog keeps what every node has promised: a line a settled round, in files that only grow. It is the last
// resort for a night on which a Redis primary and its replica are lost with entries that had not reached Kafka. What is
// in a line is the round's claim, signed, so whoever reads the files back needs to trust nobody who could write to them.
//
// A line is eight hex digits of CRC-32C (Castagnoli) of the claim, a space, and the claim. A line that was torn by a
// crash or damaged by a disk is known by its sum, and the next one begins behind its line end, so damage costs the lines
// that it hit and no more.
package roundlog

import (
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Options say where and for how long. The zero value of a field but Dir means its default.
type Options struct {
	Dir       string        // is made where it is missing
	Flush     time.Duration // a record is in the file so long after Append at most: what a killed process loses; default 10 ms
	Sync      time.Duration // and on the disk so long after that: what a machine without power loses; default 1 s
	MaxBytes  int64         // of a file, after which the next begins; default 64 MiB
	KeepBytes int64         // of all files; the oldest goes first; default 8 GiB
	KeepFor   time.Duration // a file goes so long after its last line; default 30 days
	Buffer    int           // bytes in memory while the disk takes none; what is over is lost, and counted; default 8 MiB
}

func (o Options) withDefaults() Options {
	for d, v := range map[*time.Duration]time.Duration{&o.Flush: 10 * time.Millisecond, &o.Sync: time.Second, &o.KeepFor: 30 * 24 * time.Hour} {
		if *d == 0 {
			*d = v
		}
	}
	for n, v := range map[*int64]int64{&o.MaxBytes: 64 << 20, &o.KeepBytes: 8 << 30} {
		if *n == 0 {
			*n = v
		}
	}
	if o.Buffer == 0 {
		o.Buffer = 8 << 20
	}
	return o
}

// Observer hears of what was written and what could not be, for metrics and alarms.
type Observer interface {
	RoundsLogged(records int)
	RoundsNotLogged(records int) // they are lost to the log; the rounds themselves are settled
	RoundLogFailed(err error)    // the disk did not take what is still in memory
}

// Writer writes one file after another. Append never waits for the disk: a player's answer must not, and a round log
// that is late by some milliseconds is still the last resort.
type Writer struct {
	opts  Options
	watch Observer
	log   *slog.Logger

	mu     sync.Mutex
	lines  []byte // not in the file yet
	count  int    // records in lines
	closed bool

	spare   []byte
	file    *os.File
	size    int64
	torn    bool // the last write may have left half a line
	unsaved time.Time
	stop    chan struct{}
	done    chan struct{}
}

// Open begins a new file in the folder: those of earlier processes are left as they are.
func Open(o Options, watch Observer, log *slog.Logger) (*Writer, error) {
	w := &Writer{opts: o.withDefaults(), watch: watch, log: log, stop: make(chan struct{}), done: make(chan struct{})}
	if err := os.MkdirAll(o.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("round log: %w", err)
	}
	if err := w.next(); err != nil {
		return nil, err
	}
	go w.run()
	return w, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Append adds the claim of a settled round. The same one may come twice.
func (w *Writer) Append(claim string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.lines)+len(claim)+10 > w.opts.Buffer {
		w.watch.RoundsNotLogged(1)
		return
	}
	w.lines = appendLine(w.lines, claim)
	w.count++
}

const hexDigits = "0123456789abcdef"

func appendLine(b []byte, claim string) []byte {
	at := len(b)
	b = append(append(append(b, "         "...), claim...), '\n')
	sum := crc32.Checksum(b[at+9:len(b)-1], castagnoli)
	for i := 7; i >= 0; i-- {
		b[at+i], sum = hexDigits[sum&15], sum>>4
	}
	return b
}

// Close writes what is left, and ends.
func (w *Writer) Close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed = true
	w.mu.Unlock()
	close(w.stop)
	<-w.done
	if err := w.flush(); err != nil {
		w.watch.RoundsNotLogged(w.count)
		return errors.Join(err, w.file.Close())
	}
	return errors.Join(w.file.Sync(), w.file.Close())
}

func (w *Writer) run() {
	defer close(w.done)
	tick := time.NewTicker(w.opts.Flush)
	defer tick.Stop()
	var failed time.Time
	for {
		select {
		case <-w.stop:
			return
		case now := <-tick.C:
			if now.Sub(failed) < time.Second { // a disk that is full is no less full ten milliseconds later
				continue
			}
			if err := w.work(now); err != nil {
				failed = now
				w.watch.RoundLogFailed(err)
				w.log.Error("the round log can't be written: what is lost of Redis now can't be claimed from it", "err", err)
			}
		}
	}
}

func (w *Writer) work(now time.Time) error {
	if err := w.flush(); err != nil {
		return err
	}
	if !w.unsaved.IsZero() && now.Sub(w.unsaved) >= w.opts.Sync {
		if err := w.file.Sync(); err != nil {
			return err
		}
		w.unsaved = time.Time{}
	}
	if w.size < w.opts.MaxBytes {
		return nil
	}
	old := w.file
	if err := w.next(); err != nil {
		return err
	}
	return errors.Join(old.Sync(), old.Close())
}

// flush writes what is in memory. What could not be written stays there, for the next time.
func (w *Writer) flush() error {
	w.mu.Lock()
	lines, count := w.lines, w.count
	w.lines, w.count = w.spare[:0], 0
	w.mu.Unlock()
	w.spare = lines[:0]
	if count == 0 {
		return nil
	}
	text := lines
	if w.torn { // so that the next line begins on a line of its own
		text = append([]byte{'\n'}, lines...)
	}
	n, err := w.file.Write(text)
	w.size += int64(n)
	if n > 0 && w.unsaved.IsZero() {
		w.unsaved = time.Now()
	}
	w.torn = err != nil && (n > 0 || w.torn)
	if err != nil {
		w.mu.Lock()
		w.lines, w.count = append(lines, w.lines...), count+w.count // written again as a whole: lines may come twice
		w.mu.Unlock()
		w.spare = nil
		return err
	}
	w.watch.RoundsLogged(count)
	return nil
}

const (
	suffix = ".rounds"
	stamp  = "20060102T150405.000000000"
)

// next begins a new file, and lets go of those that are too old or too many.
func (w *Writer) next() error {
	now := time.Now().UTC()
	// #nosec G302 -- the group may read it, to ship it away
	f, err := os.OpenFile(filepath.Join(w.opts.Dir, now.Format(stamp)+suffix), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return fmt.Errorf("round log: %w", err)
	}
	w.file, w.size, w.torn, w.unsaved = f, 0, false, time.Time{}
	return w.tidy(now)
}

func (w *Writer) tidy(now time.Time) error {
	files, err := list(w.opts.Dir)
	if err != nil {
		return err
	}
	var all int64
	for i := len(files) - 1; i >= 0; i-- {
		f := files[i]
		all += f.size
		if f.path == w.file.Name() || all <= w.opts.KeepBytes && now.Sub(f.changed) <= w.opts.KeepFor {
			continue
		}
		if err := os.Remove(f.path); err != nil && !errors.Is(err, os.ErrNotExist) { // another process may share the folder
			return fmt.Errorf("round log: %w", err)
		}
		w.log.Info("an old file of the round log was removed", "file", f.path)
	}
	return nil
}
