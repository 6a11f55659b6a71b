package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/inventory"
)

// ReplayEntries says which entries are to be carried or read again.
type ReplayEntries struct {
	Campaign string
	Run      int64 // 0: the campaign's present one
	AllRuns  bool
	Shards   []int // nil: all; event.Bank is one of them
	Rate     int   // entries a second at most
	DryRun   bool

	// Of Kafka alone.
	To           []string // readers: ledger, board, inbox
	Since, Until time.Time
	Offsets      map[int32]int64 // where to begin, by partition
	Rebuild      bool            // the board is built anew

	Progress func(what string, n int64) // called every few seconds; nil: nobody
}

// ReplayedEntries is what a replay of entries has done.
type ReplayedEntries struct {
	From   string         `json:"from"`
	DryRun bool           `json:"dry_run"`
	Runs   []*ReplayedRun `json:"runs"`
}

// ReplayedRun is what was done for one run.
type ReplayedRun struct {
	Campaign string                     `json:"campaign"`
	Run      int64                      `json:"run"`
	Entries  int64                      `json:"entries"` // carried, or read
	Rounds   int64                      `json:"rounds"`  // settled in them
	Coins    int64                      `json:"coins"`   // paid by them
	Pools    []ReplayedPool             `json:"pools,omitempty"`
	Readers  map[string]*ReplayedReader `json:"readers,omitempty"`
	Skipped  string                     `json:"skipped,omitempty"` // why nothing was done
}

// ReplayedPool is what was carried out of one outbox.
type ReplayedPool struct {
	Shard   int    `json:"shard"` // -1 is the bank
	Entries int64  `json:"entries"`
	First   string `json:"first,omitempty"`
	Last    string `json:"last,omitempty"`
}

// ReplayedReader is what one reader made of the entries.
type ReplayedReader struct {
	Entries  int      `json:"entries"` // that count from now on
	Repeats  int      `json:"repeats"` // that did before
	Voids    int      `json:"voids"`
	Dead     int      `json:"dead"`               // that it could not read, and passed over
	Gaps     []string `json:"gaps,omitempty"`     // where it could not go on
	Ahead    []string `json:"ahead,omitempty"`    // where it is further than what was read
	Rebuilt  bool     `json:"rebuilt,omitempty"`  // from nothing
	Skipped  string   `json:"skipped,omitempty"`  // why it was left alone
	Problems []string `json:"problems,omitempty"` // what else somebody should look at
}

// Open tells in how many places somebody has to look.
func (r *ReplayedEntries) Open() (n int) {
	for _, run := range r.Runs {
		for _, reader := range run.Readers {
			n += len(reader.Gaps) + len(reader.Ahead) + len(reader.Problems)
		}
	}
	return n
}

// lives are the runs that are meant, the oldest first.
func (s *stack) lives(ctx context.Context, r ReplayEntries) (list []*game.Campaign, err error) {
	c, err := s.campaigns.Campaign(ctx, r.Campaign)
	if err != nil {
		return nil, fmt.Errorf("campaign %q: %w", r.Campaign, err)
	}
	numbers := []int64{c.Run}
	if r.Run > 0 {
		numbers[0] = r.Run
	}
	for n := int64(1); r.AllRuns && n < c.Run; n++ {
		numbers = slices.Insert(numbers, int(n-1), n)
	}
	for _, n := range numbers {
		c, err := s.campaigns.Run(ctx, r.Campaign, n)
		if errors.Is(err, game.ErrNotFound) && r.AllRuns {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("campaign %q, run %d: %w", r.Campaign, n, err)
		}
		for _, shard := range r.Shards {
			if shard >= c.Shards {
				return nil, fmt.Errorf("%w: shard %d: run %d of %s has shards 0 to %d", ErrNoShard, shard, n, r.Campaign, c.Shards-1)
			}
		}
		list = append(list, c)
	}
	return list, nil
}

// ErrNoShard says that a run has no such shard.
var ErrNoShard = errors.New("no such shard")

