package access

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/reward"
)

// Hub carries what changes to the pages that are open on this node. Pages of one campaign share a room, whose pool,
// stage and board are rendered once for all of them; what a page has not taken yet is replaced by what is newer, so a
// slow page costs no memory and gets fewer events. Notices go to their player's pages, in a short queue each.
type Hub struct {
	HubDeps
	opts HubOptions
	node string // a name for event ids that no other node has

	mu     sync.Mutex
	seq    int64 // of the last event
	rooms  map[string]*room
	users  map[string][]*page
	pages  int
	closed bool

	back chan string // users who came back, to be told what they have not seen
}

// HubDeps are what a Hub works with.
type HubDeps struct {
	Catalog Catalog
	Level   func(ctx context.Context, c *game.Live) (level inventory.Level, open bool, err error)
	Boards  Boards
	Unseen  func(ctx context.Context, users []string, limit int) ([]reward.Notice, error)
	Clock   clock.Clock
	Watch   HubObserver
	Log     *slog.Logger
}

// HubObserver hears of the hub's work, for metrics.
type HubObserver interface {
	Pages(open int)              // on this node
	PageDropped(reason string)   // slow, behind, many
	Told(kind string, pages int) // events handed to pages
	Shown()                      // a notice's first receipt
	TimeToLook(took time.Duration)
}

// HubOptions bounds a Hub. The zero value of a field means its default.
type HubOptions struct {
	Every      time.Duration // between two looks at a room; default 500 ms, so its pool is told twice a second at most
	BoardEvery time.Duration // between two looks at its board; default 1 s
	MaxPages   int           // default 20000; more are refused
	UserPages  int           // of one player; default 8; the oldest is let go
}

const (
	// boardRows is how much of the board pages are told.
	boardRows = 10
	// maxQueue bounds the notices that wait for a page. One that does not take them is dropped, comes back, and is told
	// what it has not seen.
	maxQueue = 32
	// lookLimit bounds one look at a room.
	lookLimit = 2 * time.Second
	// maxBack bounds the users whose unseen notices are asked for at once, and backEvery gathers them: when a network
	// comes back, all its players do at once.
	maxBack   = 200
	backEvery = 200 * time.Millisecond
	backQueue = 20000
)

// The kinds of a room's events. A page has a bit for each that it has not taken yet.
const (
	poolKind = iota
	stageKind
	boardKind
	kinds
)

var kindNames = [kinds]string{"pool", "stage", "board"}

// NewHub makes a Hub without pages.
func NewHub(d HubDeps, o HubOptions) *Hub {
	def := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	def(&o.Every, 500*time.Millisecond)
	def(&o.BoardEvery, time.Second)
	if o.MaxPages == 0 {
		o.MaxPages = 20000
	}
	if o.UserPages == 0 {
		o.UserPages = 8
	}
	return &Hub{
		HubDeps: d, opts: o, node: strconv.FormatUint(rand.Uint64(), 36),
		rooms: map[string]*room{}, users: map[string][]*page{}, back: make(chan string, backQueue),
	}
}

// room is what the pages of one campaign share. All of it is under the hub's lock, apart from looking.
type room struct {
	campaign string
	pages    map[*page]struct{}
	frames   [kinds]frame
	boardAt  time.Time // of the last look at the board

	looking sync.Mutex
}

// frame is an event as it goes over the wire.
type frame struct {
	seq  int64
	data []byte // what changed; the same again is no event
	text []byte
}

// Run looks at the rooms and after the users who came back, until ctx ends.
func (h *Hub) Run(ctx context.Context) {
	var g errgroup.Group
	g.Go(func() error { h.lookEvery(ctx); return nil })
	g.Go(func() error { h.welcomeBack(ctx); return nil })
	_ = g.Wait() // neither fails
}

func (h *Hub) lookEvery(ctx context.Context) {
	tick := time.NewTicker(h.opts.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		began := time.Now()
		var g errgroup.Group
		g.SetLimit(8) // a campaign whose board is slow holds up no other's pool
		for _, r := range h.openRooms() {
			g.Go(func() error { h.look(ctx, r); return nil })
		}
		_ = g.Wait()
		h.Watch.TimeToLook(time.Since(began))
	}
}

func (h *Hub) openRooms() []*room {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]*room, 0, len(h.rooms))
	for _, r := range h.rooms {
		list = append(list, r)
	}
	return list
}

