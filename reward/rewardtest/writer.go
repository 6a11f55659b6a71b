// Package rewardtest is the exam that every ledger and every inbox sits.
package rewardtest

import (
	"fmt"

	"github.com/shake-live/shake/event"
)

// Writer writes the history of one shard as its scripts would, and knows what of it counts.
type Writer struct {
	Log []event.Entry

	source event.Source
	at     event.Position
	state  event.State
	totals map[string]int64
	number map[string]int64
	peer   int64
	clock  int64
}

// NewWriter opens a source: a shard, or event.Bank.
func NewWriter(campaign string, shard int) *Writer {
	w := &Writer{
		source: event.Source{Campaign: campaign, Run: 1, Shard: shard},
		totals: map[string]int64{}, number: map[string]int64{}, clock: 1_700_000_000_000,
	}
	w.Open()
	return w
}

func (w *Writer) add(e event.Entry) {
	w.at.Seq++
	w.clock += 7
	e.V, e.Source, e.Position, e.State, e.At = event.Version, w.source, w.at, w.state, w.clock
	w.Log = append(w.Log, e)
}

// Open begins a new epoch.
func (w *Writer) Open() {
	previous := w.at
	w.at.Epoch++
	w.add(event.Entry{Kind: event.KindOpen, Open: &event.Open{Host: fmt.Sprint("host", w.at.Epoch), Previous: previous}})
}

// Fence puts a fence for the next epoch into the log.
func (w *Writer) Fence() {
	w.Log = append(w.Log, event.Entry{V: event.Version, Kind: event.KindFence, Source: w.source,
		Position: event.Position{Epoch: w.at.Epoch + 1}, At: w.clock})
}

// Fund brings coins into the bank; a negative amount takes them out.
func (w *Writer) Fund(number, amount int64) {
	w.state.Funded += amount
	w.state.Left += amount
	w.add(event.Entry{Kind: event.KindFund, Funding: &event.Funding{Number: number, Amount: amount}})
}

// Credit brings coins from the bank.
func (w *Writer) Credit(amount int64) {
	w.state.Received += amount
	w.state.Left += amount
	w.peer++
	w.add(event.Entry{Kind: event.KindCredit, Transfer: &event.Transfer{Peer: event.Bank, Number: w.peer, Amount: amount}})
}

// Debit gives coins back.
func (w *Writer) Debit(amount int64) {
	w.state.Sent += amount
	w.state.Left -= amount
	w.peer++
	w.add(event.Entry{Kind: event.KindDebit, Transfer: &event.Transfer{Peer: event.Bank, Number: w.peer, Amount: amount}})
}

// Start starts a round for each user.
func (w *Writer) Start(users ...string) {
	e := event.Entry{Kind: event.KindStart}
	for _, u := range users {
		e.Starts = append(e.Starts, event.Start{User: u, Number: w.number[u] + 1, At: w.clock})
	}
	w.add(e)
}

// Win is a user and what a round pays.
type Win struct {
	User string
	Paid int64
}

// End settles a round for each of the wins in one entry.
func (w *Writer) End(wins ...Win) event.Entry {
	e := event.Entry{Kind: event.KindEnd}
	for _, win := range wins {
		e.Rounds = append(e.Rounds, w.round(win))
	}
	w.add(e)
	return w.Log[len(w.Log)-1]
}

// Lost is a round whose entry was lost, and where that stood.
type Lost struct {
	Round event.Round
	At    event.Position
}

// Lose gives what End would have written, as of a host that was lost right after.
func (w *Writer) Lose(wins ...Win) []Lost {
	zombie := w.lost()
	e := zombie.End(wins...)
	list := make([]Lost, len(e.Rounds))
	for i, r := range e.Rounds {
		list[i] = Lost{Round: r, At: e.Position}
	}
	return list
}

// Claim pays what was lost: beside the last round, as it is when later ones were settled.
func (w *Writer) Claim(lost ...Lost) event.Entry {
	e := event.Entry{Kind: event.KindClaim}
	for _, l := range lost {
		r := l.Round
		w.state.Issued += r.Paid
		w.state.Left -= r.Paid
		w.totals[r.User] += r.Paid
		w.clock++
		e.Lost = append(e.Lost, event.Lost{Position: l.At, SettledAt: r.SettledAt, Beside: true, Extra: r.Paid})
		r.Total, r.SettledAt = w.totals[r.User], w.clock
		e.Rounds = append(e.Rounds, r)
	}
	w.add(e)
	return w.Last()
}

func (w *Writer) round(win Win) event.Round {
	w.state.Issued += win.Paid
	w.state.Left -= win.Paid
	w.totals[win.User] += win.Paid
	w.number[win.User]++
	w.clock++
	return event.Round{
		User: win.User, Number: w.number[win.User], StartEpoch: w.at.Epoch, StartedAt: w.clock - 10_000,
		Shakes: 60 + win.Paid, ElapsedMS: 9_900, Computed: win.Paid + 1, Paid: win.Paid, Total: w.totals[win.User],
		ChancesLeft: 50 - w.number[win.User], SettledAt: w.clock,
	}
}

// lost is a copy of the writer whose entries from here on nobody will count.
func (w *Writer) lost() *Writer {
	c := *w
	c.Log = nil
	c.totals, c.number = map[string]int64{}, map[string]int64{}
	for u := range w.totals {
		c.totals[u], c.number[u] = w.totals[u], w.number[u]
	}
	return &c
}

// Last is the entry written last.
func (w *Writer) Last() event.Entry { return w.Log[len(w.Log)-1] }