func (r *ReplayEntries) wants(shard int) bool {
	return r.Shards == nil || slices.Contains(r.Shards, shard)
}

func (r *ReplayEntries) tell(what string, n int64) {
	if r.Progress != nil {
		r.Progress(what, n)
	}
}

// ReplayOutbox carries what waits in the outboxes of runs into Kafka, in order, as a worker's relays do; see event.Relay for
// why it may be done beside them, and again. It carries what waits when it begins, and leaves what comes later.
func (t Target) ReplayOutbox(ctx context.Context, log *slog.Logger, r ReplayEntries) (*ReplayedEntries, error) {
	if err := t.exists(); err != nil {
		return nil, err
	}
	done := &ReplayedEntries{From: "outbox", DryRun: r.DryRun, Runs: []*ReplayedRun{}}
	err := t.with(ctx, log, true, func(s *stack) error {
		runs, err := s.lives(ctx, r)
		for i := 0; err == nil && i < len(runs); i++ {
			var one *ReplayedRun
			if one, err = s.replayOutbox(ctx, runs[i], r); one != nil {
				done.Runs = append(done.Runs, one)
			}
		}
		return err
	})
	return done, err
}

func (s *stack) replayOutbox(ctx context.Context, c *game.Campaign, r ReplayEntries) (*ReplayedRun, error) {
	done := &ReplayedRun{Campaign: c.ID, Run: c.Run}
	gone, err := s.campaigns.WasRetired(ctx, c.ID, c.Run)
	if gone || err != nil {
		done.Skipped = "its keys were removed from Redis"
		return done, err
	}
	pace := newPace(r.Rate)
	pools, err := inventory.Audit(ctx, s.pools, c.Life())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	for _, slice := range pools {
		if !r.wants(slice.Shard) {
			continue
		}
		pool := ReplayedPool{Shard: slice.Shard}
		take := func(batch []event.Entry) (more bool, err error) {
			if pool.First == "" {
				pool.First = batch[0].Position.String()
			}
			last := batch[len(batch)-1].Position
			pool.Last = last.String()
			pool.Entries += int64(len(batch))
			done.count(batch)
			r.tell("entries", done.Entries)
			more = slice.Position == event.Position{} || last.Before(slice.Position) // of a pool that is gone, all
			return more, pace.wait(ctx, len(batch))
		}
		if r.DryRun {
			err = s.lookInto(ctx, c.Life(), slice, take)
		} else {
			err = s.relay.Carry(ctx, c.Life(), slice.Shard, take)
		}
		if err != nil {
			return done, fmt.Errorf("%w: outbox of %s: %w", ErrUnreachable, slice.Source, err)
		}
		done.Pools = append(done.Pools, pool)
	}
	return done, nil
}

func (r *ReplayedRun) count(batch []event.Entry) {
	r.Entries += int64(len(batch))
	for _, e := range batch {
		r.Rounds += int64(len(e.Rounds))
		r.Coins += e.Paid()
	}
}

// lookInto reads an outbox and changes nothing.
func (s *stack) lookInto(ctx context.Context, run event.Run, slice inventory.Slice, take func([]event.Entry) (bool, error)) error {
	const page = 256
	for from := (event.Position{}); ; {
		batch, err := s.outbox.Waiting(ctx, run, slice.Shard, from, page)
		if err != nil || len(batch) == 0 {
			return err
		}
		if more, err := take(batch); err != nil || !more {
			return err
		}
		from = batch[len(batch)-1].Position.Next()
	}
}

// ReplayKafka has readers read the log of runs again. Each judges by its own cursor: what it has is skipped, what it lacks
// is taken up where it stopped.
func (t Target) ReplayKafka(ctx context.Context, log *slog.Logger, r ReplayEntries) (*ReplayedEntries, error) {
	if err := t.exists(); err != nil {
		return nil, err
	}
	done := &ReplayedEntries{From: "kafka", DryRun: r.DryRun, Runs: []*ReplayedRun{}}
	err := t.with(ctx, log, false, func(s *stack) error {
		runs, err := s.lives(ctx, r)
		for i := 0; err == nil && i < len(runs); i++ {
			var one *ReplayedRun
			if one, err = s.replayKafka(ctx, runs[i], r); one != nil {
				done.Runs = append(done.Runs, one)
			}
		}
		return err
	})
	return done, err
}

