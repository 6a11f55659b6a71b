package httppush_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/internal/sqldb/sqldbtest"
	"github.com/shake-live/shake/reward"
	"github.com/shake-live/shake/reward/httppush"
	"github.com/shake-live/shake/reward/rewardtest"
	"github.com/shake-live/shake/reward/sqlinbox"
)

// ahead is a clock that tests set forward.
type ahead struct{ by atomic.Int64 }

func (a *ahead) Now() time.Time { return time.Now().UTC().Add(time.Duration(a.by.Load())) }

// mortal is a store whose process can die: from then on it hears nothing any more.
type mortal struct {
	*sqlinbox.Store
	dead atomic.Bool
}

func (m *mortal) Claim(ctx context.Context, now, until time.Time, limit int) ([]reward.Handover, error) {
	if m.dead.Load() {
		return nil, nil
	}
	return m.Store.Claim(ctx, now, until, limit)
}

func (m *mortal) Done(ctx context.Context, ids []string) error {
	if m.dead.Load() {
		return nil
	}
	return m.Store.Done(ctx, ids)
}

func (m *mortal) Later(ctx context.Context, due map[string]time.Time) error {
	if m.dead.Load() {
		return nil
	}
	return m.Store.Later(ctx, due)
}

// night is an inbox with notices for a double.
type night struct {
	t     *testing.T
	clock *ahead
	store *sqlinbox.Store
	to    *double
	watch *seen
}

const (
	players = 200
	short   = 300 * time.Millisecond // timeout, where the double hangs
	long    = 3 * time.Second        // where each request counts, on a machine that is busy
)

// newNight writes a notice for each player; it is for the push service at once.
func newNight(t *testing.T) *night {
	n := &night{t: t, clock: &ahead{}, to: newDouble(t), watch: newSeen()}
	n.store = sqlinbox.New(sqldbtest.SQLite(t), n.clock, sqlinbox.Options{HandOver: true})
	w := rewardtest.NewWriter("demo", 0)
	w.Credit(players)
	for i := range players {
		user := fmt.Sprint("user", i)
		w.Start(user)
		w.End(rewardtest.Win{User: user, Paid: 1})
	}
	pushed := 0
	notifier := reward.NewNotifier(n.store, func(_ context.Context, fresh []reward.Notice) { pushed += len(fresh) }, func(reward.Delivered) {})
	if err := notifier.Handle(t.Context(), w.Log); err != nil || pushed != players {
		t.Fatalf("%d were pushed to pages, %v", pushed, err)
	}
	return n
}

// worker runs a courier with a client of its own until stop, which waits for its end.
func (n *night) worker(h reward.Handovers, timeout time.Duration) (stop func()) {
	service, err := httppush.New(httppush.Options{
		URL: n.to.URL, Token: token, SigningKey: key, Timeout: timeout, Concurrency: 8, Market: inSingapore,
	}, clock.System{}, n.watch)
	if err != nil {
		n.t.Fatal(err)
	}
	c := reward.NewCourier(h, service, n.clock, n.watch, slog.New(slog.DiscardHandler), reward.CourierOptions{
		Timeout: timeout, Concurrency: 8, RetryMin: time.Millisecond, RetryMax: 50 * time.Millisecond,
		Rest: 10 * time.Millisecond, RestMax: 50 * time.Millisecond, GiveUp: 100 * 365 * 24 * time.Hour, // the writer's wins are old
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		c.Run(ctx, func(context.Context) (bool, error) { return true, nil })
		close(ended)
	}()
	return func() {
		cancel()
		<-ended
		_ = service.Close()
	}
}

func (n *night) left() int {
	left, err := n.store.Waiting(n.t.Context(), 2*players)
	if err != nil {
		n.t.Fatal(err)
	}
	return left
}

func (n *night) wait(what string, done func() bool) {
	n.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			n.t.Fatalf("not within a minute: %s; %d are left, %d rang, of %d requests %v", what, n.left(), n.to.rung(), n.to.requests(), n.watch.outcomes)
		}
	}
}

