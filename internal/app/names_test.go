package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game/gametest"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/leaderboard"
	"github.com/shake-live/shake/ops"
)

// known has names in memory, and fails as a test says.
type known struct {
	list  map[string]string
	hung  bool
	err   error // with what it has, as a store does that can't reach all
	reads atomic.Int64

	mu    sync.Mutex
	asked []string
}

func (k *known) Names(ctx context.Context, users []string) (map[string]string, error) {
	k.reads.Add(1)
	k.mu.Lock()
	k.asked = append(k.asked, users...)
	k.mu.Unlock()
	if k.hung {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	found := map[string]string{}
	for _, user := range users {
		if name, ok := k.list[user]; ok {
			found[user] = name
		}
	}
	return found, k.err
}

// shownBy shows names by a store.
func shownBy(store nameReader) *names {
	return &names{store: store, observer: ops.NewMetrics(), log: slog.New(slog.DiscardHandler)}
}

// ranking is a board of players by rank.
type ranking struct {
	leaderboard.Board
	users []string
}

func (r ranking) entry(i int) leaderboard.Entry {
	return leaderboard.Entry{Rank: int64(i + 1), User: r.users[i], Coins: int64(100 - i)}
}

func (r ranking) Rank(_ context.Context, _ event.Run, user string) (leaderboard.Entry, error) {
	if i := slices.Index(r.users, user); i >= 0 {
		return r.entry(i), nil
	}
	return leaderboard.Entry{}, leaderboard.ErrNotRanked
}

func (r ranking) Range(_ context.Context, _ event.Run, from int64, limit int) (list []leaderboard.Entry, _ error) {
	for i := int(from); i < len(r.users) && len(list) < limit; i++ {
		list = append(list, r.entry(i))
	}
	return list, nil
}

var (
	code = regexp.MustCompile(`^#[2-9B-DF-HJ-KM-NP-TV-XZ]{5}$`)
	noon = time.Date(2026, 11, 11, 12, 0, 0, 0, time.UTC)
)

// mails are users as a platform without name_claim makes them.
var mails = ranking{users: []string{"acme:ann@example.com", "acme:bob@example.com", "acme:carl@example.com", "acme:+6591234567", "acme:x:0f1e2d"}}

// namesOf are what a board shows, its own place last.
func namesOf(b access.Board) (list []string) {
	for _, p := range b.Entries {
		list = append(list, p.Name)
	}
	if b.Me != nil {
		list = append(list, b.Me.Name)
	}
	return list
}

// Whatever is asked for and whatever the store can say, each row has the platform's name, or a code that is always the
// same, and never the id.
func TestBoards_names(t *testing.T) {
	c := gametest.Campaign("demo", 4)
	of := func(user string) string { return c.Keys.Code(mails.users[slices.Index(mails.users, user)]) }
	ann, bob, carl, dora := mails.users[0], mails.users[1], mails.users[2], mails.users[3]
	named := map[string]string{ann: "Łukasz Żółć", carl: "王小明"}
	away := errors.New("connection refused")
	for name, s := range map[string]struct {
		store nameReader
		want  map[string]string
		reads int64 // of best, beyond and around together
	}{
		"all that have one": {&known{list: named}, map[string]string{ann: "Łukasz Żółć", bob: of(bob), carl: "王小明", dora: of(dora)}, 3},
		"nobody has one":    {&known{}, map[string]string{ann: of(ann), bob: of(bob), carl: of(carl), dora: of(dora)}, 3},
		"none are told":     {nil, map[string]string{ann: of(ann), bob: of(bob), carl: of(carl), dora: of(dora)}, 0},
		"away":              {&known{err: away}, map[string]string{ann: of(ann), bob: of(bob), carl: of(carl), dora: of(dora)}, 3},
		"away in part":      {&known{list: map[string]string{ann: "Ann"}, err: away}, map[string]string{ann: "Ann", bob: of(bob), carl: of(carl), dora: of(dora)}, 3},
		"hung":              {&known{hung: true}, map[string]string{ann: of(ann), bob: of(bob), carl: of(carl), dora: of(dora)}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBoards(&stack{clock: clock.NewFake(noon)}, shownBy(s.store))
			look := func(what, user string, limit int, around bool, users ...string) {
				t.Helper()
				began := time.Now()
				got, err := b.show(t.Context(), mails, c, user, limit, around)
				var want []string
				for _, u := range users {
					want = append(want, s.want[u])
				}
				if err != nil || !slices.Equal(namesOf(got), want) {
					t.Errorf("%s: got %q, %v, want %q", what, namesOf(got), err, want)
				}
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("%s: it took %v, and names have a bound of %v", what, took, nameReads)
				}
			}
			look("the best, and one of them looks", bob, 3, false, ann, bob, carl, bob)
			look("the best, and one beyond looks", dora, 2, false, ann, bob, dora)
			look("around one", carl, 3, true, bob, carl, dora, carl)
			look("nobody's, as pages are told", "", 2, false, ann, bob)
			look("around one who is not there", "acme:dan", 2, true, ann, bob)
			if k, ok := s.store.(*known); ok && k.reads.Load() != s.reads {
				t.Errorf("%d reads of names, want %d: one for the best, one for who is beyond, one for those around", k.reads.Load(), s.reads)
			}
		})
	}
	for _, user := range mails.users {
		if !code.MatchString(of(user)) || of(user) != gametest.Campaign("demo", 4).Keys.Code(user) {
			t.Errorf("%s: the code is %s, then %s, want always the same of five signs", user, of(user), gametest.Campaign("demo", 4).Keys.Code(user))
		}
	}
}

