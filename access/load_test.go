package access

import (
	"testing"
	"time"
)

// server serves requests one after another, each in so long: what is let in waits for those before it.
type server struct {
	*load
	each time.Duration
	now  time.Time
	busy time.Time // until then
	line []waiting
}

type waiting struct{ came, done time.Time }

func newServer(each, target time.Duration, max int) *server {
	now := time.Date(2026, 11, 11, 12, 0, 0, 0, time.UTC)
	return &server{load: newLoad(16, max, target, func(int64) {}), each: each, now: now, busy: now}
}

// press sends so many requests of a class a second for d, and gives what became of them.
func (s *server) press(c class, rate int, d time.Duration) (let int, slowest time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); s.now = s.now.Add(time.Second / time.Duration(rate)) {
		for len(s.line) > 0 && !s.line[0].done.After(s.now) {
			s.leave(s.line[0].came, s.line[0].done)
			s.line = s.line[1:]
		}
		if !s.admit(c, s.now) {
			continue
		}
		let++
		if s.busy.Before(s.now) {
			s.busy = s.now
		}
		s.busy = s.busy.Add(s.each)
		slowest = max(slowest, s.busy.Sub(s.now))
		s.line = append(s.line, waiting{s.now, s.busy})
	}
	return let, slowest
}

// However much comes, what is let in is served in about the target's time, and the server is never idle.
func TestLoad_holdsTheTarget(t *testing.T) {
	s := newServer(time.Millisecond, 100*time.Millisecond, 20_000) // a thousand a second
	s.press(ends, 800, 5*time.Second)
	if got := s.limit.Load(); got != 4096 {
		t.Errorf("the limit is %d with load to spare, want it left alone", got)
	}
	s.press(ends, 5000, 10*time.Second) // it learns
	let, slowest := s.press(ends, 5000, 20*time.Second)
	if let < 18_000 || slowest > 250*time.Millisecond {
		t.Errorf("%d were served in 20 s, the slowest in %s; want at least 18000 and 250 ms", let, slowest)
	}
	s.each = 100 * time.Microsecond // ten times as fast: somebody scaled the stores
	s.press(ends, 8000, 20*time.Second)
	if let, _ := s.press(ends, 8000, 5*time.Second); let < 39_000 {
		t.Errorf("%d of 40000 were let in after the server became faster, want nearly all", let)
	}
}

// Reads go first, then starts; ends are let in for as long as anything is.
func TestLoad_classes(t *testing.T) {
	now := time.Now()
	l := newLoad(16, 100, time.Second, func(int64) {})
	for range 60 {
		if !l.admit(reads, now) {
			t.Fatal("a read was refused below 60 %")
		}
	}
	if l.admit(reads, now) {
		t.Error("a read was let in above 60 %")
	}
	for range 20 {
		if !l.admit(starts, now) {
			t.Fatal("a start was refused below 80 %")
		}
	}
	if l.admit(starts, now) {
		t.Error("a start was let in above 80 %")
	}
	for range 20 {
		if !l.admit(ends, now) {
			t.Fatal("an end was refused below the limit")
		}
	}
	if l.admit(ends, now) {
		t.Error("an end was let in above the limit")
	}
	for range 100 {
		l.leave(now, now)
	}
	if n := l.underWay.Load(); n != 0 {
		t.Errorf("%d are under way after all have left", n)
	}
}
