package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/event/letters"
	"github.com/shake-live/shake/event/sqlletters"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/reward"
	"github.com/shake-live/shake/reward/sqlcursor"
)

// desk looks after the dead letters.
func (s *stack) desk(readers map[string]event.Returner) *letters.Desk {
	return letters.NewDesk(letters.Deps{
		Log: s.bus, Send: s.bus, Store: sqlletters.New(s.sql), Readers: readers, Topic: s.topics.Dead, Clock: s.clock,
	})
}

// returners are the readers that letters are sent to, by group.
func (s *stack) returners() map[string]event.Returner {
	notifier := reward.NewNotifier(s.inbox, s.pusher.Fresh, func(d reward.Delivered) { s.metrics.Read("notices", d.Tally) })
	return map[string]event.Returner{
		s.group("ledger"):  reward.NewLedger(s.ledger, s.booked),
		s.group("notices"): notifier,
		s.group("board"):   boardReturner{s},
	}
}

// boardReturner puts entries back on live boards, and records it where a board that is built anew will look.
type boardReturner struct{ *stack }

// PutBack implements event.Returner.
func (b boardReturner) PutBack(ctx context.Context, e event.Entry, note string) (event.Return, error) {
	c, err := b.campaigns.Run(ctx, e.Campaign, e.Run)
	if errors.Is(err, game.ErrNotFound) || err == nil && c.SettledAt != nil {
		return event.Counted, nil // it has no live board any more, and the final one is the ledger's
	}
	if err != nil {
		return "", err
	}
	value, err := e.Encode()
	if err != nil {
		return "", err
	}
	record := sqlcursor.New(b.sql, "board", b.clock)
	before, err := record.Recorded(ctx, e.Source, e.Position)
	if err == nil && before != nil && !bytes.Equal(before, value) {
		err = event.ErrOther
	}
	if err != nil {
		return "", fmt.Errorf("board: %w", err)
	}
	r := event.Counts // a board that is not whole is built anew, and then it has the entry by its record
	built, err := b.board.Built(ctx, c.Life())
	if err == nil && built {
		r, err = b.board.PutBack(ctx, c.Life(), scaleOf(c), e)
	}
	if err != nil {
		return "", err
	}
	if before != nil && !built {
		r = event.Counted
	}
	return r, record.Record(ctx, e, note)
}

// LetterQuery says which letters are listed.
type LetterQuery struct {
	letters.Filter
	Limit    int
	Oldest   bool
	Progress func(read int64)
}

// Letters lists dead letters. more counts those beyond the limit.
func (t Target) Letters(ctx context.Context, log *slog.Logger, q LetterQuery) (list []letters.Letter, more int64, err error) {
	err = t.withLetters(ctx, log, func(d *letters.Desk) error {
		list, more, err = d.List(ctx, q.Filter, q.Limit, q.Oldest, q.Progress)
		return err
	})
	return list, more, err
}

// Letter gives one dead letter by its id.
func (t Target) Letter(ctx context.Context, log *slog.Logger, id string) (l letters.Letter, err error) {
	err = t.withLetters(ctx, log, func(d *letters.Desk) error {
		at, err := letters.ParseID(id, d.Topic)
		if err == nil {
			l, err = d.Letter(ctx, at)
		}
		return err
	})
	return l, err
}

// EditLetter changes on record what is sent again of a letter.
func (t Target) EditLetter(ctx context.Context, log *slog.Logger, id string, value []byte, by letters.Who, why string) (l letters.Letter, err error) {
	err = t.withLetters(ctx, log, func(d *letters.Desk) error {
		at, err := letters.ParseID(id, d.Topic)
		if err == nil {
			l, err = d.Edit(ctx, at, value, by, why)
		}
		return err
	})
	return l, err
}

// ResendLetters sends letters again; ids are theirs as texts, in place of those of the order.
func (t Target) ResendLetters(ctx context.Context, log *slog.Logger, ids []string, o letters.Order) (results []letters.Result, more int64, err error) {
	if err := t.exists(); err != nil {
		return nil, 0, err
	}
	err = t.with(ctx, log, true, func(s *stack) error {
		for _, text := range ids {
			id, err := letters.ParseID(text, s.topics.Dead)
			if err != nil {
				return err
			}
			o.IDs = append(o.IDs, id)
		}
		results, more, err = s.desk(s.returners()).Resend(ctx, o)
		return unreachable(err)
	})
	return results, more, err
}

// unreachable marks what is neither a letter's fault nor a person's.
func unreachable(err error) error {
	if err == nil || errors.Is(err, letters.ErrNotFound) || errors.Is(err, letters.ErrBadID) || errors.Is(err, letters.ErrStale) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

// exists refuses a folder that is no dev's: servers would be started in it.
func (t Target) exists() error {
	if t.Config != "" {
		return nil
	}
	_, err := os.Stat(filepath.Join(t.Data, "shake.db"))
	return err
}

// withLetters opens what letters are in, and no other server: they are looked at when something is down.
func (t Target) withLetters(ctx context.Context, log *slog.Logger, fn func(*letters.Desk) error) (err error) {
	if err := t.exists(); err != nil {
		return err
	}
	cfg, done, err := t.config()
	if err != nil {
		return err
	}
	defer done()
	s := newStack(cfg, log)
	defer func() { err = errors.Join(err, s.stops.closeAll()) }()
	if err := errors.Join(s.openSQL(ctx), s.openKafka(ctx)); err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return unreachable(fn(s.desk(nil)))
}
