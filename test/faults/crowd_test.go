package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/test/rig"
)

// crowd plays round after round and keeps a log of its own of everything that it was told: what the system must keep.
type crowd struct {
	s       *scene
	http    *http.Client
	players []*player

	stopped chan struct{}
	wg      sync.WaitGroup
	round   sync.RWMutex // held while somebody has one open

	mu   sync.Mutex
	told []told
	odd  []string // answers that should never be
}

// told is a round that was answered.
type told struct {
	user  string
	shard int
	round string
	coins int64
	total int64
	claim string
	at    time.Time
}

type player struct {
	crowd *crowd
	user  string
	shard int
	rng   *rand.Rand
	next  int64
	token string
}

const (
	think    = 120 * time.Millisecond // between rounds, on average
	answerBy = 90 * time.Second       // an end is insisted on for so long
)

func newCrowd(s *scene, seed uint64) *crowd {
	c := &crowd{s: s, stopped: make(chan struct{}), http: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 10 * time.Second}, Timeout: 5 * time.Second,
	}}
	for i := range s.plan.players {
		user := fmt.Sprintf("player-%03d", i)
		c.players = append(c.players, &player{
			crowd: c, user: user, shard: s.run.ShardOf(user), next: 1, rng: rand.New(rand.NewPCG(seed, uint64(i))),
		})
	}
	s.t.Cleanup(func() { c.finish() })
	return c
}

// start lets everybody play until finish.
func (c *crowd) start() {
	for _, p := range c.players {
		c.wg.Go(func() {
			for c.on() {
				c.round.RLock()
				err := p.round(c.s.ctx)
				c.round.RUnlock()
				if err != nil {
					c.strange("%s, round %d: %v", p.user, p.next, err)
					return
				}
				c.s.pause(time.Duration(p.rng.Int64N(int64(2 * think))))
			}
		})
	}
}

func (c *crowd) on() bool {
	select {
	case <-c.stopped:
		return false
	case <-c.s.ctx.Done():
		return false
	default:
		return true
	}
}

// finish lets everybody end his round, and waits for it.
func (c *crowd) finish() {
	if c.on() {
		close(c.stopped)
	}
	c.wg.Wait()
}

// rest waits until nobody has an open round, and lets nobody begin one; again ends it.
func (c *crowd) rest()  { c.round.Lock() }
func (c *crowd) again() { c.round.Unlock() }

// login has everybody in before it begins.
func (c *crowd) login() {
	c.s.t.Helper()
	g, ctx := errgroup.WithContext(c.s.ctx)
	g.SetLimit(40)
	for _, p := range c.players {
		g.Go(func() error {
			in, err := rig.Login(ctx, c.http, c.s.door(), p.user)
			if err == nil {
				p.token = in.Token
			}
			return err
		})
	}
	c.s.must(g.Wait())
}

func (c *crowd) strange(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.odd = append(c.odd, fmt.Sprintf(format, args...))
}

func (c *crowd) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.told)
}

// last is what counts of what was told. Where Redis may lose rounds that were answered, a player who is told that his round
// is still open plays it again, and the later answer is the one; everywhere else nothing may be told twice.
func (c *crowd) last() []told {
	if !c.s.plan.claims {
		return c.told
	}
	at := map[string]int{}
	var list []told
	for _, t := range c.told {
		if i, again := at[t.round]; again {
			list[i] = t
			continue
		}
		at[t.round] = len(list)
		list = append(list, t)
	}
	return list
}

// silent is a shard none of whose rounds was answered since then; -1 if there is none.
func (c *crowd) silent(shards int, since time.Time) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	heard := make([]bool, shards)
	for _, r := range slices.Backward(c.told) {
		if r.at.Before(since) {
			break
		}
		heard[r.shard] = true
	}
	return slices.Index(heard, false)
}

// gap is the longest time, from then on, in which no round of some shard was answered.
func (c *crowd) gap(shards int, from time.Time) (longest time.Duration, shard int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := make([]time.Time, shards)
	for i := range last {
		last[i] = from
	}
	for _, r := range c.told {
		if r.at.Before(from) {
			continue
		}
		if d := r.at.Sub(last[r.shard]); d > longest {
			longest, shard = d, r.shard
		}
		last[r.shard] = r.at
	}
	return longest, shard
}

