package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/test/rig"
)

// row is what became of one fault: the contract's .run/faults.json has these.
type row struct {
	Fault      int    `json:"fault"`
	Name       string `json:"name"`
	Seed       uint64 `json:"seed"`
	Acked      int    `json:"acked"`
	AckedLost  int    `json:"acked_lost"`
	PaidTwice  int64  `json:"paid_twice"`
	OverIssued int64  `json:"over_issued"`
	Stranded   int64  `json:"stranded"`
	RecoveryMS int64  `json:"recovery_ms"`
	OK         bool   `json:"ok"`
}

// judge ends the night and compares everything with what the crowd was told: first that all arrives, then reconcile, then
// each round, each wallet, and the pool.
func (s *scene) judge(r *row) {
	s.t.Helper()
	s.crowd.finish()
	defer func() { r.OK = !s.t.Failed() }()
	for _, odd := range s.crowd.odd {
		s.t.Errorf("odd: %s", odd)
	}
	r.Acked = len(s.crowd.told)
	if r.Acked == 0 {
		s.t.Error("nobody played")
	}
	s.recovery(r)
	if s.alarms != nil {
		for _, name := range s.alarms.end() {
			s.t.Errorf("alarm %s had no reason: %s has not moved enough", name, signs[name].metric)
		}
	}
	s.arrive()
	if s.plan.claims {
		s.note("%d claims are granted", s.crowd.claim(s.ctx))
		s.arrive()
	}
	s.reconcile()
	s.compare(s.ctx, r)
	if r.AckedLost > 0 || r.PaidTwice > 0 || r.OverIssued > 0 || r.Stranded > 0 {
		s.t.Errorf("acked but lost %d, paid twice %d, over-issued %d, stranded %d", r.AckedLost, r.PaidTwice, r.OverIssued, r.Stranded)
	}
}

// recovery is how long the players of some shard had no answer.
func (s *scene) recovery(r *row) {
	s.t.Helper()
	gap, shard := s.crowd.gap(s.plan.shards, s.broke)
	r.RecoveryMS = gap.Milliseconds()
	s.note("%d rounds; the longest silence was %s, of shard %d", r.Acked, gap.Round(time.Millisecond), shard)
	if s.plan.recovery > 0 && gap > s.plan.recovery {
		s.t.Errorf("players of shard %d had no answer for %s, want %s at most", shard, gap, s.plan.recovery)
	}
}

// arrive waits until everything that the pools ever told is in ledger and inboxes.
func (s *scene) arrive() {
	s.t.Helper()
	began := time.Now()
	rig.Eventually(s.t, 90*time.Second, func() error {
		if err := s.Settled(s.ctx, s.run); err != nil {
			return fmt.Errorf("%w\nworkers say %s\n%s", err, s.workers[0].Logged(), s.workers[1].Logged())
		}
		return nil
	})
	s.note("all arrived within %s", time.Since(began).Round(time.Millisecond))
}

// reconcile asks the auditor. The board is built anew by and by where its server was lost.
func (s *scene) reconcile() {
	s.t.Helper()
	rig.Eventually(s.t, 60*time.Second, func() error {
		out, err := s.workers[0].sys.Shake("reconcile", s.run.Campaign, "--json")
		if err == nil {
			var report struct{ Players int64 }
			if err = json.Unmarshal([]byte(out), &report); err == nil && report.Players == 0 {
				err = fmt.Errorf("reconcile compared nobody")
			}
		}
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	})
}

// compare counts what differs from the crowd's own log.
func (s *scene) compare(ctx context.Context, r *row) {
	s.t.Helper()
	seen, promised := map[string]bool{}, map[string]int64{}
	for _, one := range s.crowd.last() {
		promised[one.user] += one.coins
		booked, err := s.Ledger.RoundByID(ctx, one.round)
		switch {
		case seen[one.round]:
			s.t.Errorf("round %s was answered twice as two rounds", one.round)
			r.PaidTwice++
		case err != nil || booked.Paid != one.coins:
			s.t.Errorf("round %s: %s was told %d coins, the ledger has %d (%v)", one.round, one.user, one.coins, booked.Paid, err)
			r.AckedLost++
		}
		seen[one.round] = true
	}
	var owned int64
	for user, coins := range promised {
		balance, err := s.Ledger.Balance(ctx, user)
		s.must(err)
		owned += balance
		if balance > coins {
			s.t.Errorf("%s has %d coins, and was told %d", user, balance, coins)
			r.PaidTwice += balance - coins
		}
	}
	sums, err := s.Ledger.Sums(ctx, s.run.Campaign, s.run.Number)
	s.must(err)
	all, err := inventory.Audit(ctx, s.Pools, s.run)
	s.must(err)
	level := inventory.LevelOf(s.run, all, time.Now())
	r.OverIssued = max(0, sums.Granted+sums.Held-s.plan.pool) + max(0, level.Issued-level.Funded)
	// Whoever has no answer insists on one until the end: what is neither left nor in a wallet has been lost on the way.
	r.Stranded = s.plan.pool - level.Left - owned
	if r.Stranded < 0 {
		s.t.Errorf("%d coins are in wallets and %d left, of %d", owned, level.Left, s.plan.pool)
	}
	for _, p := range all {
		if !p.Balanced() {
			s.t.Errorf("%s does not balance: %+v", p.Source, p.State)
		}
	}
	if int(sums.Rounds) != len(seen) {
		s.t.Errorf("the ledger has %d rounds, the players were told of %d", sums.Rounds, len(seen))
	}
	s.note("%d of %d coins in wallets, %d left", owned, s.plan.pool, level.Left)
}
