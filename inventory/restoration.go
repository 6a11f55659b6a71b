package inventory

import (
	"github.com/shake-live/shake/event"
)

// Add makes e part of the restoration. Entries come in the order of their positions.
func (r *Restoration) Add(e event.Entry) {
	r.Position, r.State = e.Position, e.State
	switch {
	case e.Funding != nil:
		r.Funding = *e.Funding
	case e.Kind == event.KindDebit:
		r.To = with(r.To, e.Transfer.Peer, event.Transfer{Peer: e.Transfer.Peer, Number: e.Transfer.Number, Amount: e.Transfer.Amount})
	case e.Kind == event.KindCredit:
		r.From = with(r.From, e.Transfer.Peer, e.Transfer.Number)
	}
	for _, s := range e.Starts {
		p := r.Players[s.User]
		p.Number, p.Open, p.StartedAt, p.Epoch = s.Number, true, s.At, e.Epoch
		r.Players = with(r.Players, s.User, p)
	}
	for i, round := range e.Rounds {
		p := r.Players[round.User]
		if e.Kind == event.KindClaim && e.Lost[i].Beside {
			p.Extra = e.Lost[i].Extra
			p.Claims = append(p.Claims, Claimed{Epoch: round.StartEpoch, Number: round.Number, Seq: e.Seq})
		} else {
			p = Player{Number: round.Number, Last: &round, LastAt: e.Position, Claims: p.Claims}
		}
		r.Players = with(r.Players, round.User, p)
	}
}

func with[K comparable, V any](m map[K]V, k K, v V) map[K]V {
	if m == nil {
		m = map[K]V{}
	}
	m[k] = v
	return m
}