// look renders what a room's pages see, and wakes them if it changed. What can't be read now stays as it is.
func (h *Hub) look(ctx context.Context, r *room) {
	r.looking.Lock()
	defer r.looking.Unlock()
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	live, err := h.Catalog.Get(ctx, r.campaign)
	if err != nil {
		return
	}
	now := h.Clock.Now()
	shown := campaignOf(live, inventory.Level{}, false, now)
	h.set(r, stageKind, stageEvent{Campaign: live.ID, Stage: shown.Stage, Version: live.Version})
	if level, open, err := h.Level(ctx, live); err == nil {
		shown = campaignOf(live, level, open, now)
		h.set(r, poolKind, poolEvent{Campaign: live.ID, poolShape: shown.Pool})
	}
	h.mu.Lock()
	due := now.Sub(r.boardAt) >= h.opts.BoardEvery
	if due {
		r.boardAt = now
	}
	h.mu.Unlock()
	if !due {
		return
	}
	if board, err := h.Boards.Board(ctx, live, "", boardRows, false); err == nil {
		h.set(r, boardKind, boardEvent{Campaign: live.ID, Final: board.Final, Entries: boardOf(board).Entries})
	}
}

// The data of the events.
type (
	poolEvent struct {
		Campaign string `json:"campaign"`
		poolShape
	}
	stageEvent struct {
		Campaign string     `json:"campaign"`
		Stage    game.Stage `json:"stage"`
		Version  int64      `json:"version"`
	}
	boardEvent struct {
		Campaign string       `json:"campaign"`
		Final    bool         `json:"final"`
		Entries  []placeShape `json:"entries"`
	}
)

// set makes v the room's event of its kind, unless it is that already.
func (h *Hub) set(r *room, kind int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		h.Log.Error("event can't be written", "kind", kindNames[kind], "err", err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if bytes.Equal(data, r.frames[kind].data) {
		return
	}
	h.seq++
	r.frames[kind] = frame{seq: h.seq, data: data, text: h.wire(kindNames[kind], h.seq, data)}
	for p := range r.pages {
		p.due |= 1 << kind
		p.rouse()
	}
	h.Watch.Told(kindNames[kind], len(r.pages))
}

// wire is an event as WHATWG's server-sent events have it. Data is one line: JSON has no line breaks.
func (h *Hub) wire(name string, seq int64, data []byte) []byte {
	b := make([]byte, 0, len(data)+64)
	b = append(append(b, "event: "...), name...)
	b = append(append(b, "\nid: "...), h.node...)
	b = strconv.AppendInt(append(b, '.'), seq, 10)
	b = append(append(b, "\ndata: "...), data...)
	return append(b, "\n\n"...)
}

// Push hands notices to the pages of their players, as far as those are here.
func (h *Hub) Push(notices []reward.Notice) {
	h.mu.Lock()
	defer h.mu.Unlock()
	told := 0
	for _, n := range notices {
		pages := h.users[n.User]
		if len(pages) == 0 {
			continue
		}
		data, err := json.Marshal(noticeOf(n))
		if err != nil {
			continue // its texts are ours, so it can be written
		}
		h.seq++
		text := h.wire("notice", h.seq, data)
		for _, p := range pages {
			p.tell(text)
			told++
		}
	}
	if told > 0 {
		h.Watch.Told("notice", told)
	}
}

// Shown counts a notice's first receipt.
func (h *Hub) Shown() { h.Watch.Shown() }

// welcomeBack asks for what users who came back have not seen, many at a time and one question at a time.
func (h *Hub) welcomeBack(ctx context.Context) {
	for {
		var users []string
		select {
		case <-ctx.Done():
			return
		case user := <-h.back:
			users = append(users, user)
		}
		gather := time.After(backEvery)
	gathering:
		for len(users) < maxBack {
			select {
			case <-ctx.Done():
				return
			case user := <-h.back:
				users = append(users, user)
			case <-gather:
				break gathering
			}
		}
		asking, cancel := context.WithTimeout(ctx, lookLimit)
		notices, err := h.Unseen(asking, users, maxBack*maxQueue)
		cancel()
		if err != nil {
			h.Log.Debug("what users have not seen is not known now; it is pushed again later", "users", len(users), "err", err)
			continue
		}
		h.Push(notices)
	}
}
