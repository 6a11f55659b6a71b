package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shake-live/shake/admin"
	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/internal/config"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/ops/reconcile"
)

// wantClean fails with all that a report says.
func wantClean(t testing.TB, r *reconcile.Report) {
	t.Helper()
	if !r.OK {
		var text strings.Builder
		_ = r.Write(&text)
		t.Errorf("a clean run differs:\n%s", text.String())
	}
}

func TestReconcile_clean(t *testing.T) {
	for _, name := range []string{"embedded", "real"} { // 20 runs; a cluster's are those of TestReconcile_live
		configOf := installations[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openStack(t, configOf(t))
			rng := rand.New(rand.NewPCG(3, 9))
			for seed := range 10 {
				shards, players := 1+rng.IntN(6), 1+rng.IntN(80)
				w := newWorld(t, s, fmt.Sprint("clean-", seed), shards, players, 3)
				// So few players in memory at once that they take several looks.
				r := w.check(t.Context(), nil, reconcile.Options{MaxPlayers: 20})
				wantClean(t, r)
				if r.Total.Rounds != int64(3*players) || r.Players != int64(players) || r.Total.Lag != 0 || players > 20 && r.Looks < 2 {
					t.Errorf("%d players: got %d rounds of %d players in %d looks, lag %d", players, r.Total.Rounds, r.Players, r.Looks, r.Total.Lag)
				}
				quick, err := w.checker(reconcile.Options{}).Quick(t.Context(), subjectOf(w.campaign))
				w.must(err)
				wantClean(t, quick)
			}
		})
	}
}

// TestReconcile_odd checks a run in which everything happened that is odd and in order: messages that came twice, entries
// of a host that had lost its pool, entries that nobody can read, and rounds that the ledger holds for want of what they said.
func TestReconcile_odd(t *testing.T) {
	for name, configOf := range installations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, openStack(t, configOf(t)), "odd", 4, 60, 2)
			again := w.settledIn(0, 3)
			w.send(again...)
			w.send(again...)
			w.apply(again)
			zombie := again[0]
			zombie.Epoch, zombie.Seq = 1, zombie.Seq+500
			w.send(zombie)
			w.apply([]event.Entry{zombie})
			unread := w.settledIn(1, 4)
			for i, e := range unread {
				w.sendEach(e, i == 1 || i == 2)
			}
			if _, err := inventory.New(w.stack.pools).Draw(t.Context(), w.run, 2, 9000); err != nil {
				t.Fatal(err)
			}
			w.coins = 8000
			for i, e := range w.settledIn(2, 1) {
				w.sendEach(e, i == 0) // the credit, without which the round is more than the shard ever had
			}
			w.relayAll() // the bank's debit
			r := w.check(t.Context(), nil, reconcile.Options{})
			wantClean(t, r)
			if r.Total.Held != 8000 || r.Total.Dead != 3 || r.Total.DeadCoins != 8 || r.Total.Repeats == 0 {
				t.Errorf("got %+v, want 8000 coins held, 8 in dead letters, and repeats", r.Total)
			}
			quick, err := w.checker(reconcile.Options{}).Quick(t.Context(), subjectOf(w.campaign))
			w.must(err)
			wantClean(t, quick)
		})
	}
}

// settledIn settles a round of so many players of a shard, takes all that waits out of its outbox, and gives it.
func (w *world) settledIn(shard, n int) []event.Entry {
	w.Helper()
	done := map[string]bool{}
	for _, r := range w.rounds {
		if r.shard == shard && !done[r.User] && len(done) < n {
			done[r.User] = true
			w.settleNow(shard, r.User)
		}
	}
	entries, err := w.outbox.Waiting(w.Context(), w.run, shard, event.Position{}, 100)
	w.must(err)
	last := entries[len(entries)-1]
	w.must(w.outbox.Trim(w.Context(), w.run, shard, last.Position, event.Mark{}))
	return entries
}

func (w *world) send(entries ...event.Entry) {
	w.Helper()
	for _, e := range entries {
		m, err := e.Message(w.topics.Entries)
		w.must(err)
		w.must(w.bus.Produce(w.Context(), m))
	}
}

// sendEach sends an entry to the log and its readers, or one in its place that nobody can read.
func (w *world) sendEach(e event.Entry, dead bool) {
	w.Helper()
	if !dead {
		w.deliver([]event.Entry{e})
		return
	}
	m, err := e.Message(w.topics.Entries)
	w.must(err)
	m.Value = []byte("?")
	w.must(w.bus.Produce(w.Context(), m))
	w.must(w.ledger.SkipDead(w.Context(), e.Source, e.Position, "?"))
	w.must(w.inbox.SkipDead(w.Context(), e.Source, e.Position, "?"))
	w.must(w.board.SkipDead(w.Context(), e.Source, e.Position))
}

