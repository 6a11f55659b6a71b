package reconcile

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/shake-live/shake/event"
)

// Identities that are checked, in the order of DESIGN 4. Each compares one store with the run's history, so that one
// fault is one difference and not several.
const (
	OfPool    = "pool"    // funded = left + issued + in flight
	OfOutbox  = "outbox"  // seq = relayed + pending, gap-free
	OfLog     = "log"     // what was relayed is in the log, gap-free
	OfLedger  = "ledger"  // coins in the log = ledger + held + refused + dead letters + lag
	OfBook    = "book"    // every grant has its two entries; balances = sum of entries
	OfChances = "chances" // a player's number, open round and result are those of his last rounds; number <= granted
	OfBoard   = "board"   // board = totals
	OfNotices = "notices" // wins = notices + dead letters + lag
)

var identities = []struct{ name, text string }{
	{OfPool, "funded = left + issued + in flight, and every coin has its entry"},
	{OfOutbox, "seq = relayed + pending, without a hole"},
	{OfLog, "what was relayed is in Kafka, without a hole"},
	{OfLedger, "coins in Kafka = ledger + held + refused + dead letters + lag"},
	{OfBook, "each grant is booked twice, and balances = sum of entries"},
	{OfChances, "chances = granted - number, and the last result is the player's own"},
	{OfBoard, "board = totals of the players"},
	{OfNotices, "wins = notices + dead letters + lag"},
}

// Finding is one difference: what it breaks, where, and the rounds behind it.
type Finding struct {
	Identity string `json:"identity"`
	Kind     string `json:"kind"` // identity and what is wrong with it, such as ledger.missing
	Shard    int    `json:"shard"`
	User     string `json:"user,omitempty"`
	// Rounds are the ids of the rounds behind it, at most MaxRounds; MoreRounds counts the others. Those of entries that
	// are in no store any more have no name.
	Rounds     []string `json:"rounds,omitempty"`
	MoreRounds int64    `json:"more_rounds,omitempty"`
	Want       string   `json:"want"` // as the history says
	Got        string   `json:"got"`  // as the store says
	Detail     string   `json:"detail,omitempty"`
	Repair     string   `json:"repair,omitempty"` // what --repair would do
	Human      string   `json:"human,omitempty"`  // why nobody but a person can decide

	action *Action
}

// key is what makes two findings the same one, in two looks at a run that goes on meanwhile.
func (f *Finding) key() string { return fmt.Sprint(f.Kind, "/", f.Shard, "/", f.User) }

// add names one more round.
func (f *Finding) add(round string) {
	if slices.Contains(f.Rounds, round) {
		return
	}
	if len(f.Rounds) < MaxRounds {
		f.Rounds = append(f.Rounds, round)
	} else {
		f.MoreRounds++
	}
}

// Identity is how one identity came out.
type Identity struct {
	Name        string `json:"name"`
	Text        string `json:"text"`
	OK          bool   `json:"ok"`
	Differences int    `json:"differences"`
	Skipped     string `json:"skipped,omitempty"` // why it, or a part of it, could not be checked
}

// Shard is what one pool and its readers count.
type Shard struct {
	Shard    int            `json:"shard"` // -1 is the bank
	Open     bool           `json:"open"`
	Position event.Position `json:"position"` // up to which it was checked
	Pending  int64          `json:"pending"`  // entries that Kafka did not have yet
	State    event.State    `json:"state"`    // at the position, as the history says
	Rounds   int64          `json:"rounds"`   // settled, up to the position
	Coins    int64          `json:"coins"`    // that they paid
	Voids    int64          `json:"voids"`    // entries of hosts that had lost the pool
	Repeats  int64          `json:"repeats"`  // messages that were sent again

	LedgerAt  event.Position `json:"ledger_at"`
	Lag       int64          `json:"lag"` // entries that the ledger does not have yet
	Granted   int64          `json:"granted"`
	Held      int64          `json:"held"`
	Refused   int64          `json:"refused"`
	Dead      int64          `json:"dead"`       // entries that the ledger could not read
	DeadCoins int64          `json:"dead_coins"` // paid by rounds in them
	LagCoins  int64          `json:"lag_coins"`
	NoticesAt event.Position `json:"notices_at"`
}

// Report is what a check found.
type Report struct {
	Campaign   string        `json:"campaign"`
	Run        int64         `json:"run"`
	At         time.Time     `json:"at"`
	TookMS     int64         `json:"took_ms"`
	OK         bool          `json:"ok"`
	Quick      bool          `json:"quick"`   // counters alone, no rounds
	Looks      int           `json:"looks"`   // times that the stores were read
	Players    int64         `json:"players"` // that were compared
	InFlight   int64         `json:"in_flight"`
	Identities []Identity    `json:"identities"`
	Total      Shard         `json:"total"`
	Shards     []Shard       `json:"shards"`
	Findings   []*Finding    `json:"findings"`
	More       int           `json:"more_findings,omitempty"` // players who differ and were not looked at in detail
	Plan       *Plan         `json:"plan,omitempty"`
	Took       time.Duration `json:"-"`
}

