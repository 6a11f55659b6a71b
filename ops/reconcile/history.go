package reconcile

import (
	"context"
	"fmt"

	"github.com/shake-live/shake/event"
)

// readHistory reads the run's log, and after it what the outboxes still have, up to where the pools were audited.
func (l *look) readHistory(ctx context.Context, _ Snapshot) error {
	partitions := map[int32]map[string]*pool{}
	for _, p := range l.pools {
		key := p.source.String()
		n, err := l.Log.Partition(ctx, l.Topic, key)
		if err != nil {
			return err
		}
		if partitions[n] == nil {
			partitions[n] = map[string]*pool{}
		}
		partitions[n][key] = p
	}
	progress := l.tick("rounds in Kafka")
	defer progress.end()
	for n, pools := range partitions {
		if err := l.readPartition(ctx, n, pools, progress); err != nil {
			return fmt.Errorf("partition %d of %s: %w", n, l.Topic, err)
		}
	}
	return nil
}

// readPartition goes on between log and outboxes until all pools are read. What the relay moves meanwhile from one to
// the other is found in the log at the next go, whose end is asked for after the outbox was read; so what was missing
// at two goes is in neither.
func (l *look) readPartition(ctx context.Context, n int32, pools map[string]*pool, progress *tick) error {
	next := l.subject.Since[n]
	start, err := l.Log.Start(ctx, l.Topic, n)
	if err != nil {
		return err
	}
	if start > next {
		l.gone = true
		for _, i := range identities {
			l.skip("there is no whole history to compare with", i.name)
		}
		l.found(Finding{Identity: OfLog, Kind: "log.gone", Shard: event.Bank, Want: fmt.Sprintf("partition %d from offset %d on", n, next),
			Got: fmt.Sprintf("from %d on", start), Human: "Kafka has deleted the run's beginning: what it said can't be compared with anything"})
		return nil
	}
	for {
		end, err := l.Log.End(ctx, l.Topic, n)
		if err != nil {
			return err
		}
		err = l.Log.Scan(ctx, l.Topic, n, next, end, func(m event.Message) error {
			if p := pools[m.Key]; p != nil {
				progress.add(l.message(p, m))
			}
			return nil
		})
		if err != nil {
			return err
		}
		next = end
		done := true
		for _, p := range pools {
			if err := l.readOutbox(ctx, p, progress); err != nil {
				return err
			}
			done = done && (!p.open || p.reached())
		}
		if done {
			return nil
		}
	}
}

// message takes one message of the log and tells how many rounds it brought.
func (l *look) message(p *pool, m event.Message) int {
	at, err := event.ParsePosition(m.Headers[event.HeaderPosition])
	if err == nil && (p.beyond(at) || at.Seq > 0 && !p.cursor.Position.Before(at)) {
		if !p.beyond(at) {
			p.repeats++
		}
		return 0
	}
	e, err := event.Decode(m.Value)
	if known := p.letters[at]; err != nil && known != nil && known.entry != nil {
		e, err = *known.entry, nil
	}
	if err != nil {
		p.bury(at, true)
		return 0
	}
	if p.beyond(e.Position) {
		return 0
	}
	if l.take(p, &e, true) == event.Gap {
		p.jump(e.Position, true)
		l.take(p, &e, true)
	}
	return len(e.Rounds)
}

// bury passes over a message that nobody can read, as all readers do.
func (p *pool) bury(at event.Position, stored bool) {
	c, moved, err := p.cursor.SkipDead(p.source, at)
	if err != nil { // a hole before it
		p.jump(at, stored)
		c, moved, _ = p.cursor.SkipDead(p.source, at)
	}
	if !moved {
		return
	}
	p.cursor = c
	if at.Seq > 0 {
		if stored {
			p.relayed = at.Seq
		}
		p.dead = append(p.dead, at)
		p.unread = true
		p.compare()
	}
}