// TestReconcile_live checks a run over and over while it is played as fast as it goes, its pools are given to other
// hosts, and its readers lag; and once more when it is settled. None of that is a difference.
func TestReconcile_live(t *testing.T) {
	for name, configOf := range installations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openStack(t, configOf(t))
			c := liveCampaign(t, s)
			working, stop := context.WithCancel(t.Context())
			worker, err := newWorker(s)
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			wg.Go(func() { _ = worker.run(working) })
			defer wg.Wait()
			defer stop()
			var played atomic.Int64
			for i := range 8 {
				wg.Go(func() { playOn(working, t, s, c, i, &played) })
			}
			checks, moved, again := 0, 0, 0
			for time.Now().Before(c.EndsAt) {
				switch r, err := checkOnce(t, s, c); {
				case errors.Is(err, reconcile.ErrMoved):
					moved++
				case err != nil:
					t.Fatal(err)
				default:
					checks++
					again += r.Looks - 1
				}
				if checks%4 == 3 { // a fail-over, as far as scripts can tell
					loseHost(t, s, c.Life(), checks%c.Shards)
				}
			}
			settled := waitForSettled(t, s, c)
			r, err := checkOnce(t, s, settled)
			if err != nil {
				t.Fatal(err)
			}
			if r.Total.Rounds != played.Load() || r.Total.Lag != 0 || r.Total.Pending != 0 || r.Total.State.Left != 0 {
				t.Errorf("settled: got %+v, want %d rounds and nothing left", r.Total, played.Load())
			}
			t.Logf("%d checks while %d rounds were played, %d found pools that moved, %d had to look again", checks, played.Load(), moved, again)
			if checks == 0 { // a busy machine makes few
				t.Errorf("only %d checks were made", checks)
			}
		})
	}
}

func liveCampaign(t *testing.T, s *stack) *game.Campaign {
	t.Helper()
	now, late := time.Now(), admin.Length(time.Second)
	c, _, err := s.office.Apply(t.Context(), admin.Spec{
		ID: "live", Game: "shake", Market: "SG", Name: "live", WarmupAt: admin.Moment{Time: now}, StartsAt: admin.Moment{Time: now},
		EndsAt: admin.Moment{Time: now.Add(8 * time.Second)}, Round: admin.Length(time.Second), Late: &late, Chances: 1_000_000, Pool: 50_000, Shards: 6,
		ShakeRate: 8, Curve: []game.Piece{{From: 1, Probability: 0.9, Min: 1, Max: 9}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// checkOnce checks all and the counters, and wants no difference.
func checkOnce(t *testing.T, s *stack, c *game.Campaign) (*reconcile.Report, error) {
	t.Helper()
	checker := s.checker(reconcile.Options{})
	r, err := checker.Check(t.Context(), subjectOf(c))
	if err != nil {
		return nil, err
	}
	wantClean(t, r)
	quick, err := checker.Quick(t.Context(), subjectOf(c))
	if err != nil {
		return nil, err
	}
	wantClean(t, quick)
	return r, nil
}

// playOn settles rounds of some players one after the other, and starts some that it never ends. A round's token is made
// as if it had been started a little more than a round ago.
func playOn(ctx context.Context, t *testing.T, s *stack, c *game.Campaign, n int, played *atomic.Int64) {
	keys, err := s.keyring.RunKeys(c.KeyID, c.ID, c.Run)
	if err != nil {
		t.Error(err)
		return
	}
	live, err := game.Prepare(c, keys)
	if err != nil {
		t.Error(err)
		return
	}
	draw := newDraws(s.pools)
	numbers := map[string]int64{}
	for i := 0; ctx.Err() == nil && time.Now().Before(c.EndsAt); i++ {
		user := fmt.Sprintf("dev:%d-%d", n, i%50)
		shard := c.Life().ShardOf(user)
		number := numbers[user] + 1
		if i%7 == 0 {
			if _, err := s.rounds.Start(ctx, live, game.StartRequest{User: user, Number: number, Granted: c.Chances}); err == nil {
				numbers[user] = number - 1
			}
		}
		epoch := int64(1) // of a token: any that was once
		_, err := s.rounds.Settle(ctx, live, game.SettleRequest{
			Token:  game.Token{Run: c.Run, Epoch: epoch, Number: number, Shard: int64(shard), StartedAt: time.Now().Add(-1200 * time.Millisecond).UnixMilli(), User: user},
			Shakes: 8, ElapsedMS: 1000, Computed: int64(i % 5), Granted: c.Chances,
		})
		var short *game.ShortError
		switch {
		case err == nil:
			numbers[user] = number
			played.Add(1)
		case errors.As(err, &short):
			_, _ = draw.Draw(ctx, c.Life(), shard, short.Need)
		default:
			pause(ctx, 20*time.Millisecond) // closed for now
		}
	}
}

// loseHost makes a pool another server's.
func loseHost(t *testing.T, s *stack, run event.Run, shard int) {
	t.Helper()
	if err := s.redis.Client().HSet(t.Context(), s.keys.Of(run).Pool(shard), "host", "gone").Err(); err != nil {
		t.Fatal(err)
	}
}

func waitForSettled(t *testing.T, s *stack, c *game.Campaign) *game.Campaign {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); pause(t.Context(), 200*time.Millisecond) {
		now, err := s.campaigns.Campaign(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		if now.SettledAt != nil {
			return now
		}
	}
	t.Fatal("the run was not settled within a minute")
	return nil
}

// TestReconcile_million says how long a million rounds take and how much memory, clean and with all kinds of damage. It
// takes minutes, most of them to write the rounds, so it is for who asks: SHAKE_MILLION=1, or another number of players.
func TestReconcile_million(t *testing.T) {
	players, _ := strconv.Atoi(os.Getenv("SHAKE_MILLION"))
	names := []string{"real"} // an embedded Redis takes very long to be filled
	switch players {
	case 0:
		players, names = 300, []string{"embedded"}
	case 1:
		players = 250_000
	}
	for _, name := range names {
		configOf := installations[name]
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			d := &damaged{world: newWorld(t, openStack(t, configOf(t)), "million", 32, players, 4), taken: map[string]bool{}, hide: map[string]bool{}}
			t.Logf("%d rounds of %d players written in %s", 4*players, players, time.Since(began).Round(time.Second))
			r, peak := d.measured(nil)
			wantClean(t, r)
			t.Logf("clean: %s, %d MiB at most", r.Took.Round(time.Millisecond), peak>>20)
			var want []finding
			for _, one := range damages {
				want = append(want, one.do(d)...)
			}
			r, peak = d.measured(holed{d.bus, d.hide})
			d.compare(r, want)
			t.Logf("%d kinds of damage found: %s, %d MiB at most", len(want), r.Took.Round(time.Millisecond), peak>>20)
			if players >= 250_000 && r.Took > time.Minute {
				t.Errorf("took %s, want a minute at most", r.Took)
			}
		})
	}
}

// measured checks and tells by how much the heap that is in use grew at most.
func (d *damaged) measured(log event.Log) (*reconcile.Report, uint64) {
	live := func() uint64 {
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	runtime.GC()
	before, peak := live(), uint64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				now := live()
				peak = max(peak, now-min(now, before))
			}
		}
	}()
	r := d.check(d.Context(), log, reconcile.Options{Progress: func(what string, n int64) {
		if n%200_000 == 0 {
			d.Logf("%s: %d", what, n)
		}
	}})
	close(stop)
	<-stopped
	return r, peak
}