// Bounds of a report; what is over is counted.
const (
	MaxRounds   = 100    // named in one finding
	MaxSuspects = 10_000 // players looked at in detail
)

// Differences counts findings by identity; those without any are there with 0.
func (r *Report) Differences() map[string]int {
	n := make(map[string]int, len(identities))
	for _, i := range identities {
		n[i.name] = 0
	}
	for _, f := range r.Findings {
		n[f.Identity]++
	}
	return n
}

// close fills in what follows from the findings.
func (r *Report) close(skipped map[string]string) {
	if r.Findings == nil {
		r.Findings = []*Finding{}
	}
	differences := r.Differences()
	for _, i := range identities {
		r.Identities = append(r.Identities, Identity{
			Name: i.name, Text: i.text, OK: differences[i.name] == 0, Differences: differences[i.name], Skipped: skipped[i.name],
		})
	}
	r.OK = len(r.Findings) == 0 && r.More == 0
	t := &r.Total
	t.Shard, t.Open = event.Bank, true
	for _, s := range r.Shards {
		t.Open = t.Open && s.Open
		t.Position.Seq += s.Position.Seq
		t.LedgerAt.Seq += s.LedgerAt.Seq
		t.NoticesAt.Seq += s.NoticesAt.Seq
		t.State.Left += s.State.Left
		t.State.Issued += s.State.Issued
		t.State.Funded += s.State.Funded
		t.State.Sent += s.State.Sent
		t.State.Received += s.State.Received
		for into, n := range map[*int64]int64{
			&t.Pending: s.Pending, &t.Rounds: s.Rounds, &t.Coins: s.Coins, &t.Voids: s.Voids, &t.Repeats: s.Repeats, &t.Lag: s.Lag, &t.Granted: s.Granted,
			&t.Held: s.Held, &t.Refused: s.Refused, &t.Dead: s.Dead, &t.DeadCoins: s.DeadCoins, &t.LagCoins: s.LagCoins,
		} {
			*into += n
		}
	}
}

// Write tells the report to a person.
func (r *Report) Write(out io.Writer) error {
	verdict := "all identities hold"
	if !r.OK {
		verdict = fmt.Sprintf("%d DIFFERENCES", len(r.Findings)+r.More)
	}
	what := fmt.Sprintf("%d rounds of %d players", r.Total.Rounds, r.Players)
	if r.Quick {
		what = "counters alone"
	}
	fmt.Fprintf(out, "%s run %d: %s (%s, %s, %d looks)\n\n", r.Campaign, r.Run, verdict, what, r.Took.Round(time.Millisecond), r.Looks)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, i := range r.Identities {
		mark := "ok"
		if !i.OK {
			mark = fmt.Sprintf("%d differ", i.Differences)
		}
		if i.Skipped != "" {
			mark += " (" + i.Skipped + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", i.Name, i.Text, mark)
	}
	fmt.Fprintln(w, "\nPOOL\tAT\tFUNDED\tLEFT\tISSUED\tSENT\tRECEIVED\tPENDING\tROUNDS\tCOINS\tGRANTED\tHELD\tREFUSED\tDEAD\tLAG")
	for _, s := range r.Shards {
		name := fmt.Sprint("shard ", s.Shard)
		if s.Shard == event.Bank {
			name = "bank"
		}
		if !s.Open {
			name += " (closed)"
		}
		fmt.Fprintln(w, s.row(name, s.Position.String()))
	}
	fmt.Fprintln(w, r.Total.row("total", fmt.Sprint(r.Total.Position.Seq)))
	fmt.Fprintf(w, "\nin flight between pools: %d\n", r.InFlight)
	for _, f := range r.Findings {
		fmt.Fprintln(w, "\n"+strings.Join(f.lines(), "\n"))
	}
	if r.More > 0 {
		fmt.Fprintf(w, "\nand %d more players differ: repair these first, and ask again\n", r.More)
	}
	return w.Flush()
}

func (s Shard) row(name, at string) string {
	return fmt.Sprintf("%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d", name, at, s.State.Funded, s.State.Left, s.State.Issued,
		s.State.Sent, s.State.Received, s.Pending, s.Rounds, s.Coins, s.Granted, s.Held, s.Refused, s.Dead, s.Lag)
}

func (f *Finding) lines() []string {
	where := fmt.Sprint("shard ", f.Shard)
	if f.Shard == event.Bank {
		where = "bank"
	}
	if f.User != "" {
		where += ", player " + f.User
	}
	lines := []string{fmt.Sprintf("%s: %s", f.Kind, where), fmt.Sprintf("  want %s, got %s", f.Want, f.Got)}
	if f.Detail != "" {
		lines = append(lines, "  "+f.Detail)
	}
	for _, id := range f.Rounds {
		lines = append(lines, "  round "+id)
	}
	if f.MoreRounds > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more rounds", f.MoreRounds))
	}
	if f.Repair != "" {
		lines = append(lines, "  --repair: "+f.Repair)
	}
	if f.Human != "" {
		lines = append(lines, "  for a person to decide: "+f.Human)
	}
	return lines
}