// jump notes a hole and goes on behind it, as if its entries had been read.
func (p *pool) jump(to event.Position, stored bool) {
	p.gaps = append(p.gaps, gap{after: p.cursor.Position, before: to, stored: stored})
	p.cursor = event.Cursor{Position: event.Position{Epoch: to.Epoch, Seq: to.Seq - 1}, Fence: max(p.cursor.Fence, to.Epoch)}
	p.stateKnown, p.unread = false, false
}

// outboxPage is how many entries are read at once.
const outboxPage = 256

// readOutbox goes on from where the log ends.
func (l *look) readOutbox(ctx context.Context, p *pool, progress *tick) error {
	for p.open && !p.reached() {
		entries, err := l.Pools.Waiting(ctx, l.subject.Run, p.source.Shard, p.cursor.Position.Next(), outboxPage)
		if err != nil {
			return err
		}
		before := p.cursor.Position
		for i := range entries {
			if p.beyond(entries[i].Position) {
				break
			}
			if !l.waiting(p, &entries[i]) {
				return nil
			}
			progress.add(len(entries[i].Rounds))
		}
		if p.cursor.Position == before && !p.hole(p.stop.Next()) { // the last ones are nowhere
			return nil
		}
	}
	return nil
}

// waiting takes an entry of an outbox. It tells false before what may be a hole, or was relayed meanwhile.
func (l *look) waiting(p *pool, e *event.Entry) bool {
	if e.Kind == "" {
		p.bury(e.Position, false)
		return true
	}
	if l.take(p, e, false) != event.Gap {
		return true
	}
	if !p.hole(e.Position) {
		return false
	}
	l.take(p, e, false)
	return true
}

// hole tells whether the entry after the cursor was missing the last time too, and if so goes on before the next one.
func (p *pool) hole(next event.Position) bool {
	if !p.stuck || p.missing != p.cursor.Position {
		p.stuck, p.missing = true, p.cursor.Position
		return false
	}
	p.stuck = false
	p.jump(next, false)
	return true
}

// take judges an entry as every reader does and counts it.
func (l *look) take(p *pool, e *event.Entry, stored bool) event.Verdict {
	v := p.cursor.Judge(*e)
	switch v {
	case event.Repeat:
		p.repeats++
	case event.Void:
		p.voids++
	case event.Apply:
		p.cursor = p.cursor.Advance(*e)
		if e.Kind != event.KindFence {
			l.count(p, e, stored)
		}
	}
	return v
}

func (l *look) count(p *pool, e *event.Entry, stored bool) {
	if stored {
		p.relayed = e.Seq
	}
	want := follow(p.state, e)
	known := p.letters[e.Position]
	back := known
	if known != nil && known.entry == nil {
		back = nil
	}
	fits := want == e.State || !p.stateKnown && e.Seq != 1
	switch {
	case !fits && !p.unread && (back != nil || p.last != nil):
		p.broken = true
		of := back
		if of == nil {
			of = p.last
		}
		l.unfit(p, of, "at "+e.Position.String()+" "+stateText(want), stateText(e.State))
	case p.unread:
		p.unseen.Issued += e.State.Issued - want.Issued
		p.unseen.Funded += e.State.Funded - want.Funded
		p.unseen.Sent += e.State.Sent - want.Sent
		p.unseen.Received += e.State.Received - want.Received
	case !fits:
		p.broken = true
		f := l.found(Finding{Identity: OfPool, Kind: "pool.history", Shard: p.source.Shard, Want: stateText(want), Got: stateText(e.State),
			Detail: "the entry at " + e.Position.String() + " does not follow from the one before: the pool was changed without an entry",
			Human:  "coins came into the pool, or left it, by no movement that is known"})
		for i := range e.Rounds {
			f.add(e.Rounds[i].ID(e.Source))
		}
	}
	p.state, p.stateKnown, p.unread, p.last = e.State, true, false, back
	if known.misses(ledgerReader) {
		p.miss(e)
	} else {
		p.told = e.State
	}
	p.rounds += int64(len(e.Rounds))
	switch e.Kind {
	case event.KindFund:
		p.funding = *e.Funding
		l.funds.told = append(l.funds.told, told{Funding: *e.Funding, at: e.Position, atMS: e.At})
	case event.KindDebit:
		p.to = put(p.to, e.Transfer.Peer, *e.Transfer)
		l.moves.debit(p.source.Shard, e)
	case event.KindCredit:
		p.from = put(p.from, e.Transfer.Peer, e.Transfer.Number)
		l.moves.credit(p.source.Shard, e, !p.before.Position.Before(e.Position))
	}
	for i := range e.Starts {
		l.started(p, e, &e.Starts[i])
	}
	for i := range e.Rounds {
		p.coins += e.Rounds[i].Paid
		var lost *event.Lost
		if e.Kind == event.KindClaim {
			lost = &e.Lost[i]
		}
		l.settled(p, e, &e.Rounds[i], lost)
	}
	p.compare()
}

