// Package leaderboardtest is the exam that every live board sits, and the model that it is measured by.
package leaderboardtest

import (
	"github.com/shake-live/shake/event"
)

// StartMS is when the runs of this package start.
const StartMS = 1_700_000_000_000

// Writer writes the history of one shard as its scripts would.
type Writer struct {
	Log []event.Entry

	source event.Source
	at     event.Position
	totals map[string]int64
	number map[string]int64
}

// NewWriter opens a shard of a run.
func NewWriter(run event.Run, shard int) *Writer {
	w := &Writer{source: run.Source(shard), totals: map[string]int64{}, number: map[string]int64{}}
	w.Open()
	return w
}

func (w *Writer) add(e event.Entry) {
	w.at.Seq++
	e.V, e.Source, e.Position = event.Version, w.source, w.at
	w.Log = append(w.Log, e)
}

// Open begins a new epoch.
func (w *Writer) Open() {
	previous := w.at
	w.at.Epoch++
	w.add(event.Entry{Kind: event.KindOpen, Open: &event.Open{Host: "host", Previous: previous}})
}

// Fence puts a fence for the next epoch into the log.
func (w *Writer) Fence() {
	w.Log = append(w.Log, event.Entry{V: event.Version, Kind: event.KindFence, Source: w.source,
		Position: event.Position{Epoch: w.at.Epoch + 1}})
}

// End settles one round, which is so many ms after the start.
func (w *Writer) End(user string, paid, ms int64) {
	w.EndAll(map[string]int64{user: paid}, ms)
}

// EndAll settles a round for each of the users in one entry.
func (w *Writer) EndAll(paid map[string]int64, ms int64) {
	e := event.Entry{Kind: event.KindEnd, At: StartMS + ms}
	for user, coins := range paid {
		w.totals[user] += coins
		w.number[user]++
		e.State.Issued += coins
		e.State.Received += coins
		e.Rounds = append(e.Rounds, event.Round{
			User: user, Number: w.number[user], StartEpoch: w.at.Epoch, Computed: coins, Paid: coins,
			Total: w.totals[user], SettledAt: StartMS + ms,
		})
	}
	w.add(e)
}

// Zombie is a copy of the writer that goes on after the shard was reopened elsewhere.
func (w *Writer) Zombie() *Writer {
	z := &Writer{source: w.source, at: w.at, totals: map[string]int64{}, number: map[string]int64{}}
	for user := range w.totals {
		z.totals[user], z.number[user] = w.totals[user], w.number[user]
	}
	return z
}

// Last is the entry written last.
func (w *Writer) Last() event.Entry { return w.Log[len(w.Log)-1] }
