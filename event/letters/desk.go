package letters

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/clock"
)

// Deps are what a Desk works with.
type Deps struct {
	Log     event.DatedLog
	Send    event.Producer
	Store   Store
	Readers map[string]event.Returner // by group
	Topic   string                    // of the dead letters
	Clock   clock.Clock
}

// Desk is where letters are looked after.
type Desk struct{ Deps }

// NewDesk makes a Desk.
func NewDesk(d Deps) *Desk { return &Desk{d} }

// Bounds.
const (
	MaxLetters = 10_000  // listed or sent at once
	chunk      = 500     // letters whose notes are asked for in one go
	MaxValue   = 1 << 20 // bytes of an edited letter: Kafka's own limit for a message
)

// List gives letters that the filter lets through, limit at most: the newest first, or the oldest first. more tells how
// many others there are.
func (d *Desk) List(ctx context.Context, f Filter, limit int, oldest bool, progress func(read int64)) (list []Letter, more int64, err error) {
	limit = min(max(limit, 1), MaxLetters)
	order := func(a, b Letter) int {
		c := cmp.Or(a.Message.At.Compare(b.Message.At), cmp.Compare(a.ID.Partition, b.ID.Partition), cmp.Compare(a.ID.Offset, b.ID.Offset))
		if oldest {
			return c
		}
		return -c
	}
	var total int64
	err = d.each(ctx, f, progress, func(found []Letter) error {
		total += int64(len(found))
		if list = append(list, found...); len(list) > 2*limit {
			slices.SortFunc(list, order)
			list = slices.Clip(list[:limit])
		}
		return nil
	})
	slices.SortFunc(list, order)
	list = list[:min(len(list), limit)]
	return list, total - int64(len(list)), err
}

// each hands on letters in the order of each partition, some at a time.
func (d *Desk) each(ctx context.Context, f Filter, progress func(int64), fn func([]Letter) error) error {
	partitions, err := d.Log.Partitions(ctx, d.Topic)
	if err != nil {
		return err
	}
	var read int64
	var batch []Letter
	flush := func() error {
		found, err := d.noted(ctx, batch)
		if err != nil {
			return err
		}
		batch = nil
		if f.Waiting {
			found = slices.DeleteFunc(found, func(l Letter) bool { return !l.Waits() })
		}
		return fn(found)
	}
	for p := range partitions {
		from, to, err := d.bounds(ctx, p, f)
		if err != nil {
			return err
		}
		err = d.Log.Scan(ctx, d.Topic, p, from, to, func(m event.Message) error {
			if read++; progress != nil && read%chunk == 0 {
				progress(read)
			}
			l := letterOf(m)
			if !f.matches(&l) {
				return nil
			}
			if batch = append(batch, l); len(batch) < chunk {
				return nil
			}
			return flush()
		})
		if err != nil {
			return err
		}
	}
	return flush()
}

// bounds are the offsets between which letters of the filter's time lie.
func (d *Desk) bounds(ctx context.Context, partition int32, f Filter) (from, to int64, err error) {
	if !f.Since.IsZero() {
		if from, err = d.Log.OffsetAt(ctx, d.Topic, partition, f.Since); err != nil {
			return 0, 0, err
		}
	}
	to, err = d.Log.End(ctx, d.Topic, partition)
	return from, to, err
}

func letterOf(m event.Message) Letter {
	l := Letter{ID: ID{m.Topic, m.Partition, m.Offset}, Message: m}
	l.Source, l.Position, l.Placed = m.Place()
	return l
}

// noted adds what was done about letters.
func (d *Desk) noted(ctx context.Context, list []Letter) ([]Letter, error) {
	if len(list) == 0 {
		return list, nil
	}
	ids := make([]ID, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	notes, err := d.Store.Notes(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Note = notes[list[i].ID]
	}
	return list, nil
}

// errFound ends a scan.
var errFound = errors.New("found")

// Letter gives one letter, or ErrNotFound.
func (d *Desk) Letter(ctx context.Context, id ID) (l Letter, err error) {
	partitions, err := d.Log.Partitions(ctx, d.Topic)
	if err != nil {
		return l, err
	}
	if id.Topic != d.Topic || id.Partition >= partitions {
		return l, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	err = d.Log.Scan(ctx, d.Topic, id.Partition, id.Offset, id.Offset+1, func(m event.Message) error {
		l = letterOf(m)
		return errFound
	})
	if !errors.Is(err, errFound) || l.ID != id {
		if err == nil || errors.Is(err, errFound) {
			err = fmt.Errorf("%w: %s; the log may have deleted it", ErrNotFound, id)
		}
		return Letter{}, err
	}
	list, err := d.noted(ctx, []Letter{l})
	if err != nil {
		return Letter{}, err
	}
	return list[0], nil
}

// Edit changes what is sent again, on record. The letter itself stays. The same value again changes nothing. It gives the
// letter as it is now; whether what it says now can be read is the caller's to ask.
func (d *Desk) Edit(ctx context.Context, id ID, value []byte, by Who, why string) (Letter, error) {
	l, err := d.Letter(ctx, id)
	if err != nil {
		return l, err
	}
	if string(l.Value()) == string(value) {
		return l, nil
	}
	e := Edit{Letter: id, At: d.Clock.Now(), By: by, Why: why, Before: l.Value(), After: value}
	if err := d.Store.Edit(ctx, e, l.Edited()); err != nil {
		return l, fmt.Errorf("edit %s: %w", id, err)
	}
	return d.Letter(ctx, id)
}
