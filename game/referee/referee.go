// Package referee judges rounds after their players were answered: ends queue up, one goroutine judges them, and
// another writes down what was found. Nobody waits for it and nothing follows from it for the player.
//
//	end answered -> queue -> judge -> rows -> store
//
// Both queues are bounded. What does not fit is dropped and counted: a round that nobody judged is a smaller loss than
// an end that waits.
package referee

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/fairplay"
	"github.com/shake-live/shake/internal/clock"
)

// ended is a round that was settled and answered.
type ended struct {
	round  game.RoundID
	device string
	trace  fairplay.Trace
}

// Judgement is what was found about a round.
type Judgement struct {
	Round     string            `json:"round"`
	Campaign  string            `json:"campaign"`
	Run       int64             `json:"run"`
	User      string            `json:"user"`
	Device    string            `json:"device"`
	Score     float64           `json:"score"`
	Reasons   []fairplay.Reason `json:"reasons"`
	Shakes    int64             `json:"shakes"`
	Beats     int64             `json:"beats"`
	Variation float64           `json:"variation"`
	Rate      float64           `json:"rate"`
	At        time.Time         `json:"at"`
}

// Store keeps judgements: the first of each round, however often one comes.
type Store interface {
	Keep(ctx context.Context, list []Judgement) error
}

// Campaigns knows the rules.
type Campaigns interface {
	Get(ctx context.Context, id string) (*game.Live, error)
}

// Observer hears what the referee does.
type Observer interface {
	Judged(campaign string)
	Flagged(campaign, reason string)
	// Unjudged hears of what was dropped: ends for which there was no room (queue) or no campaign, and judgements
	// that nobody could write down (rows).
	Unjudged(what string, n int)
	// Crowded hears of a device the first time that it has more accounts than may be.
	Crowded(campaign string)
}

// Options bound the referee. The zero value of a field means its default.
type Options struct {
	Queue   int           // ends that wait to be judged; default 4096: 64 MiB if all have as many beats as a body holds
	Rows    int           // judgements that wait to be written; default 4096
	Batch   int           // judgements written at once; default 256
	Every   time.Duration // between writes; default 1 s
	Timeout time.Duration // of one write, and of what is left at the end; default 3 s
	Traces  int           // traces remembered to find copies; default 131072, in about 6 MiB
	Devices int           // devices whose accounts are counted; default 65536, in 5 MiB and up to 40 if each is a farm
	Rounds  int           // rounds remembered so that repeats are not judged again; default 131072, in about 4 MiB
}

func (o Options) withDefaults() Options {
	fill(&o.Queue, 4096)
	fill(&o.Rows, 4096)
	fill(&o.Batch, 256)
	fill(&o.Every, time.Second)
	fill(&o.Timeout, 3*time.Second)
	fill(&o.Traces, 1<<17)
	fill(&o.Devices, 1<<16)
	fill(&o.Rounds, 1<<17)
	return o
}

func fill[T int | time.Duration](v *T, fallback T) {
	if *v <= 0 {
		*v = fallback
	}
}

// Deps are what a Referee works with.
type Deps struct {
	Campaigns Campaigns
	Store     Store
	Clock     clock.Clock
	Observer  Observer
	Log       *slog.Logger
}

// Referee judges the rounds that end on this node.
type Referee struct {
	Deps
	opts   Options
	queue  chan ended
	rows   chan Judgement
	judged chan struct{} // closed when nothing more will be judged

	traces  *fairplay.Traces
	devices *fairplay.Devices
	rounds  *fairplay.Rounds
}

// New makes a Referee; it judges while it runs.
func New(d Deps, opts Options) *Referee {
	opts = opts.withDefaults()
	return &Referee{
		Deps: d, opts: opts, queue: make(chan ended, opts.Queue), rows: make(chan Judgement, opts.Rows), judged: make(chan struct{}),
		traces: fairplay.NewTraces(opts.Traces), devices: fairplay.NewDevices(opts.Devices), rounds: fairplay.NewRounds(opts.Rounds),
	}
}

// Ended hands over a round that was settled, with its beats, and never waits. Who told neither beats nor a device
// leaves nothing to judge.
func (r *Referee) Ended(round game.RoundID, device string, shakes int64, beats []int64) {
	if len(beats) == 0 && device == "" {
		return
	}
	select {
	case r.queue <- ended{round, device, fairplay.Trace{Shakes: shakes, Beats: beats}}:
	default:
		r.Observer.Unjudged("queue", 1)
	}
}

// Run judges until ctx ends, and then what waits; nothing is judged that comes later. It runs once.
func (r *Referee) Run(ctx context.Context) {
	var writing sync.WaitGroup
	writing.Go(r.write)
	defer writing.Wait()
	defer close(r.judged)
	for ctx.Err() == nil {
		select {
		case e := <-r.queue:
			r.judge(ctx, e)
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.opts.Timeout)
	defer cancel()
	for {
		select {
		case e := <-r.queue:
			r.judge(last, e)
		default:
			return
		}
	}
}

// judge looks at one round. The campaign is in memory: the end has just been settled by it.
func (r *Referee) judge(ctx context.Context, e ended) {
	c, err := r.Campaigns.Get(ctx, e.round.Campaign)
	if err != nil {
		r.Observer.Unjudged("campaign", 1)
		return
	}
	rules := c.FairPlay.Filled(c.ShakeRate)
	round := e.round.String()
	if rules.Mode == fairplay.Off || r.rounds.Again(round) {
		return
	}
	v := fairplay.Judge(e.trace, rules)
	if r.traces.Copied(round, e.trace.Beats, rules) {
		v.Add(fairplay.Copy, 1)
	}
	r.count(&v, e, rules)
	r.Observer.Judged(e.round.Campaign)
	for _, reason := range v.Reasons {
		r.Observer.Flagged(e.round.Campaign, string(reason))
	}
	if v.Score <= rules.MinScore {
		return
	}
	r.keep(Judgement{
		Round: round, Campaign: e.round.Campaign, Run: e.round.Run, User: e.round.User, Device: e.device, Score: v.Score, Reasons: v.Reasons,
		Shakes: e.trace.Shakes, Beats: int64(len(e.trace.Beats)), Variation: v.Variation, Rate: v.Rate, At: r.Clock.Now(),
	})
}

// count takes the accounts of the round's device into the verdict. Each campaign counts its own: one that runs for
// weeks and one for a night do not share a family's phone.
func (r *Referee) count(v *fairplay.Verdict, e ended, rules fairplay.Rules) {
	if e.device == "" {
		return
	}
	n, fresh := r.devices.Accounts(e.round.Campaign+" "+e.device, e.round.User)
	if fresh && n == rules.MaxAccounts+1 {
		r.Observer.Crowded(e.round.Campaign)
	}
	v.AddAccounts(n, rules)
}

func (r *Referee) keep(j Judgement) {
	select {
	case r.rows <- j:
	default:
		r.Observer.Unjudged("rows", 1)
	}
}