func put[K comparable, V any](m map[K]V, k K, v V) map[K]V {
	if m == nil {
		m = map[K]V{}
	}
	m[k] = v
	return m
}

func (l *look) started(p *pool, e *event.Entry, s *event.Start) {
	u := l.table.get(s.User)
	if u == nil {
		return
	}
	u.number = max(u.number, s.Number)
	u.seen(p, e.Position)
	if u.is(hashed) && !u.asOf.Before(e.Position) {
		u.set(standOK, u.stand == l.print.stand(s.Number, s.At, e.Epoch))
	}
	if d := l.details[s.User]; d != nil {
		start := *s
		d.history = append(d.history, deed{at: e.Position, start: &start})
	}
}

// seen notes that the history has the player; if it had him before the hashes were read, he must have one.
func (u *user) seen(p *pool, at event.Position) {
	if !p.before.Position.Before(at) {
		u.set(early, true)
	}
}

// settled adds what a round must have left everywhere. lost is of one that its claim paid; one that was paid beside what
// came since left nothing in the player's hash that is compared.
func (l *look) settled(p *pool, e *event.Entry, r *event.Round, lost *event.Lost) {
	if r.ChancesLeft > 0 {
		l.granted = max(l.granted, r.Number+r.ChancesLeft)
	}
	u := l.table.get(r.User)
	if u == nil {
		return
	}
	u.number = max(u.number, r.Number)
	u.seen(p, e.Position)
	print := l.print.round(p.source.Shard, e.Position, r)
	if u.is(hashed) && (lost == nil || !lost.Beside) && !u.asOf.Before(e.Position) {
		u.set(standOK, u.stand == l.print.stand(r.Number, 0, 0))
		u.set(resultOK, u.result == print)
	}
	if u.total+r.Paid != r.Total {
		u.set(suspected, true)
	}
	u.total = r.Total
	known := p.letters[e.Position]
	if !p.ledger.Position.Before(e.Position) && !known.misses(ledgerReader) {
		u.rounds += print
		if r.Paid > 0 {
			movement := l.print.of(r.Number, r.StartEpoch, r.Paid, r.SettledAt)
			u.gave += movement
			u.got += movement
		}
	}
	if r.Paid > 0 && !p.notified.Position.Before(e.Position) && !known.misses(noticesReader) {
		u.notices += l.print.of(r.Number, r.StartEpoch, r.Paid)
	}
	if l.boards && r.Total > 0 {
		u.best = max(u.best, l.scale.Score(r.Total, r.SettledAt))
		if right := u.best == u.score; right || known.sure() && !p.board.Before(e.Position) {
			u.set(scoreOK, right)
		}
	}
	if d := l.details[r.User]; d != nil {
		round := *r // not the entry with all of its rounds
		d.history = append(d.history, deed{at: e.Position, round: &round, lost: lost, letter: known})
	}
}
