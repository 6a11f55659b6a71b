package reward_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/reward"
)

// shelf keeps handovers in memory.
type shelf struct {
	mu    sync.Mutex
	rows  map[string]reward.Handover
	due   map[string]time.Time
	fails bool
}

func newShelf(n int) *shelf {
	s := &shelf{rows: map[string]reward.Handover{}, due: map[string]time.Time{}}
	for i := range n {
		id := fmt.Sprintf("n%04d", i)
		s.rows[id] = reward.Handover{Notice: reward.Notice{ID: id, At: time.Now()}}
		s.due[id] = time.Now()
	}
	return s
}

var errStore = errors.New("no store")

func (s *shelf) Claim(_ context.Context, now, until time.Time, limit int) (list []reward.Handover, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails {
		return nil, errStore
	}
	for _, id := range slices.Sorted(maps.Keys(s.rows)) {
		if !s.due[id].After(now) && len(list) < limit {
			s.due[id] = until
			list = append(list, s.rows[id])
		}
	}
	return list, nil
}

func (s *shelf) Done(_ context.Context, ids []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails {
		return errStore
	}
	for _, id := range ids {
		delete(s.rows, id)
	}
	return nil
}

func (s *shelf) Later(_ context.Context, due map[string]time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails {
		return errStore
	}
	for id, at := range due {
		h := s.rows[id]
		h.Tries++
		s.rows[id], s.due[id] = h, at
	}
	return nil
}

func (s *shelf) Waiting(_ context.Context, atMost int) (int, error) {
	return min(s.left(), atMost), nil
}

func (s *shelf) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows)
}

func (s *shelf) set(fails bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = fails
}

// phone is a push service that answers as it is told.
type phone struct {
	mu     sync.Mutex
	answer func(ctx context.Context, n reward.Notice, try int) error
	tries  map[string][]time.Time
	now    int // deliveries under way
	most   int
	fates  map[string]int
	waits  int
}

func newPhone(answer func(ctx context.Context, n reward.Notice, try int) error) *phone {
	return &phone{answer: answer, tries: map[string][]time.Time{}, fates: map[string]int{}}
}

func (p *phone) Deliver(ctx context.Context, n reward.Notice) error {
	p.mu.Lock()
	p.tries[n.ID] = append(p.tries[n.ID], time.Now())
	try := len(p.tries[n.ID])
	p.now++
	p.most = max(p.most, p.now)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.now--
		p.mu.Unlock()
	}()
	return p.answer(ctx, n, try)
}

func (p *phone) HandedOver(fate string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fates[fate]++
}
func (p *phone) Underway(int) {}
func (p *phone) Waiting(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waits = n
}

func (p *phone) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waits
}

func (p *phone) total() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, tries := range p.tries {
		n += len(tries)
	}
	return n
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func always(context.Context) (bool, error) { return true, nil }

// courier runs one for the time that during takes, and gives its log.
func courier(t *testing.T, s *shelf, p *phone, o reward.CourierOptions, during func()) string {
	t.Helper()
	var log strings.Builder
	c := reward.NewCourier(s, p, clock.System{}, p, slog.New(slog.NewTextHandler(&log, nil)), o)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		c.Run(ctx, always)
		close(ended)
	}()
	during()
	stop()
	<-ended
	return log.String()
}

func takes(context.Context, reward.Notice, int) error {
	time.Sleep(20 * time.Millisecond)
	return nil
}

func TestCourier_givesEachNoticeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newShelf(1000), newPhone(takes)
		log := courier(t, s, p, reward.CourierOptions{Concurrency: 16}, func() { time.Sleep(5 * time.Second) })
		if s.left() != 0 || p.total() != 1000 || p.fates[reward.FateTaken] != 1000 || p.most != 16 || log != "" {
			t.Errorf("%d are left after %d deliveries, %d at once, %v, log %s", s.left(), p.total(), p.most, p.fates, log)
		}
	})
}

// What was shown on a page is not given, nor what is too old for a phone to ring.
func TestCourier_passesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newShelf(3), newPhone(takes)
		seen, old := s.rows["n0000"], s.rows["n0001"]
		seen.ReceiptedAt = time.Now()
		old.At = time.Now().Add(-time.Hour - time.Second)
		s.rows["n0000"], s.rows["n0001"] = seen, old
		log := courier(t, s, p, reward.CourierOptions{GiveUp: time.Hour}, func() { time.Sleep(3 * time.Second) })
		if s.left() != 0 || p.total() != 1 || p.fates[reward.FateSeen] != 1 || p.fates[reward.FateExpired] != 1 {
			t.Errorf("%d are left after %d deliveries: %v", s.left(), p.total(), p.fates)
		}
		if strings.Count(log, "level=ERROR") != 1 || !strings.Contains(log, "notices=1") {
			t.Errorf("got log %s, want one line about the one that is lost to the service", log)
		}
	})
}

// A refused notice is not given again, and a night of them is not a night of log lines.
func TestCourier_refused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(500)
		p := newPhone(func(context.Context, reward.Notice, int) error {
			return fmt.Errorf("%w: got status 404", reward.ErrRefused)
		})
		log := courier(t, s, p, reward.CourierOptions{}, func() { time.Sleep(10 * time.Second) })
		if s.left() != 0 || p.total() != 500 || p.fates[reward.FateRefused] != 500 || strings.Count(log, "refuses") != 1 {
			t.Errorf("%d are left after %d deliveries, %v, log %s", s.left(), p.total(), p.fates, log)
		}
	})
}