// replaying is one run on its way to its readers again.
type replaying struct {
	*stack
	ReplayEntries
	campaign *game.Campaign
	done     *ReplayedRun
	readers  []*again
	pace     *pace
	batch    []event.Entry
	seen     map[event.Source]event.Cursor // by all that was read
}

// again is one reader that reads again.
type again struct {
	*ReplayedReader
	name    string
	handler event.Handler
	before  map[int]event.Cursor // where it stood
	reading *event.Reading       // of a look that changes nothing
	stuck   map[event.Source]bool
}

func (s *stack) replayKafka(ctx context.Context, c *game.Campaign, r ReplayEntries) (*ReplayedRun, error) {
	p := &replaying{
		stack: s, ReplayEntries: r, campaign: c, pace: newPace(r.Rate), seen: map[event.Source]event.Cursor{},
		done: &ReplayedRun{Campaign: c.ID, Run: c.Run, Readers: map[string]*ReplayedReader{}},
	}
	for _, name := range r.To {
		if err := p.add(ctx, name); err != nil {
			return p.done, fmt.Errorf("%w: %s: %w", ErrUnreachable, name, err)
		}
	}
	if len(p.readers) == 0 {
		return p.done, nil
	}
	partitions := map[int32]map[string]bool{}
	for _, shard := range c.Life().Pools() {
		if !r.wants(shard) {
			continue
		}
		key := c.Life().Source(shard).String()
		n, err := s.bus.Partition(ctx, s.topics.Entries, key)
		if err != nil {
			return p.done, fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
		if partitions[n] == nil {
			partitions[n] = map[string]bool{}
		}
		partitions[n][key] = true
	}
	for n, keys := range partitions {
		if err := p.partition(ctx, n, keys); err != nil {
			return p.done, fmt.Errorf("%w: partition %d of %s: %w", ErrUnreachable, n, s.topics.Entries, err)
		}
	}
	p.judge()
	return p.done, nil
}

// bounds are the offsets between which a partition is read.
func (p *replaying) bounds(ctx context.Context, n int32) (from, to int64, err error) {
	from = p.campaign.Since[n]
	if !p.Since.IsZero() {
		at, err := p.bus.OffsetAt(ctx, p.topics.Entries, n, p.Since)
		if err != nil {
			return 0, 0, err
		}
		from = max(from, at)
	}
	if at, ok := p.Offsets[n]; ok {
		from = at
	}
	if to, err = p.bus.End(ctx, p.topics.Entries, n); err != nil || p.Until.IsZero() {
		return from, to, err
	}
	at, err := p.bus.OffsetAt(ctx, p.topics.Entries, n, p.Until)
	return from, min(to, at), err
}

func (p *replaying) partition(ctx context.Context, n int32, keys map[string]bool) error {
	from, to, err := p.bounds(ctx, n)
	if err != nil {
		return err
	}
	err = p.bus.Scan(ctx, p.topics.Entries, n, from, to, func(m event.Message) error {
		if !keys[m.Key] {
			return nil
		}
		e, err := event.Instead(p.instead).Read(ctx, m)
		if err != nil && !errors.Is(err, event.ErrPoison) {
			return err
		}
		if err != nil {
			return p.dead(ctx, m, err)
		}
		if e.Source.String() != m.Key { // no reader can tell whose it is
			return nil
		}
		if p.batch = append(p.batch, e); len(p.batch) < p.cfg.Worker.MaxBatch {
			return nil
		}
		return p.flush(ctx)
	})
	if err != nil {
		return err
	}
	return p.flush(ctx)
}

// flush hands the batch to each reader.
func (p *replaying) flush(ctx context.Context) error {
	if len(p.batch) == 0 {
		return nil
	}
	if err := p.pace.wait(ctx, len(p.batch)); err != nil {
		return err
	}
	for _, e := range p.batch {
		if c := p.seen[e.Source]; e.Kind == event.KindFence || c.Position.Before(e.Position) {
			p.seen[e.Source] = c.Advance(e)
		}
	}
	for _, r := range p.readers {
		if err := r.take(ctx, p.batch); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	p.done.count(p.batch)
	p.tell("entries", p.done.Entries)
	p.batch = p.batch[:0]
	return nil
}

func (r *again) take(ctx context.Context, batch []event.Entry) error {
	if r.reading != nil {
		before := r.reading.Tally
		for _, e := range batch {
			r.reading.Take(e)
		}
		r.add(event.Tally{
			Entries: r.reading.Tally.Entries - before.Entries, Repeats: r.reading.Tally.Repeats - before.Repeats, Voids: r.reading.Tally.Voids - before.Voids,
			Gaps: r.reading.Tally.Gaps[len(before.Gaps):],
		})
		return nil
	}
	err := r.handler.Handle(ctx, batch)
	if gap := (*event.GapError)(nil); errors.As(err, &gap) {
		return nil // its watch has heard of it
	}
	return err
}

// add counts what the reader made of a batch. A source that has a gap has it in every batch.
func (r *again) add(t event.Tally) {
	r.Entries, r.Repeats, r.Voids = r.Entries+t.Entries, r.Repeats+t.Repeats, r.Voids+t.Voids
	for _, g := range t.Gaps {
		if !r.stuck[g.Source] {
			r.stuck[g.Source] = true
			r.Gaps = append(r.Gaps, g.Error())
		}
	}
}

// dead has each reader pass over what nobody can read, as when it came by first. It lies in the dead letters since then.
func (p *replaying) dead(ctx context.Context, m event.Message, reason error) error {
	if err := p.flush(ctx); err != nil {
		return err
	}
	source, at, placed := m.Place()
	if !placed {
		return nil
	}
	if c, moved, _ := p.seen[source].SkipDead(source, at); moved {
		p.seen[source] = c
	}
	for _, r := range p.readers {
		if err := r.pass(ctx, source, at, reason); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return nil
}

func (r *again) pass(ctx context.Context, source event.Source, at event.Position, reason error) error {
	var gap *event.GapError
	if r.reading != nil {
		c, moved, err := r.reading.Cursors[source].SkipDead(source, at)
		if errors.As(err, &gap) {
			r.add(event.Tally{Gaps: []*event.GapError{gap}})
			return nil
		}
		if moved {
			r.reading.Cursors[source] = c
			r.Dead++
		}
		return err
	}
	skipper, ok := r.handler.(event.Skipper)
	if !ok {
		return nil
	}
	before := r.before[source.Shard]
	err := skipper.SkipDead(ctx, source, at, reason.Error())
	if errors.As(err, &gap) {
		r.add(event.Tally{Gaps: []*event.GapError{gap}})
		return nil
	}
	if err == nil && before.Position.Before(at) {
		r.Dead++
	}
	return err
}

// judge tells where a reader is further than what was read. That is no matter where only a part was read.
func (p *replaying) judge() {
	if !p.Until.IsZero() {
		return
	}
	for _, r := range p.readers {
		for shard, c := range r.before {
			source := p.campaign.Life().Source(shard)
			last, read := p.seen[source]
			if p.wants(shard) && (read || p.whole()) && last.Position.Before(c.Position) && r.Skipped == "" && !r.Rebuilt {
				r.Ahead = append(r.Ahead, fmt.Sprintf("%s: it is at %s, and Kafka ends at %s", source, c.Position, last.Position))
			}
		}
		slices.SortFunc(r.Ahead, strings.Compare)
	}
}

// whole tells whether the run is read from its beginning.
func (p *replaying) whole() bool { return p.Since.IsZero() && len(p.Offsets) == 0 }