// Whatever the service does with two requests of three, each phone rings once, and what the service took is told from
// what it refused. Bodies and keys stay the same, which the double checks.
func TestNight_withAMoodyService(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	n := newNight(t)
	d := n.to
	refuse := func(r *http.Request) bool {
		_, round, _ := reward.ParseID(r.Header.Get("Idempotency-Key"))
		return strings.HasSuffix(round, "7.1") // of every tenth player
	}
	var calls atomic.Uint64
	d.does(func(w http.ResponseWriter, r *http.Request) {
		switch rand.New(rand.NewPCG(seed, calls.Add(1))).IntN(21) {
		case 0, 1, 2, 3:
			w.WriteHeader(http.StatusInternalServerError)
		case 4, 5:
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		case 6, 7:
			reset(w, r)
		case 8, 9: // it has the notice, and nobody hears of it
			d.takes(w, r)
			reset(w, r)
		case 10:
			d.takes(w, r)
			d.hangs(w, r)
		case 11:
			w.WriteHeader(http.StatusConflict)
		case 12, 13:
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusTemporaryRedirect)
		default:
			if refuse(r) {
				w.WriteHeader(http.StatusUnprocessableEntity)
				return
			}
			d.takes(w, r)
		}
	})
	stop := n.worker(n.store, short)
	defer stop()
	n.wait("all are taken or refused", func() bool { return n.left() == 0 })
	taken, refused := n.watch.fate(reward.FateTaken), n.watch.fate(reward.FateRefused)
	t.Logf("%d requests for %d notices: %v", d.requests(), players, n.watch.outcomes)
	if taken+refused != players || refused == 0 || d.rung() < taken || d.most > 8 {
		t.Errorf("%d taken and %d refused of %d, %d rang, %d requests at once", taken, refused, players, d.rung(), d.most)
	}
	for id, times := range d.rings {
		if times != 1 {
			t.Errorf("%s rang %d times", id, times)
		}
	}
}

// A worker dies while the service hangs on what it has taken: the next one gives it again, nothing is lost, and no phone
// rings twice. What a worker that is told to stop has under way is not given again.
func TestNight_workersComeAndGo(t *testing.T) {
	n := newNight(t)
	d := n.to
	stop := n.worker(n.store, long)
	n.wait("some are taken", func() bool { return d.rung() > 20 })
	stop()
	asked, rung := d.requests(), d.rung()
	if asked != rung || n.left() != players-rung {
		t.Errorf("after a stop in order %d requests made %d ring, and %d are left", asked, rung, n.left())
	}

	d.does(func(w http.ResponseWriter, r *http.Request) {
		d.takes(w, r)
		d.hangs(w, r)
	})
	first := &mortal{Store: n.store}
	stop = n.worker(first, long)
	n.wait("it hangs on eight", func() bool { return d.rung() == rung+8 })
	first.dead.Store(true)
	stop()
	if left := n.left(); left != players-rung {
		t.Errorf("%d are left, want %d: nobody told what became of the eight", left, players-rung)
	}

	d.does(nil)
	n.clock.by.Store(int64(time.Minute)) // claims end
	stop = n.worker(n.store, long)
	defer stop()
	n.wait("all are taken", func() bool { return n.left() == 0 })
	if d.rung() != players || d.requests() != players+8 {
		t.Errorf("%d rang after %d requests, want %d after %d", d.rung(), d.requests(), players, players+8)
	}
}

// While the service hangs, notices are written and pushed to pages as ever, and in the end it gets those that no page
// has shown.
func TestNight_whileItHangs(t *testing.T) {
	n := newNight(t)
	n.to.does(n.to.hangs)
	stop := n.worker(n.store, short)
	defer stop()
	n.wait("it hangs", func() bool { return n.to.requests() >= 8 })
	w := rewardtest.NewWriter("other", 0)
	w.Start("ann")
	w.End(rewardtest.Win{User: "ann", Paid: 1})
	fresh := make(chan []reward.Notice, 1)
	notifier := reward.NewNotifier(n.store, func(_ context.Context, list []reward.Notice) { fresh <- list }, func(reward.Delivered) {})
	began := time.Now()
	if err := notifier.Handle(t.Context(), w.Log); err != nil {
		t.Fatal(err)
	}
	t.Logf("a notice was pushed to pages after %v", time.Since(began))
	list := <-fresh
	if _, err := n.store.Receipt(t.Context(), "ann", list[0].ID, n.clock.Now()); err != nil {
		t.Fatal(err)
	}
	n.to.does(nil)
	n.wait("all are taken", func() bool { return n.left() == 0 })
	if _, told := n.to.rings[list[0].ID]; told || n.to.rung() != players {
		t.Errorf("%d rang, ann's who had seen hers: %v", n.to.rung(), told)
	}
}
