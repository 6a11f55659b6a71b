package reconcile

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/shake-live/shake/event"
)

// Quick checks what the counters alone tell, without reading a round: some calls to Redis for each pool and three
// statements of SQL, so it can be made every minute of a night. It sees that coins or entries are missing, not which.
func (c *Checker) Quick(ctx context.Context, s Subject) (*Report, error) {
	began := c.Clock.Now()
	report := &Report{Campaign: s.Campaign, Run: s.Number, At: began, Quick: true}
	var last *look
	for report.Looks = 1; report.Looks <= 2; report.Looks++ { // what is wrong once, while pools move, is asked again
		l := newLook(c, s, newTable(maphash.MakeSeed(), 1, span{}), nil)
		if err := l.readCounters(ctx); err != nil {
			return nil, fmt.Errorf("reconcile %s.%d: %w", s.Campaign, s.Number, err)
		}
		if last != nil {
			l.both(last)
		}
		if last = l; len(l.findings) == 0 {
			break
		}
	}
	report.Looks = min(report.Looks, 2)
	report.Findings, report.Shards, report.InFlight = last.findings, last.figures(), last.inFlight
	for _, name := range []string{OfLog, OfBook, OfChances, OfBoard, OfNotices} {
		last.skip("counters alone", name)
	}
	report.close(last.skipped)
	report.Took = c.Clock.Now().Sub(began)
	report.TookMS = report.Took.Milliseconds()
	return report, nil
}

// both keeps the findings that were there before too.
func (l *look) both(before *look) {
	known := map[string]bool{}
	for _, f := range before.findings {
		known[f.key()] = true
	}
	l.findings = slices.DeleteFunc(l.findings, func(f *Finding) bool { return !known[f.key()] })
}

func (l *look) readCounters(ctx context.Context) (err error) {
	books, err := l.Books.Look(ctx, l.subject.Run)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, books.Close()) }()
	for _, step := range []func(context.Context, Snapshot) error{l.readCursors, l.auditBefore, l.judgeOutboxes, l.auditAfter} {
		if err := step(ctx, books); err != nil {
			return err
		}
	}
	for _, p := range l.pools {
		l.judgeCounters(p)
	}
	l.judgeLevel()
	return nil
}

// judgeOutboxes looks whether what waits is as long as the way from its first entry to the pool's position. It may have
// been trimmed since the audit, or have grown: so it is only known to be too short when its first entry says so.
func (l *look) judgeOutboxes(ctx context.Context, _ Snapshot) error {
	for _, p := range l.pools {
		if !p.before.Open || p.before.Pending == 0 {
			continue
		}
		first, err := l.Pools.Waiting(ctx, l.subject.Run, p.source.Shard, event.Position{}, 1)
		if err != nil {
			return err
		}
		if len(first) == 0 || first[0].Seq > p.before.Seq {
			continue
		}
		// From the first that waits now on, all must have waited at the audit.
		if way := p.before.Seq - first[0].Seq + 1; way > p.before.Pending {
			l.found(Finding{Identity: OfOutbox, Kind: "outbox.gap", Shard: p.source.Shard, Want: fmt.Sprintf("%d entries from %s to %s", way, first[0].Position, p.before.Position),
				Got: fmt.Sprint(p.before.Pending), Human: "the entries are in no store; claims and round logs may bring them back"})
		}
	}
	return nil
}

// judgeCounters compares the counters of a pool with themselves and with the ledger's.
func (l *look) judgeCounters(p *pool) {
	s, c := p.after, p.ledger
	p.state, p.cursor.Position, p.relayed = s.State, s.Position, s.Seq-s.Pending
	p.atLedger = event.State{Left: c.Left, Issued: c.Issued, Funded: c.Funded, Sent: c.Sent, Received: c.Received}
	if p.open && !s.Balanced() {
		l.found(Finding{Identity: OfPool, Kind: "pool.state", Shard: p.source.Shard, Want: "funded + received = left + issued + sent", Got: stateText(s.State),
			Human: "set the pool to what its last entry says, or record where the coins came from"})
	}
	if c.Dead > 0 {
		l.skip("pools with dead letters, whose rounds must be read, have no part in it", OfLedger)
		return
	}
	if !p.atLedger.Balanced() || c.Granted+c.Held+c.Refused != c.Issued {
		l.found(Finding{Identity: OfLedger, Kind: "ledger.count", Shard: p.source.Shard, Want: "what it received, less what it gave, is left or granted",
			Got: fmt.Sprintf("%s; granted %d, held %d, refused %d", stateText(p.atLedger), c.Granted, c.Held, c.Refused), Human: "check all rounds"})
	}
	switch {
	case !p.open:
	case s.Position.Before(c.Position):
		l.found(Finding{Identity: OfLedger, Kind: "ledger.cursor", Shard: p.source.Shard, Want: "at most " + s.Position.String(), Got: c.Position.String(), Human: "check all rounds"})
	case s.Balanced() && s.Position == c.Position && p.atLedger != (event.State{Left: s.Left, Issued: s.Issued, Funded: s.Funded, Sent: s.Sent, Received: s.Received}):
		l.found(Finding{Identity: OfLedger, Kind: "ledger.count", Shard: p.source.Shard, Want: stateText(s.State), Got: stateText(p.atLedger), Human: "check all rounds"})
	}
}

// judgeLevel compares what left one pool with what came into another. Both only rise, so what had arrived at the first
// audit must have been sent by the second one; and what had been sent at the first one must have arrived by the second,
// but for one transfer of each pair that may be under way.
func (l *look) judgeLevel() {
	bank := l.pools[0]
	var sent, received, open, back, given, openBack int64 // to shards; from shards
	for _, p := range l.pools[1:] {
		if !p.open || !bank.open {
			return
		}
		received += p.before.Received
		given += p.after.Sent
		open += bank.before.To[p.source.Shard].Amount
		openBack += p.before.To[event.Bank].Amount
		sent += p.after.Received
		back += p.before.Sent
	}
	in := func(name string, arrivedBefore, leftAfter, leftBefore, arrivedAfter, open int64) {
		if arrivedBefore > leftAfter || leftBefore-open > arrivedAfter {
			l.found(Finding{Identity: OfPool, Kind: "pool.moves", Shard: event.Bank, Want: fmt.Sprintf("what left for %s arrives, but for %d at most on their way", name, open),
				Got: fmt.Sprintf("%d to %d left, %d to %d arrived", leftBefore, leftAfter, arrivedBefore, arrivedAfter), Human: "check all rounds"})
		}
	}
	in("the shards", received, bank.after.Sent, bank.before.Sent, sent, open)
	in("the bank", bank.before.Received, given, back, bank.after.Received, openBack)
	l.inFlight = max(0, bank.after.Sent+given-sent-bank.after.Received)
}
