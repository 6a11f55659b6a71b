package event

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// crossing is relays at one outbox that step on each other's toes: before every step of each it is drawn by lot whose
// turn is next. The log may take a batch twice, or take it and not tell.
type crossing struct {
	t       *testing.T
	lots    *rand.Rand
	arrived chan chan struct{}

	waiting []Entry // the outbox
	log     []Entry
	mark    Mark
	kept    int
}

func (c *crossing) turn() {
	mine := make(chan struct{})
	c.arrived <- mine
	<-mine
}

func (c *crossing) Lease(context.Context, Run, int, string, time.Duration) (bool, error) {
	return true, nil // nobody knows of the others
}

func (c *crossing) Read(_ context.Context, _ Run, _ int, max int) ([]Entry, error) {
	c.turn()
	n := min(max, len(c.waiting))
	return append([]Entry(nil), c.waiting[:n]...), nil
}

func (c *crossing) Trim(_ context.Context, _ Run, _ int, through Position, mark Mark) error {
	c.turn()
	if mark != (Mark{}) && len(c.waiting) > 0 && c.waiting[0].Position == mark.Next() {
		c.mark, c.kept = mark, c.kept+1
		c.check(mark)
	}
	for len(c.waiting) > 0 && !through.Before(c.waiting[0].Position) {
		c.waiting = c.waiting[1:]
	}
	return nil
}

func (c *crossing) Produce(_ context.Context, messages ...Message) error {
	for range 1 + c.lots.IntN(8)/7 { // now and then twice: a producer that sends again under a new identity
		c.turn()
		for i := range messages {
			e, err := Decode(messages[i].Value)
			if err != nil {
				return err
			}
			messages[i].Offset = int64(len(c.log))
			c.log = append(c.log, e)
		}
	}
	c.turn() // the acknowledgement is on its way
	switch c.lots.IntN(8) {
	case 0:
		return errors.New("reply lost")
	case 1:
		for i := range messages {
			messages[i].Offset = -1
		}
	}
	return nil
}

// check holds that whoever begins at the mark comes to where a reader of everything comes.
func (c *crossing) check(mark Mark) {
	whole, short := c.read(Mark{}), c.read(mark)
	if whole != short {
		c.t.Errorf("from the beginning a reader comes to %v, from mark %+v to %v", whole, mark, short)
	}
}

func (c *crossing) read(from Mark) Cursor {
	at := from.Cursor()
	for i, e := range c.log[from.Offset:] {
		switch at.Judge(e) {
		case Apply:
			at = at.Advance(e)
		case Gap:
			c.t.Errorf("from mark %+v: gap before %v at offset %d", from, e.Position, from.Offset+int64(i))
		}
	}
	return at
}

// Every mark that is kept is a true one, however relays and their producers cross.
func TestRelay_marks(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	kept := 0
	for n := range uint64(50) {
		c := &crossing{t: t, lots: rand.New(rand.NewPCG(seed, n)), arrived: make(chan chan struct{})}
		kept += c.play(1+int(n%5), 1500)
		if t.Failed() {
			return
		}
	}
	if kept < 300 {
		t.Errorf("%d marks were kept in all, so little was shown", kept)
	}
}

// play lets relays work until they have been given so many turns, then one of them to the end.
func (c *crossing) play(relays, turns int) int {
	run := Run{Campaign: "c", Number: 1, Shards: 1}
	ended := make(chan struct{}, relays)
	stop := false
	for range relays {
		r := NewRelay(c, c, RelayOptions{Topic: "log", MaxBatch: 4})
		go func() {
			defer func() { ended <- struct{}{} }()
			var last Mark
			for c.turn(); !stop; c.turn() {
				_, _ = r.once(context.Background(), run, 0, &last) // what failed is tried again
			}
		}()
	}
	var lot []chan struct{}
	next := Position{Epoch: 1, Seq: 1}
	for alive := relays; alive > 0; {
		for len(lot) < alive {
			select {
			case one := <-c.arrived:
				lot = append(lot, one)
			case <-ended:
				alive--
			}
		}
		if alive == 0 {
			break
		}
		turns--
		stop = turns < 0
		for range c.lots.IntN(3) {
			kind := KindDry
			if next.Seq == 1 {
				kind = KindOpen
			}
			e := Entry{Kind: kind, Source: run.Source(0), Position: next}
			if kind == KindOpen {
				e.Open = &Open{Host: "h"}
			}
			c.waiting = append(c.waiting, e)
			next = next.Next()
		}
		i := c.lots.IntN(len(lot))
		chosen := lot[i]
		lot = append(lot[:i], lot[i+1:]...)
		close(chosen)
	}
	if c.mark != (Mark{}) {
		c.check(c.mark)
	}
	return c.kept
}