// The job finds what is wrong, says so once with its rounds, and says when it is gone.
func TestAuditJob(t *testing.T) {
	cfg := embeddedConfig(t)
	cfg.Reconcile.Counters, cfg.Reconcile.Rounds = config.Duration(time.Millisecond), config.Duration(time.Millisecond)
	s := openStack(t, cfg)
	var lines strings.Builder
	s.log = slog.New(slog.NewTextHandler(&lines, nil))
	d := &damaged{world: newWorld(t, s, "job", 16, 300, 2), taken: map[string]bool{}}
	job := newAuditJob(s)
	look := func() string {
		lines.Reset()
		for range 2 { // the first one only notes that the run is there
			job.look(t.Context())
			time.Sleep(5 * time.Millisecond)
		}
		return lines.String()
	}
	differences := func(check, identity string) float64 {
		families, err := s.metrics.Registry.Gather()
		d.must(err)
		for _, f := range families {
			for _, m := range f.GetMetric() {
				labels := map[string]string{}
				for _, l := range m.GetLabel() {
					labels[l.GetName()] = l.GetValue()
				}
				if f.GetName() == "shake_reconcile_differences" && labels["check"] == check && labels["identity"] == identity && labels["campaign"] == "job" {
					return m.GetGauge().GetValue()
				}
			}
		}
		t.Fatalf("no metric of %s %s", check, identity)
		return 0
	}
	if got := look(); got != "" || differences(checkRounds, "ledger") != 0 || differences(checkCounters, "pool") != 0 {
		t.Errorf("a clean run: %s", got)
	}
	r := d.victim()
	d.exec("DELETE FROM rounds"+roundKey, d.key(r)...)
	d.redis("hincrby", d.keys.Of(d.run).Pool(0), "left", 7)
	got := look()
	if strings.Count(got, "reconcile found a difference") != 3 || !strings.Contains(got, "ledger.missing") || !strings.Contains(got, r.id) || strings.Count(got, "pool.state") != 2 {
		t.Errorf("got %s, want the round once, and the pool by both checks", got)
	}
	if differences(checkRounds, "ledger") != 1 || differences(checkRounds, "pool") != 1 || differences(checkCounters, "pool") != 1 {
		t.Error("the metrics do not have the differences")
	}
	if got := look(); got != "" {
		t.Errorf("told again: %s", got)
	}
	d.redis("hincrby", d.keys.Of(d.run).Pool(0), "left", -7)
	if got := look(); strings.Count(got, "no difference any more") != 1 || differences(checkCounters, "pool") != 0 {
		t.Errorf("got %s, want the counters to be told as mended", got)
	}
}
