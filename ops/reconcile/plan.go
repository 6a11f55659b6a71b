package reconcile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/reward"
)

// Action is one repair: what is written, and what it is now.
type Action struct {
	Kind    string `json:"kind"`
	Shard   int    `json:"shard"`
	Subject string `json:"subject"` // a round, a player, or a name
	Before  string `json:"before"`
	After   string `json:"after"`

	Source   event.Source   `json:"-"`
	Round    *event.Round   `json:"-"` // ledger.write, ledger.row, notice.write
	At       event.Position `json:"-"` // of the round's entry; ledger.cursor: to be set
	From     event.Position `json:"-"` // ledger.cursor: as it is; ledger.count: where the counters were wrong
	Reason   string         `json:"-"` // of the round's row
	Row      bool           `json:"-"` // ledger.write: the row is missing
	Gave     bool           `json:"-"` // ledger.write: the entry of the run's account is missing
	Got      bool           `json:"-"` // ledger.write: the player's entry is missing
	Off      int64          `json:"-"` // book.wallet: coins that it has more than its entries
	Count    reward.Count   `json:"-"` // ledger.count: as they are to be; Granted with what is held and refused
	Score    int64          `json:"-"` // board.score: as it is to be; 0: not on the board
	OldScore int64          `json:"-"` // board.score: as it is
}

// mend proposes a repair, unless the pool's history leaves a doubt.
func (f *Finding) mend(p *pool, a Action) {
	if f.action != nil {
		return
	}
	if !p.clear() {
		f.Human = "the history of this pool has holes, so what is right is not certain"
		return
	}
	a.Source, a.Shard = p.source, p.source.Shard
	f.action, f.Repair = &a, a.text()
}

func (a *Action) text() string {
	return fmt.Sprintf("%s %s: %s, was %s", a.Kind, a.Subject, a.After, a.Before)
}

// counters are what the ledger's must be at its cursor, with all that it granted, holds and refused under Granted.
func (p *pool) counters() reward.Count {
	s, u := p.atLedger, p.unseenAtLedger
	return reward.Count{
		Left: p.toldAtLedger.Left, Issued: p.toldAtLedger.Issued, Funded: s.Funded - u.Funded, Sent: s.Sent - u.Sent, Received: s.Received - u.Received, Granted: s.Issued - u.Issued,
		Rounds: p.roundsAtLedger,
	}
}

func countText(c reward.Count) string {
	return fmt.Sprintf("left %d, issued %d, funded %d, sent %d, received %d, %d granted, held or refused in %d rounds", c.Left, c.Issued, c.Funded, c.Sent,
		c.Received, c.Granted+c.Held+c.Refused, c.Rounds)
}

// Plan is all repairs that a report allows, under an id that is another one as soon as anything about it is.
type Plan struct {
	ID      string   `json:"id"`
	Actions []Action `json:"actions"`
	Humans  int      `json:"humans"` // findings for people to decide
	Applied []Done   `json:"applied,omitempty"`
}

// Done is one repair on record.
type Done struct {
	Plan    string    `json:"plan"`
	Number  int       `json:"number"`
	At      time.Time `json:"at"`
	Who     string    `json:"who"`
	Host    string    `json:"host"`
	Kind    string    `json:"kind"`
	Shard   int       `json:"shard"`
	Subject string    `json:"subject"`
	Before  string    `json:"before"`
	After   string    `json:"after"`
	Outcome string    `json:"outcome"` // done; moved: it was no more as planned, and was left
}

// order is that of repairs: sums follow what they add up.
var order = []string{"ledger.cursor", "ledger.write", "ledger.row", "notice.write", "board.score", "book.wallet", "ledger.count"}

// NewPlan gathers the repairs of a report. records is how many repairs the run has on record: the same damage done a
// second time is another plan.
func NewPlan(r *Report, records int) *Plan {
	p := &Plan{Actions: []Action{}}
	for _, f := range r.Findings {
		if f.action == nil {
			p.Humans++
			continue
		}
		p.Actions = append(p.Actions, *f.action)
	}
	slices.SortStableFunc(p.Actions, func(a, b Action) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind)), cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Subject, b.Subject))
	})
	sum := sha256.New()
	fmt.Fprintln(sum, r.Campaign, r.Run, records)
	for i := range p.Actions {
		fmt.Fprintln(sum, p.Actions[i].Shard, p.Actions[i].text())
	}
	p.ID = hex.EncodeToString(sum.Sum(nil)[:6])
	return p
}

// Who repairs, and from where.
type Who struct{ Name, Host string }

// Mender does repairs. Each goes on record with its change, in one transaction where both are in SQL. What is not as it
// was planned any more is left alone, and its outcome says so.
type Mender interface {
	Mend(ctx context.Context, p *Plan, number int, by Who) (Done, error)
	// Record gives the repairs of a run so far; of one plan, unless plan is empty.
	Record(ctx context.Context, run event.Run, plan string) ([]Done, error)
}

// Apply does the repairs of a plan one by one. It may be called again with what is left after an error.
func (p *Plan) Apply(ctx context.Context, m Mender, by Who) error {
	for n := range p.Actions {
		done, err := m.Mend(ctx, p, n, by)
		if err != nil {
			return fmt.Errorf("repair %s: %w", p.Actions[n].text(), err)
		}
		p.Applied = append(p.Applied, done)
	}
	return nil
}

// ErrOtherPlan says that what is to be repaired is not what the plan says that was asked for.
var ErrOtherPlan = errors.New("the plan is another one by now")

// Mend plans the repairs of a report, and carries the plan out if want is its id. Then it checks again, and gives that
// report with what was done. A plan that is on record already is done once more by nobody.
func Mend(ctx context.Context, m Mender, r *Report, want string, by Who, again func() (*Report, error)) (*Report, error) {
	run := event.Run{Campaign: r.Campaign, Number: r.Run}
	records, err := m.Record(ctx, run, "")
	if err != nil {
		return r, err
	}
	r.Plan = NewPlan(r, len(records))
	if want == "" {
		return r, nil
	}
	if want != r.Plan.ID {
		before, err := m.Record(ctx, run, want)
		if err != nil {
			return r, err
		}
		if len(before) == 0 {
			return r, fmt.Errorf("%w: it is %s, not %s", ErrOtherPlan, r.Plan.ID, want)
		}
		r.Plan.Applied = before
		return r, nil
	}
	plan := r.Plan
	if err := plan.Apply(ctx, m, by); err != nil {
		return r, err
	}
	after, err := again()
	if err != nil {
		return r, err
	}
	after.Plan = plan
	return after, nil
}

// Write tells the plan to a person.
func (p *Plan) Write(out io.Writer) error {
	var b strings.Builder
	for _, a := range p.Actions {
		where := fmt.Sprint("shard ", a.Shard)
		if a.Shard == event.Bank {
			where = "bank"
		}
		fmt.Fprintf(&b, "%s, %s\n  %s\n  was: %s\n  then: %s\n", a.Kind, where, a.Subject, a.Before, a.After)
	}
	for _, d := range p.Applied {
		fmt.Fprintf(&b, "%s: %s %s\n", d.Outcome, d.Kind, d.Subject)
	}
	if p.Humans > 0 {
		fmt.Fprintf(&b, "%d findings are for a person to decide\n", p.Humans)
	}
	_, err := io.WriteString(out, b.String())
	return err
}
