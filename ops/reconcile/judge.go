package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/reward"
)

// judgePools compares what pools and cursors say with the history.
func (l *look) judgePools(ctx context.Context, b Snapshot) (err error) {
	if l.funds.late, err = l.Books.Orders(ctx, l.subject.Run); err != nil {
		return err
	}
	for _, p := range l.pools {
		l.judgeHoles(p)
		if p.open && p.stateKnown && !p.unread {
			l.judgePool(p)
		}
		l.judgeLedger(p)
		for name, at := range map[string]event.Position{OfNotices: p.notified.Position, OfBoard: p.board} {
			if p.cursor.Position.Before(at) {
				l.found(Finding{Identity: name, Kind: name + ".cursor", Shard: p.source.Shard, Want: "at most " + p.cursor.Position.String(), Got: at.String(),
					Human: "its reader passes over entries up to there; the cursor has to be set back to what was done"})
			}
		}
	}
	l.judgeMoves()
	return nil
}

func (l *look) judgeHoles(p *pool) {
	for _, g := range p.gaps {
		name, human := OfOutbox, "the entries are in no store; claims and round logs may bring them back"
		if g.stored {
			name = OfLog
		}
		f := l.found(Finding{Identity: name, Kind: name + ".gap", Shard: p.source.Shard, Want: "every entry", Human: human})
		text := fmt.Sprintf("%s to %d", event.Position{Epoch: g.before.Epoch, Seq: g.after.Seq + 1}, g.before.Seq-1)
		if g.before.Seq == g.after.Seq+1 {
			text = "the opening of epoch " + fmt.Sprint(g.before.Epoch)
		}
		f.Got = join(f.Got, "none of "+text)
	}
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

func (l *look) judgePool(p *pool) {
	was, is := p.state, p.after.State
	if was != is && p.last != nil {
		l.unfit(p, p.last, stateText(is)+dryText(is)+", as the pool has it", stateText(was)+dryText(was))
	} else if was != is {
		l.found(Finding{Identity: OfPool, Kind: "pool.state", Shard: p.source.Shard, Want: stateText(was) + dryText(was), Got: stateText(is) + dryText(is),
			Detail: "at " + p.stop.String(), Human: "set the pool to what its last entry says, or record where the coins came from"})
	}
	if !p.clear() {
		return // transfers may be in what is missing
	}
	if !maps.Equal(p.to, p.after.To) || !maps.Equal(p.from, p.after.From) {
		l.found(Finding{Identity: OfPool, Kind: "pool.transfers", Shard: p.source.Shard, Want: fmt.Sprintf("sent %v, received %v", p.to, p.from),
			Got: fmt.Sprintf("sent %v, received %v", p.after.To, p.after.From), Human: "the next transfer goes by these numbers"})
	}
	if p.source.Shard == event.Bank && p.funding != p.after.Funding {
		l.found(Finding{Identity: OfPool, Kind: "pool.funding", Shard: event.Bank, Want: fmt.Sprintf("last funding %+v", p.funding),
			Got: fmt.Sprintf("%+v", p.after.Funding), Human: "the next funding goes by this number"})
	}
}

func dryText(s event.State) string {
	if s.Dry {
		return ", dry"
	}
	return ""
}

// judgeLedger compares the ledger's counters and cursor of one pool. The counters were written with the cursor, so
// they tell where it stood, if it stands elsewhere now.
func (l *look) judgeLedger(p *pool) {
	at, c := p.ledger.Position, p.ledger.Count
	var buried int64
	for _, d := range slices.Concat(p.dead, p.passed) {
		if !at.Before(d) {
			buried++
		}
	}
	switch {
	case p.lost(at): // it read what the log has no more
	case !p.right && p.known && p.counted != at:
		f := l.found(Finding{Identity: OfLedger, Kind: "ledger.cursor", Shard: p.source.Shard, Want: p.counted.String(), Got: at.String(),
			Detail: "the ledger's counters are those of another position than its cursor's"})
		f.mend(p, Action{Kind: "ledger.cursor", Subject: "cursor", Before: at.String(), After: p.counted.String(), At: p.counted, From: at})
	case !p.right:
		want := p.counters()
		f := l.found(Finding{Identity: OfLedger, Kind: "ledger.count", Shard: p.source.Shard,
			Want: countText(want), Got: countText(c),
			Detail: "at " + at.String()})
		f.mend(p, Action{Kind: "ledger.count", Subject: "counters", Before: f.Got, After: f.Want, From: at, Count: want})
	case buried != p.ledger.Dead:
		l.found(Finding{Identity: OfLedger, Kind: "ledger.dead", Shard: p.source.Shard, Want: fmt.Sprint(buried, " entries that nobody can read"),
			Got: fmt.Sprint(p.ledger.Dead, " dead letters"), Human: "look at the dead letters: something was passed over, or put back without being noted"})
	}
}

// move is one transfer between two pools.
type move struct {
	from, to int
	number   int64
}

type credit struct {
	amount int64
	early  bool // it was there before any pool was read, so its debit must be
}

// moves are transfers of which one side was read; pools are read one after the other.
type moves struct {
	debits  map[move]int64
	credits map[move]credit
	last    map[move]int64 // number of the last credit of a pair, whose own number is 0
	wrong   []string
}

func newMoves() moves {
	return moves{debits: map[move]int64{}, credits: map[move]credit{}, last: map[move]int64{}}
}

func (m *moves) debit(shard int, e *event.Entry) {
	k := move{shard, e.Transfer.Peer, e.Transfer.Number}
	if c, ok := m.credits[k]; ok {
		delete(m.credits, k)
		m.compare(k, e.Transfer.Amount, c.amount)
		return
	}
	m.debits[k] = e.Transfer.Amount
}

func (m *moves) credit(shard int, e *event.Entry, early bool) {
	k := move{e.Transfer.Peer, shard, e.Transfer.Number}
	m.last[move{from: k.from, to: k.to}] = k.number
	if amount, ok := m.debits[k]; ok {
		delete(m.debits, k)
		m.compare(k, amount, e.Transfer.Amount)
		return
	}
	m.credits[k] = credit{e.Transfer.Amount, early}
}

func (m *moves) compare(k move, sent, received int64) {
	if sent != received {
		m.wrong = append(m.wrong, fmt.Sprintf("transfer %d from %d to %d: sent %d, received %d", k.number, k.from, k.to, sent, received))
	}
}

// judgeMoves pairs debits with credits. One debit of a pair may be on its way, the one after the last credit.
func (l *look) judgeMoves() {
	m := &l.moves
	sound := func(k move) bool {
		a, b := l.pool(k.from), l.pool(k.to)
		return a != nil && b != nil && a.open && b.open && a.clear() && b.clear()
	}
	for _, p := range l.pools {
		l.inFlight += p.state.Sent - p.state.Received
	}
	for k, amount := range m.debits {
		if sound(k) && k.number <= m.last[move{from: k.from, to: k.to}] {
			m.wrong = append(m.wrong, fmt.Sprintf("transfer %d from %d to %d: sent %d, never received", k.number, k.from, k.to, amount))
		}
	}
	for k, c := range m.credits {
		if sound(k) && c.early {
			m.wrong = append(m.wrong, fmt.Sprintf("transfer %d from %d to %d: received %d, never sent", k.number, k.from, k.to, c.amount))
		}
	}
	if len(m.wrong) == 0 {
		return
	}
	slices.Sort(m.wrong)
	if more := len(m.wrong) - MaxRounds; more > 0 {
		m.wrong = append(m.wrong[:MaxRounds], fmt.Sprintf("and %d more", more))
	}
	l.found(Finding{Identity: OfPool, Kind: "pool.moves", Shard: event.Bank, Want: "each transfer sent and received", Got: strings.Join(m.wrong, "; "),
		Human: "coins were made or lost between two pools"})
}

// told is one funding of the history.
type told struct {
	event.Funding
	at   event.Position
	atMS int64
}

// funds are coins that came from outside, as each store has them. There are few.
type funds struct {
	told          []told
	ordered, late []Order // before and after the pools were read
	booked        []reward.Funding
	entries       []Booked
}

// judgeFunds compares fundings: ordered in SQL before the bank has them, in the bank before they are noted as done, and
// booked with the ledger's cursor.
func (l *look) judgeFunds() {
	bank := l.pool(event.Bank)
	if !bank.clear() {
		l.skip("the bank's history has holes: its fundings were not compared", OfPool, OfBook)
		return
	}
	wrong := func(identity string, number int64, want, got string) {
		f := l.found(Finding{Identity: identity, Kind: identity + ".funding", Shard: event.Bank, Human: "coins came from outside, or went back, that not all stores agree on"})
		f.Want, f.Got = join(f.Want, fmt.Sprintf("funding %d: %s", number, want)), join(f.Got, got)
	}
	inBank := map[int64]told{}
	for _, t := range l.funds.told {
		inBank[t.Number] = t
		if want := orderOf(l.funds.late, t.Number); want == nil {
			wrong(OfPool, t.Number, "an order in SQL", fmt.Sprintf("none, and the bank has %d", t.Amount))
		} else if t.Amount != want.Amount && !(t.Amount == 0 && want.State != "done") {
			wrong(OfPool, t.Number, fmt.Sprintf("%d as ordered (%s)", want.Amount, want.State), fmt.Sprint(t.Amount))
		}
	}
	for _, o := range l.funds.ordered {
		if _, ok := inBank[o.Number]; !ok && o.State == "done" && bank.open {
			wrong(OfPool, o.Number, fmt.Sprintf("%d in the bank, as SQL says", o.Amount), "none")
		}
	}
	l.judgeBookedFunds(bank, inBank, wrong)
}

func orderOf(list []Order, number int64) *Order {
	for i := range list {
		if list[i].Number == number {
			return &list[i]
		}
	}
	return nil
}

func (l *look) judgeBookedFunds(bank *pool, inBank map[int64]told, wrong func(string, int64, string, string)) {
	rows, entries := map[int64]int64{}, map[string]int64{}
	for _, f := range l.funds.booked {
		rows[f.Number] = f.Amount
		if t, ok := inBank[f.Number]; !ok || bank.ledger.Position.Before(t.at) {
			wrong(OfLedger, f.Number, "none", fmt.Sprint(f.Amount, " booked"))
		}
	}
	for _, e := range l.funds.entries {
		entries[fmt.Sprint(e.Account, " ", e.Ref, " ", e.At)] += e.Coins
	}
	run := reward.RunAccount(l.subject.Campaign, l.subject.Number)
	for _, t := range l.funds.told {
		if bank.ledger.Position.Before(t.at) {
			continue
		}
		if amount, ok := rows[t.Number]; !ok || amount != t.Amount {
			wrong(OfLedger, t.Number, fmt.Sprint(t.Amount, " booked"), fmt.Sprint(amount))
		}
		ref := reward.Funding{Funding: t.Funding, Source: bank.source}.ID()
		for account, coins := range map[string]int64{reward.Treasury: -t.Amount, run: t.Amount} {
			key := fmt.Sprint(account, " ", ref, " ", t.atMS)
			if got := entries[key]; got != coins {
				wrong(OfBook, t.Number, fmt.Sprintf("%d for %s", coins, account), fmt.Sprint(got))
			}
			delete(entries, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		wrong(OfBook, 0, "none", fmt.Sprintf("%d in %s", entries[key], key))
	}
}
