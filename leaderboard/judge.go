package leaderboard

import (
	"maps"

	"github.com/shake-live/shake/event"
)

// Applied is what one batch did to a board.
type Applied struct {
	event.Tally
	Players int // whose total was told
}

// Total is a player's running total and when it was reached.
type Total struct{ Coins, AtMS int64 }

// Batch is what entries of one run change on its board.
type Batch struct {
	Cursors map[int]event.Cursor // by shard
	Totals  map[string]Total     // the highest told of each player
	Applied Applied
}

// Judge works out what entries of one run change, given how far the board is in each shard. A gap stops its
// own shard and no other.
func Judge(cursors map[int]event.Cursor, entries []event.Entry) Batch {
	b := Batch{Cursors: map[int]event.Cursor{}, Totals: map[string]Total{}}
	maps.Copy(b.Cursors, cursors)
	known := map[event.Source]event.Cursor{}
	for _, e := range entries {
		known[e.Source] = cursors[e.Shard]
	}
	reading := event.NewReading(known)
	for _, e := range entries {
		if reading.Take(e) {
			b.take(e)
		}
	}
	for source, c := range reading.Cursors {
		b.Cursors[source.Shard] = c
	}
	b.Applied = Applied{Tally: reading.Tally, Players: len(b.Totals)}
	return b
}

// TotalsOf are the totals that one entry tells.
func TotalsOf(e event.Entry) map[string]Total {
	b := Batch{Totals: map[string]Total{}}
	b.take(e)
	return b.Totals
}

// take keeps the highest total of each player. Of two rounds that tell the same total the earlier reached
// it: a round that paid nothing does not move anybody.
func (b *Batch) take(e event.Entry) {
	for _, r := range e.Rounds {
		best, known := b.Totals[r.User]
		if r.Total > best.Coins || known && r.Total == best.Coins && r.SettledAt < best.AtMS {
			b.Totals[r.User] = Total{Coins: r.Total, AtMS: r.SettledAt}
		}
	}
}