// answered is what the API says of an end.
type answered struct {
	rig.Result
	Number int64
	Claim  string
}

// round plays one round to its answer. Now and then the end is sent twice at once, or again afterwards: the answer must
// be the same.
func (p *player) round(ctx context.Context) error {
	base := "/v1/campaigns/" + p.crowd.s.run.Campaign
	at := fmt.Sprintf("%s/rounds/%d", base, p.next)
	var s rig.Started
	status, err := p.insist(ctx, "PUT", at, nil, &s)
	switch {
	case err != nil:
		return fmt.Errorf("start: %w", err)
	case s.Code == "wrong_number": // another run's player, or a start that was lost
		p.next = s.Next
		return nil
	case s.Code == "round_open":
		p.next--
		return nil
	case s.Code == "pool_empty" || s.Code == "no_chances":
		return nil
	case status != 200:
		return fmt.Errorf("start answered %d %s", status, s.Code)
	}
	body := map[string]any{"token": s.Token, "shakes": p.rng.IntN(9)}
	times := p.crowd.s.plan.copies
	switch {
	case times > 0:
	case p.rng.IntN(10) == 0:
		times = 2
	default:
		times = 1
	}
	answers := make([]answered, times)
	errs := make([]error, times)
	var wg sync.WaitGroup
	for i := range times {
		wg.Go(func() {
			status, err := p.insist(ctx, "POST", at+"/end", body, &answers[i])
			if err == nil && status != 200 {
				err = fmt.Errorf("end answered %d %s", status, answers[i].Code)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	if p.rng.IntN(8) == 0 {
		var again answered
		if status, err := p.insist(ctx, "POST", at+"/end", body, &again); err != nil || status != 200 {
			return fmt.Errorf("the end again: %d %s %w", status, again.Code, err)
		}
		answers = append(answers, again)
	}
	for _, a := range answers[1:] {
		if p.crowd.s.plan.claims { // a round that was lost in between and settled again has another place in its shard
			a.Claim = answers[0].Claim
		}
		if !reflect.DeepEqual(a, answers[0]) {
			p.crowd.strange("%s was told %+v and %+v of round %d", p.user, answers[0], a, p.next)
		}
	}
	p.crowd.note(told{
		user: p.user, shard: p.shard, round: answers[0].Round, coins: answers[0].Coins, total: answers[0].Total,
		claim: answers[0].Claim, at: time.Now(),
	})
	p.next++
	return nil
}

func (c *crowd) note(t told) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, t)
}

// insist sends a call to any node until it is answered with something else than busy, overloaded or pending.
func (p *player) insist(ctx context.Context, method, path string, body, answer any) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerBy)
	defer cancel()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 400*time.Millisecond) {
		url := p.crowd.s.door()
		if p.token == "" {
			var c *rig.Client
			if c, err = rig.Login(ctx, p.crowd.http, url, p.user); err == nil {
				p.token = c.Token
			}
		}
		if p.token != "" {
			c := &rig.Client{HTTP: p.crowd.http, URL: url, Token: p.token}
			var text json.RawMessage
			if status, err = c.Call(ctx, method, path, body, &text); err == nil && final(status) {
				return status, json.Unmarshal(text, answer)
			}
		}
		select {
		case <-ctx.Done():
			return status, fmt.Errorf("%s %s: gave up at status %d: %w", method, path, status, err)
		case <-time.After(pause):
		}
	}
}

func final(status int) bool { return status != 503 && status != 202 && status != 429 && status != 502 }

// claim sends every claim that was ever given out until it is answered, and gives how many were granted only now.
func (c *crowd) claim(ctx context.Context) (granted int) {
	var mu sync.Mutex
	byUser := map[string][]told{}
	for _, r := range c.last() {
		byUser[r.user] = append(byUser[r.user], r)
	}
	var wg sync.WaitGroup
	for _, p := range c.players {
		wg.Go(func() {
			for _, r := range byUser[p.user] {
				var answer struct {
					Status, Code string
					Coins        int64
				}
				status, err := p.insist(ctx, "POST", "/v1/claims", map[string]any{"claim": r.claim}, &answer)
				if err != nil || status != 200 || answer.Coins != r.coins {
					c.strange("claim of %s: %d %+v %v, want %d coins", r.round, status, answer, err, r.coins)
				}
				if answer.Status == "granted" {
					mu.Lock()
					granted++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return granted
}
