package redisoutbox

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/event"
)

// decode reads what a script wrote. The id is the position; the fields are
//
//	k  the kind
//	t  the time, ms
//	s  the state after the change: left issued funded sent received dry
//	d  the body: numbers and names apart by spaces, a line for each start, round or claim
func decode(source event.Source, m redis.XMessage) (event.Entry, error) {
	text := func(name string) string { s, _ := m.Values[name].(string); return s }
	e := event.Entry{Kind: event.Kind(text("k")), Source: source}
	e.V = e.Kind.Version()
	var err error
	if e.Position, err = event.ParsePosition(m.ID); err != nil {
		return e, err
	}
	at := words{rest: text("t")}
	e.At = at.int()
	s := words{rest: text("s")}
	e.State = event.State{Left: s.int(), Issued: s.int(), Funded: s.int(), Sent: s.int(), Received: s.int(), Dry: s.int() == 1}
	return e, errors.Join(at.end(), s.end(), decodeBody(&e, text("d")))
}

func decodeBody(e *event.Entry, body string) error {
	w := words{rest: body}
	switch e.Kind {
	case event.KindStart:
		return eachLine(body, func(w *words) {
			e.Starts = append(e.Starts, event.Start{User: w.word(), Number: w.int(), At: e.At})
		})
	case event.KindEnd:
		return eachLine(body, func(w *words) {
			e.Rounds = append(e.Rounds, w.round(e.At))
		})
	case event.KindClaim:
		return eachLine(body, func(w *words) {
			e.Rounds = append(e.Rounds, w.round(e.At))
			e.Lost = append(e.Lost, event.Lost{
				Position: event.Position{Epoch: w.int(), Seq: w.int()}, SettledAt: w.int(), Beside: w.int() == 1, Extra: w.int(),
			})
		})
	case event.KindFund:
		e.Funding = &event.Funding{Number: w.int(), Amount: w.int()}
	case event.KindDebit, event.KindCredit:
		e.Transfer = &event.Transfer{Peer: w.peer(), Number: w.int(), Amount: w.int()}
	case event.KindOpen:
		e.Open = &event.Open{Host: w.word(), Previous: event.Position{Epoch: w.int(), Seq: w.int()}}
	case event.KindDry:
	default:
		return fmt.Errorf("unknown kind %q", e.Kind)
	}
	return w.end()
}

func eachLine(body string, read func(*words)) error {
	for line := range strings.SplitSeq(body, "\n") {
		w := words{rest: line}
		read(&w)
		if err := w.end(); err != nil {
			return err
		}
	}
	return nil
}

// words reads a line of words and numbers and remembers the first thing that was wrong.
type words struct {
	rest string
	err  error
}

func (w *words) word() string {
	word, rest, _ := strings.Cut(w.rest, " ")
	if word == "" && w.err == nil {
		w.err = errors.New("too few words")
	}
	w.rest = rest
	return word
}

func (w *words) int() int64 {
	word := w.word()
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("%q is no whole number", word)
	}
	return n
}

func (w *words) round(at int64) event.Round {
	return event.Round{
		User: w.word(), Number: w.int(), StartEpoch: w.int(), StartedAt: w.int(), Shakes: w.int(),
		ElapsedMS: w.int(), Computed: w.int(), Paid: w.int(), Total: w.int(), ChancesLeft: w.int(), SettledAt: at,
	}
}

func (w *words) peer() int {
	if strings.HasPrefix(w.rest, "bank ") {
		w.word()
		return event.Bank
	}
	return int(w.int())
}

func (w *words) end() error {
	if w.err == nil && w.rest != "" {
		w.err = fmt.Errorf("%q is too much", w.rest)
	}
	return w.err
}
