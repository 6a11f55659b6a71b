package access

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Why a page can't be held.
var (
	errFull   = errors.New("no more pages on this node")
	errLeave  = errors.New("the node is going")
	errBehind = errors.New("the page does not take its notices")
	errMany   = errors.New("the player has opened others since")
)

// page is one open page. Its state is under the hub's lock.
type page struct {
	hub     *Hub
	room    *room
	user    string
	due     uint8    // kinds of the room's events that it has not taken
	notices [][]byte // that it has not taken
	err     error    // why it is to end

	wake chan struct{} // one token: there is something to take
}

// open lets a page in. after is the last event that it has seen, "" if none: what is not newer is not told again.
func (h *Hub) open(ctx context.Context, campaign, user, after string) (*page, error) {
	p := &page{hub: h, user: user, wake: make(chan struct{}, 1)}
	h.mu.Lock()
	if h.closed || h.pages >= h.opts.MaxPages {
		defer h.mu.Unlock()
		if h.closed {
			return nil, errLeave
		}
		return nil, errFull
	}
	h.pages++
	h.Watch.Pages(h.pages)
	r := h.rooms[campaign]
	fresh := r == nil
	if fresh {
		r = &room{campaign: campaign, pages: map[*page]struct{}{}}
		h.rooms[campaign] = r
	}
	h.leave(user)
	p.room = r
	r.pages[p] = struct{}{}
	h.users[user] = append(h.users[user], p)
	seen := h.seen(after)
	for kind, f := range r.frames {
		if f.seq > seen {
			p.due |= 1 << kind
		}
	}
	p.rouse()
	h.mu.Unlock()
	if fresh {
		h.look(ctx, r) // the first page waits for no tick
	}
	select {
	case h.back <- user:
	default: // too many at once: what is not shown is pushed again anyway
	}
	return p, nil
}

// leave ends a player's oldest page when there are as many as one may have: some phones and tabs, and those that a network
// broke and nobody has missed yet. Without it a single account could hold all streams of a node.
func (h *Hub) leave(user string) {
	open := 0
	var oldest *page
	for _, p := range h.users[user] {
		if p.err == nil {
			if open++; oldest == nil {
				oldest = p
			}
		}
	}
	if open >= h.opts.UserPages {
		oldest.err = errMany
		oldest.rouse()
		h.Watch.PageDropped("many")
	}
}

// seen is the number of an event of this node; 0 for one of another's.
func (h *Hub) seen(id string) int64 {
	node, number, _ := strings.Cut(id, ".")
	n, err := strconv.ParseInt(number, 10, 64)
	if node != h.node || err != nil {
		return 0
	}
	return n
}

// shut forgets the page.
func (p *page) shut() {
	h := p.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pages--
	h.Watch.Pages(h.pages)
	delete(p.room.pages, p)
	if len(p.room.pages) == 0 && h.rooms[p.room.campaign] == p.room {
		delete(h.rooms, p.room.campaign)
	}
	rest := slices.DeleteFunc(h.users[p.user], func(other *page) bool { return other == p })
	if len(rest) == 0 {
		delete(h.users, p.user)
	} else {
		h.users[p.user] = rest
	}
}

// tell queues a notice.
func (p *page) tell(text []byte) {
	if len(p.notices) == maxQueue {
		if p.err == nil {
			p.err = errBehind
			p.hub.Watch.PageDropped("behind")
		}
	} else {
		p.notices = append(p.notices, text)
	}
	p.rouse()
}

func (p *page) rouse() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// take gives all that is due, or why the page is to end.
func (p *page) take() (texts [][]byte, err error) {
	h := p.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.err != nil {
		return nil, p.err
	}
	var due []*frame
	for kind := range kinds {
		if p.due&(1<<kind) != 0 {
			due = append(due, &p.room.frames[kind])
		}
	}
	// By number: a page that is gone after the first of them comes back for those behind it.
	slices.SortFunc(due, func(a, b *frame) int { return cmp.Compare(a.seq, b.seq) })
	for _, f := range due {
		texts = append(texts, f.text)
	}
	texts = append(texts, p.notices...)
	p.due, p.notices = 0, nil
	return texts, nil
}

// Leave lets no page in any more and sends away those that are here, evenly over d: all of them come back elsewhere, and
// not all at once.
func (h *Hub) Leave(d time.Duration) {
	h.mu.Lock()
	h.closed = true
	var all []*page
	for _, r := range h.rooms {
		for p := range r.pages {
			all = append(all, p)
		}
	}
	h.mu.Unlock()
	const steps = 20
	for step := range steps {
		h.mu.Lock()
		for _, p := range all[len(all)*step/steps : len(all)*(step+1)/steps] {
			p.err = errLeave
			p.rouse()
		}
		h.mu.Unlock()
		time.Sleep(d / steps)
	}
}