// What the store can't say is told once, counted, and told when it is over; a player who goes away is no failure of it.
func TestBoards_namesAreMissed(t *testing.T) {
	var log strings.Builder
	metrics, store := ops.NewMetrics(), &known{list: map[string]string{mails.users[0]: "Ann"}}
	n := &names{store: store, observer: metrics, log: slog.New(slog.NewTextHandler(&log, nil))}
	c, now := gametest.Campaign("demo", 4), clock.NewFake(noon)
	b := newBoards(&stack{clock: now}, n)
	look := func() []string {
		t.Helper()
		now.Advance(topAge)
		got, err := b.show(t.Context(), mails, c, "", 1, false)
		if err != nil {
			t.Error(err)
		}
		return namesOf(got)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	store.hung = true
	n.places(gone, c, []leaderboard.Entry{mails.entry(0)})
	if log.Len() > 0 {
		t.Errorf("one who went away is told: %s", &log)
	}
	for range 3 {
		if got := look(); !slices.Equal(got, []string{c.Keys.Code(mails.users[0])}) {
			t.Errorf("got %q, want a code", got)
		}
	}
	store.hung = false
	if got := look(); !slices.Equal(got, []string{"Ann"}) {
		t.Errorf("got %q a second later, want the name again", got)
	}
	if text := log.String(); strings.Count(text, "level=WARN") != 1 || strings.Count(text, "level=INFO") != 1 {
		t.Errorf("want one warning and one word that it is over, got\n%s", text)
	}
	want := fmt.Sprintf("# HELP shake_names_total Names of players: kept at a login, lost at one (Redis away, or too many at once), unread (a board showed a code, since Redis could not say).\n# TYPE shake_names_total counter\nshake_names_total{fate=\"kept\"} 0\nshake_names_total{fate=\"lost\"} 0\nshake_names_total{fate=\"unread\"} %d\n", 3*len(mails.users))
	if err := testutil.GatherAndCompare(metrics.Registry, strings.NewReader(want), "shake_names_total"); err != nil {
		t.Error(err)
	}
}

// Names are kept and read where a provider tells them, and nowhere else: to take name_claim away is to take the names
// away.
func TestOpenNames(t *testing.T) {
	for text, want := range map[string]bool{
		"providers: {}":    false,
		"providers: [dev]": true,
		"providers: {acme: {kind: jwt, issuer: i, audience: [a], jwks: 'https://h/k', algorithms: [ES256]}}":                   false,
		"providers: {acme: {kind: jwt, issuer: i, audience: [a], jwks: 'https://h/k', algorithms: [ES256], name_claim: nick}}": true,
	} {
		if got := tellsNames(parse(t, text)); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}