// A notice over which the service stumbles waits longer each time, and holds up nobody.
func TestCourier_oneThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(100)
		p := newPhone(func(ctx context.Context, n reward.Notice, try int) error {
			if n.ID == "n0007" && try < 6 {
				return errors.New("got status 500")
			}
			return takes(ctx, n, try)
		})
		log := courier(t, s, p, reward.CourierOptions{RetryMin: 10 * time.Second, RetryMax: time.Minute}, func() {
			time.Sleep(5 * time.Second)
			if s.left() != 1 {
				t.Errorf("%d are left, want the one that fails", s.left())
			}
			time.Sleep(10 * time.Minute)
		})
		tries := p.tries["n0007"]
		if s.left() != 0 || len(tries) != 6 || log != "" {
			t.Fatalf("%d are left, it was given %d times, log %s", s.left(), len(tries), log)
		}
		for i, most := range []time.Duration{10, 20, 40, 60, 60} {
			most *= time.Second
			if pause := tries[i+1].Sub(tries[i]); pause < most/2 || pause > most+2*time.Second {
				t.Errorf("pause %d is %v, want %v to %v", i, pause, most/2, most)
			}
		}
	})
}

// A service that fails is left alone, but for a probe every now and then; when it is back everything goes to it, and
// the log has a line for each.
func TestCourier_whileTheServiceFails(t *testing.T) {
	for name, fail := range map[string]func(context.Context) error{
		"at once":   func(context.Context) error { return errors.New("got status 500") },
		"by a hang": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				back := time.Now().Add(10 * time.Minute)
				s := newShelf(2000)
				p := newPhone(func(ctx context.Context, n reward.Notice, try int) error {
					if time.Now().Before(back) {
						return fail(ctx)
					}
					return takes(ctx, n, try)
				})
				log := courier(t, s, p, reward.CourierOptions{Concurrency: 16}, func() {
					time.Sleep(10 * time.Minute)
					if n := p.total(); n > 16+10*60/2 {
						t.Errorf("a service that fails was asked %d times in 10 min", n)
					}
					if n := p.waiting(); n != 2000 {
						t.Errorf("%d are said to wait, want 2000", n)
					}
					time.Sleep(time.Minute)
				})
				if s.left() > 200 || strings.Count(log, "takes no notices") != 1 || strings.Count(log, "takes notices again") != 1 {
					t.Errorf("a minute later %d are left, log %s", s.left(), log)
				}
			})
		})
	}
}

// One that says when to come again is left alone until then, but no longer than is good.
func TestCourier_notNow(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{20 * time.Second: 20 * time.Second, time.Hour: time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf(10)
			p := newPhone(func(ctx context.Context, n reward.Notice, try int) error {
				if n.ID == "n0000" && try == 1 {
					return reward.NotNow{After: asked, Err: errors.New("got status 429")}
				}
				return nil
			})
			began := time.Now()
			courier(t, s, p, reward.CourierOptions{Concurrency: 1}, func() { time.Sleep(2 * time.Minute) })
			first := p.tries["n0001"][0].Sub(began)
			if s.left() != 0 || first < want || first > want+2*time.Second {
				t.Errorf("asked for %v: the next was given after %v, want %v; %d are left", asked, first, want, s.left())
			}
		})
	}
}

// While the store fails nothing is given, and what was given is not given again when it is back.
func TestCourier_whileTheStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(100)
		p := newPhone(func(_ context.Context, n reward.Notice, _ int) error {
			if n.ID == "n0050" {
				s.set(true)
			}
			return nil
		})
		log := courier(t, s, p, reward.CourierOptions{Concurrency: 8}, func() {
			time.Sleep(4 * time.Second)
			if n := p.total(); n > 64 {
				t.Errorf("%d were given while the store failed", n)
			}
			s.set(false)
			time.Sleep(4 * time.Second)
		})
		if s.left() != 0 || p.total() != 100 || strings.Count(log, "notices wait") != 1 {
			t.Errorf("%d are left after %d deliveries, log %s", s.left(), p.total(), log)
		}
	})
}

// One courier works at a time: who is not the one gives nothing, nor who can't find out.
func TestCourier_isTheOne(t *testing.T) {
	for name, mine := range map[string]func(context.Context) (bool, error){
		"another is":   func(context.Context) (bool, error) { return false, nil },
		"nobody knows": func(context.Context) (bool, error) { return true, errStore },
		"it was, for 3": func() func(context.Context) (bool, error) {
			n := 0
			return func(context.Context) (bool, error) { n++; return n <= 3, nil }
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, p := newShelf(1000), newPhone(takes)
				c := reward.NewCourier(s, p, clock.System{}, p, slog.New(slog.DiscardHandler), reward.CourierOptions{Concurrency: 1})
				ctx, stop := context.WithTimeout(t.Context(), time.Minute)
				defer stop()
				c.Run(ctx, mine)
				if n := p.total(); (name[0] == 'i') != (n > 0) || n > 200 {
					t.Errorf("gave %d notices", n)
				}
			})
		})
	}
}

// A courier that is stopped waits for what is under way, and writes what became of it.
func TestCourier_stops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(20)
		p := newPhone(func(ctx context.Context, n reward.Notice, _ int) error {
			if n.ID == "n0003" {
				<-ctx.Done() // it hangs, and is cut off by its own timeout alone
				return ctx.Err()
			}
			time.Sleep(2 * time.Second)
			return nil
		})
		began := time.Now()
		courier(t, s, p, reward.CourierOptions{Concurrency: 20, Timeout: 5 * time.Second}, func() { time.Sleep(time.Second / 2) })
		if took := time.Since(began); s.left() != 1 || s.rows["n0003"].Tries != 1 || took > 6*time.Second {
			t.Errorf("%d are left after %v: %v", s.left(), took, s.rows)
		}
	})
}
