package access_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/gametest"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/inventory"
)

// noon is when every test begins: the campaigns are live, three seconds after their start.
var noon = time.Date(2026, 11, 11, 12, 0, 3, 0, time.UTC)

// door is a whole players' door: the real server and game over the in-memory model, and a client whose every
// exchange is held against docs/openapi.yaml.
type door struct {
	testing.TB
	*world
	deps     access.Deps
	opts     access.Options
	server   *access.Server
	url      string
	client   *http.Client
	examiner *examiner
	log      *lockedBuffer
}

// newDoor opens a door; each change sees it before the server is built.
func newDoor(t testing.TB, change ...func(*door)) *door {
	t.Helper()
	w := newWorld(t)
	d := &door{TB: t, world: w, log: &lockedBuffer{}}
	d.deps = access.Deps{
		Game: w.game, Catalog: w.catalog, Boards: w.boards, Wallets: w.wallets, Inboxes: w.inboxes,
		Sessions: newSessions(t, "k2"), Providers: map[string]access.Provider{"dev": access.Dev{}}, Clock: w.clock,
		Log: slog.New(slog.NewJSONHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug - 4})), Observer: w.observed,
	}
	d.deps.Live = access.NewHub(access.HubDeps{
		Catalog: w.catalog, Level: w.game.Level, Boards: w.boards, Unseen: w.inboxes.Unseen, Clock: w.clock, Watch: w.observed, Log: d.deps.Log,
	}, access.HubOptions{Every: 20 * time.Millisecond, BoardEvery: 20 * time.Millisecond})
	for _, f := range change {
		f(d)
	}
	running, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); d.deps.Live.Run(running) }()
	t.Cleanup(func() { stop(); <-done })
	d.server = access.New(d.deps, d.opts)
	s := httptest.NewServer(d.server)
	t.Cleanup(s.Close)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	d.examiner = newExaminer(t, transport)
	d.url, d.client = s.URL, &http.Client{Transport: d.examiner}
	return d
}

// newSessions knows two keys; current is the one that signs. A session lasts an hour, and can be renewed for three.
func newSessions(t testing.TB, current string) *access.Sessions {
	t.Helper()
	keys := map[string][]byte{"k1": []byte("the old session key"), "k2": []byte("the new session key")}
	s, err := access.NewSessions(current, keys, time.Hour, 3*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// session is a token of the user.
func (d *door) session(user string) string {
	token, _ := d.deps.Sessions.Issue(access.Session{User: user, Market: "SG"}, d.clock.Now())
	return token
}

// call is one request.
type call struct {
	method, path string
	as           string // the user whose session is sent; "": none
	body         string
	header       map[string]string // on top; "" takes one away
	bad          bool              // it is not meant to fit the document
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) code() string {
	code, _ := codeOf([]byte(a.body))
	return code
}

// String is for messages: "409 wrong_number".
func (a answer) String() string { return strings.TrimSpace(fmt.Sprint(a.status, " ", a.code())) }

func (d *door) do(c call) answer {
	d.Helper()
	resp, err := d.client.Do(d.request(c))
	if err != nil {
		d.Fatalf("%s %s: %v", c.method, c.path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		d.Fatalf("%s %s: %v", c.method, c.path, err)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
}

func (d *door) request(c call) *http.Request {
	d.Helper()
	ctx := d.Context()
	if c.bad {
		ctx = context.WithValue(ctx, meantBad{}, true)
	}
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	r, err := http.NewRequestWithContext(ctx, c.method, d.url+c.path, body)
	if err != nil {
		d.Fatal(err)
	}
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.as != "" {
		r.Header.Set("Authorization", "Bearer "+d.session(c.as))
	}
	for k, v := range c.header {
		if r.Header.Set(k, v); v == "" {
			r.Header.Del(k)
		}
	}
	return r
}

// want does the call and checks what comes back, like "200" or "409 wrong_number".
func (d *door) want(want string, c call) answer {
	d.Helper()
	got := d.do(c)
	if got.String() != want {
		d.Errorf("%s %s %s: got %s (%s), want %s", c.method, c.path, c.body, got, got.body, want)
	}
	return got
}

func roundPath(campaign string, number any) string {
	return fmt.Sprintf("/v1/campaigns/%s/rounds/%v", campaign, number)
}

// begin starts the user's round and gives its token.
func (d *door) begin(campaign, user string, number int64) string {
	d.Helper()
	a := d.want("200", call{method: "PUT", path: roundPath(campaign, number), as: user})
	var round struct{ Token string }
	d.read(a, &round)
	return round.Token
}

// end ends the user's round.
func (d *door) end(want, campaign, user string, number int64, token string, shakes int) answer {
	d.Helper()
	return d.want(want, call{
		method: "POST", path: roundPath(campaign, number) + "/end", as: user, body: fmt.Sprintf(`{"token":%q,"shakes":%d}`, token, shakes),
	})
}

// play starts a round, lets it last, and ends it.
func (d *door) play(campaign, user string, number int64, shakes int) (token string, end answer) {
	d.Helper()
	token = d.begin(campaign, user, number)
	d.clock.Advance(9 * time.Second)
	return token, d.end("200", campaign, user, number, token, shakes)
}

func (d *door) read(a answer, v any) {
	d.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		d.Fatalf("%s: %v", a.body, err)
	}
}

// lockedBuffer takes log lines from everywhere.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// wrap lets a change replace the game.
func wrap(g func(access.Game) access.Game) func(*door) {
	return func(d *door) { d.deps.Game = g(d.deps.Game) }
}

var (
	_ game.Rounds     = (*gametest.Model)(nil)
	_ game.Coins      = (*inventory.Pool)(nil)
	_ access.Provider = access.Dev{}
	_ clock.Clock     = (*clock.Fake)(nil)
)
