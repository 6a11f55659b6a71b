package access_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/gametest"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/reward"
)

// world is all that lies behind a door: campaigns, pools and rounds in the model, and fakes for the rest.
type world struct {
	clock    *clock.Fake
	model    *gametest.Model
	origin   *origin
	catalog  *game.Catalog
	keys     *game.Keyring
	archive  *archive
	book     *book
	boards   *boards
	wallets  *wallets
	inboxes  *inboxes
	game     *game.Service
	observed *observer
}

// players are all users that tests play as; dump looks at each of them.
var players = []string{"ann", "bob", "carl.s@x:1+2", "dora"}

// newWorld has two live campaigns, demo in its second run, and one that begins in an hour.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		clock: clock.NewFake(noon), archive: &archive{}, book: &book{rounds: map[string]game.Booked{}}, boards: &boards{}, wallets: &wallets{}, inboxes: newInboxes(), observed: &observer{},
	}
	w.model = gametest.NewModel(w.clock.Now)
	w.origin = &origin{campaigns: map[string]*game.Campaign{
		"demo": campaign("demo", 2, 0), "other": campaign("other", 1, 0), "later": campaign("later", 1, time.Hour),
	}}
	var err error
	if w.keys, err = game.NewKeyring("test", map[string][]byte{"test": []byte("a key for tests only")}); err != nil {
		t.Fatal(err)
	}
	w.catalog = game.NewCatalog(noCopies{}, w.origin, w.keys, w.clock, game.CacheOptions{MaxWait: 10 * time.Second})
	w.game = game.New(game.Deps{
		Catalog: w.catalog, Rounds: w.model, Levels: levels{w}, Coins: inventory.New(w.model), Archive: w.archive, Book: w.book, Observer: w.observed,
	})
	for _, c := range w.origin.campaigns {
		if err := gametest.OpenAll(t.Context(), w.model, c.Life()); err != nil {
			t.Fatal(err)
		}
		if err := gametest.Fund(t.Context(), w.model, c.Life(), 1, 5000); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// campaign has rounds of 10 s that may end after 8 s, for five chances.
func campaign(id string, run int64, in time.Duration) *game.Campaign {
	live := gametest.Campaign(id, 2, func(c *game.Campaign) {
		c.Name, c.Version, c.Run = "Campaign "+id, 3, run
		c.StartsAt = noon.Add(in - 3*time.Second)
		c.WarmupAt, c.EndsAt = c.StartsAt.Add(-time.Hour), c.StartsAt.Add(5*time.Minute)
		c.RoundMS, c.EarlyMS, c.LateMS, c.Chances, c.Pool = 10_000, 8_000, 30_000, 5, 10_000
	})
	return &live.Campaign
}

// token signs a token that no start gave.
func (w *world) token(t testing.TB, campaign string, run int64, change func(*game.Token)) string {
	t.Helper()
	keys, err := w.keys.RunKeys("test", campaign, run)
	if err != nil {
		t.Fatal(err)
	}
	life := w.origin.campaigns[campaign].Life()
	token := game.Token{Run: run, Epoch: 1, Number: 1, Shard: int64(life.ShardOf("ann")), StartedAt: noon.UnixMilli(), User: "ann"}
	change(&token)
	return keys.Sign(token)
}

// dump is the whole state behind the door: every pool, every player's standing, and what the fakes were told.
func (w *world) dump(t testing.TB) string {
	t.Helper()
	state := map[string]any{"receipts": w.inboxes.receipts()}
	for id, c := range w.origin.campaigns {
		all, err := inventory.Audit(t.Context(), w.model, c.Life())
		if err != nil {
			t.Fatal(err)
		}
		state[id] = all
		live, err := w.catalog.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, user := range append(slices.Clone(players), "nobody") {
			standing, err := w.model.Standing(t.Context(), live, user)
			if err != nil {
				t.Fatal(err)
			}
			state[id+" "+user] = standing
		}
	}
	text, err := json.MarshalIndent(state, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// unchanged compares the state with what it was before, line by line.
func (w *world) unchanged(t testing.TB, before string) {
	t.Helper()
	was, is := strings.Split(before, "\n"), strings.Split(w.dump(t), "\n")
	for i := range max(len(was), len(is)) {
		if i >= len(was) || i >= len(is) || was[i] != is[i] {
			t.Errorf("state has changed at line %d: got %q, want %q", i+1, is[min(i, len(is)-1)], was[min(i, len(was)-1)])
			return
		}
	}
}

// origin keeps campaigns in memory.
type origin struct{ campaigns map[string]*game.Campaign }

func (o *origin) Campaign(_ context.Context, id string) (*game.Campaign, error) {
	if c := o.campaigns[id]; c != nil {
		return c, nil
	}
	return nil, game.ErrNotFound
}

func (o *origin) Published(_ context.Context, market string) (ids []string, err error) {
	for id, c := range o.campaigns {
		if market == "" || c.Market == market {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// noCopies is a layer that forgets at once.
type noCopies struct{}

func (noCopies) Campaign(context.Context, string) (*game.Campaign, bool, error) {
	return nil, false, game.ErrNotFound
}
func (noCopies) Put(context.Context, *game.Campaign) error            { return nil }
func (noCopies) Published(context.Context, string) ([]string, error)  { return nil, game.ErrNotFound }
func (noCopies) PutPublished(context.Context, string, []string) error { return nil }

// levels sums the model's pools at each question.
type levels struct{ *world }

func (l levels) Level(ctx context.Context, run inventory.Run) (inventory.Level, error) {
	all, err := inventory.Audit(ctx, l.model, run)
	return inventory.LevelOf(run, all, l.clock.Now()), err
}

// archive has the results that a test puts there; what it lacks is on its way there until all has come.
type archive struct {
	rounds sync.Map
	all    atomic.Bool
}

func (a *archive) put(run inventory.Run, s game.Settled) {
	a.rounds.Store(archived(run, s.Round.User, s.Round.Number), s)
}

func (a *archive) Settled(_ context.Context, run inventory.Run, user string, number int64) (game.Settled, error) {
	if s, ok := a.rounds.Load(archived(run, user, number)); ok {
		return s.(game.Settled), nil
	}
	if a.all.Load() {
		return game.Settled{}, game.ErrNotFound
	}
	return game.Settled{}, game.ErrPending
}

// Last gives the round of the highest number.
func (a *archive) Last(ctx context.Context, run inventory.Run, user string) (last game.Settled, extra int64, err error) {
	err = game.ErrNotFound
	for number := int64(1); number < 100; number++ {
		if s, ok := a.rounds.Load(archived(run, user, number)); ok {
			last, err = s.(game.Settled), nil
		}
	}
	return last, 0, err
}

// book has the rounds that a test puts there, and has read each shard up to wherever a test says.
type book struct {
	mu     sync.Mutex
	rounds map[string]game.Booked // by round id
	read   event.Position
	err    error
}

func (b *book) Booked(_ context.Context, c game.Claim) (game.Booked, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	booked := b.rounds[c.Round.ID(event.Source{Campaign: c.Campaign, Run: c.Run})]
	booked.Read = b.read
	return booked, b.err
}

// put books a round by its id.
func (b *book) put(id string, booked game.Booked) {
	b.mu.Lock()
	defer b.mu.Unlock()
	booked.Found = true
	b.rounds[id] = booked
}

func archived(run inventory.Run, user string, number int64) string {
	return fmt.Sprintf("%s.%d.%s.%d", run.Campaign, run.Number, user, number)
}

// boards shows the same three places to everybody.
type boards struct{ err error }

func (b *boards) Board(_ context.Context, c *game.Live, user string, limit int, around bool) (access.Board, error) {
	places := []access.Place{{Rank: 1, User: "bob", Name: "Bob B.", Coins: 310}, {Rank: 2, User: "ann", Name: "#7K3QX", Coins: 120}, {Rank: 3, User: "dora", Name: "Dóra", Coins: 7}}
	board := access.Board{Final: c.SettledAt != nil, Entries: places[:min(limit, len(places))]}
	if i := slices.IndexFunc(places, func(p access.Place) bool { return p.User == user }); i >= 0 {
		board.Me = &places[i]
		if around {
			board.Entries = places[i : i+1]
		}
	}
	return board, b.err
}

// wallets has one grant for ann, and a further page.
type wallets struct{ err error }

func (w *wallets) Balance(_ context.Context, user string) (int64, error) {
	if user != "ann" {
		return 0, w.err
	}
	return 120, w.err
}

func (w *wallets) History(_ context.Context, user, before string, limit int) ([]reward.Entry, string, error) {
	if _, err := reward.ParsePlace(before); err != nil {
		return nil, "", err
	}
	if user != "ann" || before != "" {
		return nil, "", w.err
	}
	const round = "demo.2.1.ann.7"
	next := reward.Place{AtMS: noon.UnixMilli(), ID: reward.ID(reward.KindGrant, round)}
	return []reward.Entry{{
		ID: next.ID, Kind: reward.KindGrant, Campaign: "demo", Run: 2, Round: round, Coins: 20, At: noon,
	}}, next.String(), w.err
}

// inboxes has one notice for ann and one for bob, and keeps receipts.
type inboxes struct {
	mu      sync.Mutex
	notices map[string]reward.Notice
	err     error
}

// noticeOf is the id of the notice that the user has.
func noticeOf(user string) string { return reward.ID(reward.KindWin, "demo.2.1."+user+".7") }

func newInboxes() *inboxes {
	i := &inboxes{notices: map[string]reward.Notice{}}
	for _, user := range []string{"ann", "bob"} {
		id := noticeOf(user)
		i.notices[id] = reward.Notice{
			ID: id, Kind: reward.KindWin, User: user, Campaign: "demo", Run: 2, Round: "demo.2.1." + user + ".7",
			Title: "Coins won: 20", Body: "Round 7 paid 20. Your coins in this game: 120.",
			Params: map[string]string{"coins": "20", "number": "7", "total": "120"}, At: noon,
		}
	}
	return i
}

func (i *inboxes) Inbox(_ context.Context, user, before string, _ int) (page []reward.Notice, next string, err error) {
	if _, err := reward.ParsePlace(before); err != nil {
		return nil, "", err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, n := range i.notices {
		if n.User == user && before == "" {
			page = append(page, n)
		}
	}
	return page, "", i.err
}

func (i *inboxes) Receipt(_ context.Context, user, id string, at time.Time) (first bool, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	n, ok := i.notices[id]
	if !ok || n.User != user {
		return false, reward.ErrNotFound
	}
	if first = n.ReceiptedAt.IsZero(); first {
		n.ReceiptedAt = at
	}
	i.notices[id] = n
	return first, i.err
}

// Unseen gives what the users have no receipt for, as the store does.
func (i *inboxes) Unseen(_ context.Context, users []string, _ int) (list []reward.Notice, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, n := range i.notices {
		if slices.Contains(users, n.User) && n.ReceiptedAt.IsZero() {
			list = append(list, n)
		}
	}
	return list, i.err
}

func (i *inboxes) receipts() map[string]time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	at := map[string]time.Time{}
	for id, n := range i.notices {
		at[id] = n.ReceiptedAt
	}
	return at
}

// observer remembers what it heard.
type observer struct {
	mu      sync.Mutex
	heard   []string
	dropped []string // pages, by reason
	claims  []string // by outcome
	pages   int
	shown   int
}

func (o *observer) Pages(n int) { o.mu.Lock(); o.pages = n; o.mu.Unlock() }
func (o *observer) PageDropped(why string) {
	o.mu.Lock()
	o.dropped = append(o.dropped, why)
	o.mu.Unlock()
}
func (o *observer) Claimed(outcome string) {
	o.mu.Lock()
	o.claims = append(o.claims, outcome)
	o.mu.Unlock()
}
func (o *observer) Short(string)             {}
func (o *observer) Inflated(string)          {}
func (o *observer) Told(string, int)         {}
func (o *observer) Limit(int64)              {}
func (o *observer) Shown()                   { o.mu.Lock(); o.shown++; o.mu.Unlock() }
func (o *observer) TimeToLook(time.Duration) {}

// open is how many pages are here, and how many were dropped.
func (o *observer) open() (pages, dropped int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pages, len(o.dropped)
}

func (o *observer) Request(route, method string, status int, code string, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.heard = append(o.heard, fmt.Sprint(method, " ", route, " ", status, " ", code))
}

func (o *observer) last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.heard) == 0 {
		return ""
	}
	return o.heard[len(o.heard)-1]
}
