package redispool

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/inventory"
)

// Audit implements inventory.Store.
func (s *Store) Audit(ctx context.Context, run inventory.Run, shard int) (inventory.Slice, error) {
	reply, err := s.call(ctx, audit, run, shard, nil)
	if err != nil && !errors.Is(err, inventory.ErrUnsafe) { // it wrote nothing that a replica could lack
		return inventory.Slice{}, err
	}
	slice, err := parseAudit(reply.Result)
	slice.Source, slice.At = run.Source(shard), reply.Now
	return slice, err
}

// parseAudit reads "<mine or fenced> <pending>|field|value|…".
func parseAudit(text string) (inventory.Slice, error) {
	parts := strings.Split(text, "|")
	whose, pending, _ := strings.Cut(parts[0], " ")
	slice := inventory.Slice{
		Open: whose == "mine", To: map[int]event.Transfer{}, From: map[int]int64{},
	}
	var err error
	if slice.Pending, err = strconv.ParseInt(pending, 10, 64); err != nil || len(parts)%2 != 1 {
		return slice, fmt.Errorf("audit answered %q", text)
	}
	for i := 1; i < len(parts); i += 2 {
		if err := setField(&slice, parts[i], parts[i+1]); err != nil {
			return slice, fmt.Errorf("audit: field %s=%q: %w", parts[i], parts[i+1], err)
		}
	}
	return slice, nil
}

func setField(s *inventory.Slice, name, value string) error {
	if text, ok := strings.CutPrefix(name, "to:"); ok {
		return setSent(s, text, value)
	}
	switch name {
	case "claim", "lock", "lock_until":
		return nil
	case "host":
		s.Host = value
		return nil
	case "seal":
		s.Seal = value
		return nil
	case "mark":
		return setMark(s, value)
	case "funding":
		_, err := fmt.Sscanf(value, "%d %d", &s.Funding.Number, &s.Funding.Amount)
		return err
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return err
	}
	if text, ok := strings.CutPrefix(name, "from:"); ok {
		peer, err := parsePeer(text)
		s.From[peer] = n
		return err
	}
	switch name {
	case "epoch":
		s.Epoch, s.Exists = n, true
	case "seq":
		s.Seq = n
	case "left":
		s.Left = n
	case "issued":
		s.Issued = n
	case "funded":
		s.Funded = n
	case "sent":
		s.Sent = n
	case "received":
		s.Received = n
	case "dry":
		s.Dry = n == 1
	case "need":
		s.Need = n
	case "seal_until":
		s.HeldUntil = time.UnixMilli(n).UTC()
	case "reopened_at":
		s.ReopenedAt = time.UnixMilli(n).UTC()
	default:
		return errors.New("unknown field")
	}
	return nil
}

func setMark(s *inventory.Slice, value string) (err error) {
	if value == "" {
		return nil
	}
	at, offset, _ := strings.Cut(value, " ")
	if s.Mark.Position, err = event.ParsePosition(at); err == nil {
		s.Mark.Offset, err = strconv.ParseInt(offset, 10, 64)
	}
	return err
}

func setSent(s *inventory.Slice, peerText, value string) error {
	peer, err := parsePeer(peerText)
	if err != nil {
		return err
	}
	number, amount, _ := strings.Cut(value, " ")
	n, err1 := strconv.ParseInt(number, 10, 64)
	a, err2 := strconv.ParseInt(amount, 10, 64)
	s.To[peer] = event.Transfer{Peer: peer, Number: n, Amount: a}
	return errors.Join(err1, err2)
}
