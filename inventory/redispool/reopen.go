package redispool

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/inventory"
)

// Seal implements inventory.Reopening.
func (s *Store) Seal(ctx context.Context, run inventory.Run, shard int, c inventory.Seal) (int64, error) {
	force := 0
	if c.Force {
		force = 1
	}
	return result(s.call(ctx, seal, run, shard, nil, c.Token, c.Least, c.Hold.Milliseconds(), c.Renew, force))
}

// Open implements inventory.Reopening.
func (s *Store) Open(ctx context.Context, run inventory.Run, shard int, token string, epoch int64, mark event.Mark) error {
	text := ""
	if mark != (event.Mark{}) {
		text = fmt.Sprint(mark.Position, " ", mark.Offset)
	}
	_, err := result(s.call(ctx, open, run, shard, nil, token, epoch, text))
	return err
}

// Restore implements inventory.Reopening.
func (s *Store) Restore(ctx context.Context, run inventory.Run, shard int, token string, r inventory.Restoration) error {
	keys := s.keys.Of(run)
	fields := poolFields(r)
	args := append([]any{token, len(fields)}, fields...)
	players := make([]string, 0, len(r.Players))
	for user, p := range r.Players {
		players = append(players, keys.Player(shard, user))
		args = append(args, playerFields(p)...)
	}
	_, err := result(s.call(ctx, restore, run, shard, players, args...))
	return err
}

// poolFields are names and values of a pool's hash, as the scripts write them.
func poolFields(r inventory.Restoration) []any {
	dry := 0
	if r.State.Dry {
		dry = 1
	}
	f := []any{
		"epoch", r.Position.Epoch, "seq", r.Position.Seq, "left", r.State.Left, "issued", r.State.Issued,
		"funded", r.State.Funded, "sent", r.State.Sent, "received", r.State.Received, "dry", dry,
	}
	if r.Funding.Number > 0 {
		f = append(f, "funding", strconv.FormatInt(r.Funding.Number, 10)+" "+strconv.FormatInt(r.Funding.Amount, 10))
	}
	for peer, t := range r.To {
		f = append(f, "to:"+peerName(peer), strconv.FormatInt(t.Number, 10)+" "+strconv.FormatInt(t.Amount, 10))
	}
	for peer, number := range r.From {
		f = append(f, "from:"+peerName(peer), number)
	}
	return f
}

// playerFields are last number, open round's start, its epoch, the last result, and coins and names of claims; "-" leaves
// one as it is.
func playerFields(p inventory.Player) []any {
	f := []any{"-", "-", "-", "-", "-", "-"}
	if p.Number > 0 {
		f[0], f[1] = p.Number, ""
	}
	if p.Open {
		f[1], f[2] = p.StartedAt, p.Epoch
	}
	if p.Last != nil {
		f[3] = Facts(*p.Last, p.LastAt)
	}
	if p.Last != nil || len(p.Claims) > 0 {
		f[4] = p.Extra
	}
	if len(p.Claims) > 0 {
		var names strings.Builder
		for _, c := range p.Claims {
			fmt.Fprintf(&names, " %d.%d.%d", c.Epoch, c.Number, c.Seq)
		}
		f[5] = names.String()
	}
	return f
}

// Facts is the result of a settled round as end.lua keeps it in the player's hash.
func Facts(r event.Round, at event.Position) string {
	text := make([]byte, 0, 96)
	for i, n := range [...]int64{
		r.Number, r.Shakes, r.ElapsedMS, r.Computed, r.Paid, r.Total, r.ChancesLeft, r.SettledAt - r.StartedAt,
		at.Epoch, at.Seq, r.StartedAt, r.StartEpoch,
	} {
		if i > 0 {
			text = append(text, ' ')
		}
		text = strconv.AppendInt(text, n, 10)
	}
	return string(text)
}
