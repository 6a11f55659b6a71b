// Package client plays Shake from Go, as a page does: it holds a session, starts rounds, and sends an end again until it
// is answered, since what was shaken must not be lost to a network.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Client is one player. Its methods may be called from many goroutines once it has logged in.
type Client struct {
	base    string
	http    *http.Client
	session atomic.Pointer[Session]
}

// Timeout bounds each attempt of a call whose context has no earlier deadline.
const Timeout = 10 * time.Second

// New makes a client of the players' door at base, such as https://shake.example. A nil h is http.DefaultClient.
func New(base string, h *http.Client) *Client {
	if h == nil {
		h = http.DefaultClient
	}
	return &Client{base: base, http: h}
}

// Error is a problem that the door answered with.
type Error struct {
	Status     int           `json:"status"`
	Code       string        `json:"code"` // stable; see docs/openapi.yaml. Empty: somebody on the way has answered
	Detail     string        `json:"detail"`
	RequestID  string        `json:"request_id"`
	NextNumber int64         `json:"next_number"` // of a wrong_number
	RetryAfter time.Duration `json:"-"`           // 0: not told
}

func (e *Error) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Detail) }

// ErrPending says that a result is not safe yet: ask again.
var ErrPending = errors.New("shake: result is pending")

// errNotOurs is an answer that the door can't have given: somebody on the way has.
var errNotOurs = errors.New("shake: not an answer of the door")

// Session is who is playing.
type Session struct {
	Token     string    `json:"token"`
	User      string    `json:"user"`
	Market    string    `json:"market"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Login is what a session is made of.
type Login struct {
	Provider   string `json:"provider"`
	Credential string `json:"credential"`
	Market     string `json:"market"`
	Device     string `json:"device,omitempty"`
}

// Login exchanges a platform's credential for a session and plays in it from here on.
func (c *Client) Login(ctx context.Context, l Login) (Session, error) {
	var s Session
	err := c.call(ctx, http.MethodPost, "/v1/sessions", l, &s)
	if err == nil {
		c.session.Store(&s)
	}
	return s, err
}

// Renew exchanges the session for one that holds longer and plays in that from here on; call it before ExpiresAt. From
// some time after the login on (session_lifetime of the server) it is answered session_expired: log in again then.
func (c *Client) Renew(ctx context.Context) (Session, error) {
	var s Session
	err := c.insist(ctx, func() error { return c.call(ctx, http.MethodPost, "/v1/sessions/renew", nil, &s) })
	if err == nil {
		c.session.Store(&s)
	}
	return s, err
}

// Session is the one that the client plays in; the zero Session before it has logged in.
func (c *Client) Session() Session {
	if s := c.session.Load(); s != nil {
		return *s
	}
	return Session{}
}

// Resume plays in a session that was kept from before, without a login.
func (c *Client) Resume(s Session) { c.session.Store(&s) }

// Campaign is what can be played.
type Campaign struct {
	ID           string            `json:"id"`
	Game         string            `json:"game"`
	Market       string            `json:"market"`
	Name         string            `json:"name"`
	Stage        string            `json:"stage"`
	Version      int64             `json:"version"`
	WarmupAt     time.Time         `json:"warmup_at"`
	StartsAt     time.Time         `json:"starts_at"`
	EndsAt       time.Time         `json:"ends_at"`
	RoundSeconds float64           `json:"round_seconds"`
	LateSeconds  float64           `json:"late_seconds"` // an end may come so long after its round's end
	Chances      int64             `json:"chances"`
	Pool         Pool              `json:"pool"`
	Assets       map[string]string `json:"assets"`
}

// Pool is how full a campaign's pool is.
type Pool struct {
	Funded int64 `json:"funded"`
	Left   int64 `json:"left"`
	Open   bool  `json:"open"`
}

// Campaigns lists those of a market; of all markets where it is "".
func (c *Client) Campaigns(ctx context.Context, market string) ([]Campaign, error) {
	path := "/v1/campaigns"
	if market != "" {
		path += "?market=" + url.QueryEscape(market)
	}
	var found struct {
		Campaigns []Campaign `json:"campaigns"`
	}
	err := c.call(ctx, http.MethodGet, path, nil, &found)
	return found.Campaigns, err
}

// Campaign looks at one campaign.
func (c *Client) Campaign(ctx context.Context, id string) (found Campaign, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/campaigns/"+url.PathEscape(id), nil, &found)
	return found, err
}

// Round is an open round.
type Round struct {
	ID          string    `json:"round"`
	Number      int64     `json:"number"`
	Token       string    `json:"token"`
	StartsAt    time.Time `json:"starts_at"`
	EndsAt      time.Time `json:"ends_at"`
	ChancesLeft int64     `json:"chances_left"`
}

// Result is what a round brought.
type Result struct {
	ID          string    `json:"round"`
	Number      int64     `json:"number"`
	Coins       int64     `json:"coins"`
	Total       int64     `json:"total"`
	Prize       *string   `json:"prize"` // nil where the game draws none
	ChancesLeft int64     `json:"chances_left"`
	Claim       string    `json:"claim"` // keep it: it is the proof
	SettledAt   time.Time `json:"settled_at"`
}

// Me is where the player stands in a campaign.
type Me struct {
	ChancesLeft int64   `json:"chances_left"`
	Coins       int64   `json:"coins"`
	NextNumber  int64   `json:"next_number"`
	OpenRound   *Round  `json:"open_round"`
	Last        *Result `json:"last"`
}

// Me tells where the player stands.
func (c *Client) Me(ctx context.Context, campaign string) (me Me, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/campaigns/"+url.PathEscape(campaign)+"/me", nil, &me)
	return me, err
}

// Start begins the player's round of this number, or gives it again while it is open. While the door is busy it asks
// again, until ctx ends.
func (c *Client) Start(ctx context.Context, campaign string, number int64) (r Round, err error) {
	err = c.insist(ctx, func() error { return c.call(ctx, http.MethodPut, roundPath(campaign, number), nil, &r) })
	return r, err
}

// End settles a round. Beats are the times of the shakes since its start, or nil. The same end is sent again through
// broken connections, a door that is busy and results that are pending, until it is answered or ctx ends; that is safe,
// since the same end has one result.
func (c *Client) End(ctx context.Context, campaign string, r Round, shakes int64, beats []time.Duration) (result Result, err error) {
	body := endBody{Token: r.Token, Shakes: shakes}
	for _, b := range beats {
		body.Beats = append(body.Beats, b.Milliseconds())
	}
	err = c.insist(ctx, func() error {
		err := c.call(ctx, http.MethodPost, roundPath(campaign, r.Number)+"/end", body, &result)
		if err == nil && result.Number != r.Number {
			return errNotOurs
		}
		return err
	})
	return result, err
}

type endBody struct {
	Token  string  `json:"token"`
	Shakes int64   `json:"shakes"`
	Beats  []int64 `json:"beats,omitempty"`
}

// Result gives the result of a round; ErrPending while it is on its way.
func (c *Client) Result(ctx context.Context, campaign string, number int64) (r Result, err error) {
	err = c.call(ctx, http.MethodGet, roundPath(campaign, number), nil, &r)
	return r, err
}

// Redeemed is what became of a claim.
type Redeemed struct {
	Status string `json:"status"` // Granted or AlreadyGranted
	Coins  int64  `json:"coins"`
}

// Statuses of a claim. What is granted is paid in the pool, and may be lost to the next fail-over as any end may; what is
// already granted is in the ledger, and its claim has done its work.
const (
	Granted        = "granted"
	AlreadyGranted = "already_granted"
)

// Redeem sends the claim of a result whose coins did not come. While the round may be on its way it asks again, until ctx
// ends. The same claim is paid once, however often it is sent.
func (c *Client) Redeem(ctx context.Context, claim string) (r Redeemed, err error) {
	body := struct {
		Claim string `json:"claim"`
	}{claim}
	err = c.insist(ctx, func() error { return c.call(ctx, http.MethodPost, "/v1/claims", body, &r) })
	return r, err
}

func roundPath(campaign string, number int64) string {
	return "/v1/campaigns/" + url.PathEscape(campaign) + "/rounds/" + strconv.FormatInt(number, 10)
}

// Entry is one booking in a player's wallet.
type Entry struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"`
	Campaign string    `json:"campaign"`
	Round    string    `json:"round"`
	Coins    int64     `json:"coins"`
	At       time.Time `json:"at"`
}

// Wallet is what a player has, and a page of how it came, newest first. Next is the cursor of the following page, "" at
// the end.
type Wallet struct {
	Balance int64
	Entries []Entry
	Next    string
}

// Wallet gives the player's balance and the page of its history at the cursor; "" is the first.
func (c *Client) Wallet(ctx context.Context, cursor string) (Wallet, error) {
	var page struct {
		Balance int64   `json:"balance"`
		Entries []Entry `json:"entries"`
		Next    *string `json:"next"`
	}
	err := c.call(ctx, http.MethodGet, "/v1/wallet?next="+url.QueryEscape(cursor), nil, &page)
	w := Wallet{Balance: page.Balance, Entries: page.Entries}
	if page.Next != nil {
		w.Next = *page.Next
	}
	return w, err
}

// Leaderboard gives the best players of a campaign, up to limit (at most 100; 0 is the door's default), or those around
// the player.
func (c *Client) Leaderboard(ctx context.Context, campaign string, limit int, aroundMe bool) (b Board, err error) {
	query := url.Values{}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	if aroundMe {
		query.Set("around", "me")
	}
	err = c.call(ctx, http.MethodGet, "/v1/campaigns/"+url.PathEscape(campaign)+"/leaderboard?"+query.Encode(), nil, &b)
	return b, err
}

// Notice is a message to the player.
type Notice struct {
	ID        string            `json:"id"`
	Kind      string            `json:"kind"`
	Campaign  string            `json:"campaign"`
	Round     string            `json:"round"`
	Title     string            `json:"title"`
	Body      string            `json:"body"`
	Params    map[string]string `json:"params"` // what title and body are made of
	At        time.Time         `json:"at"`
	ReceiptAt *time.Time        `json:"receipted_at"`
}

// Inbox gives a page of the player's notices, newest first; next is the cursor of the following one, "" at the end.
func (c *Client) Inbox(ctx context.Context, cursor string) (notices []Notice, next string, err error) {
	var page struct {
		Notices []Notice `json:"notices"`
		Next    *string  `json:"next"`
	}
	err = c.call(ctx, http.MethodGet, "/v1/inbox?next="+url.QueryEscape(cursor), nil, &page)
	if page.Next != nil {
		next = *page.Next
	}
	return page.Notices, next, err
}

// Receipt says that a notice was shown.
func (c *Client) Receipt(ctx context.Context, id string) error {
	return c.insist(ctx, func() error {
		return c.call(ctx, http.MethodPost, "/v1/inbox/"+url.PathEscape(id)+"/receipt", nil, nil)
	})
}

// Bounds of the pauses between attempts. They grow by half with jitter, so that players whom one fault stopped do not
// come back together.
const (
	firstPause = 250 * time.Millisecond
	lastPause  = 8 * time.Second
)

// insist tries until the answer says something about the call, rather than about the moment, or ctx ends.
func (c *Client) insist(ctx context.Context, try func() error) error {
	pause := firstPause
	for {
		err := try()
		again, after := passing(err)
		if !again {
			return err
		}
		timer := time.NewTimer(max(after, pause/2+rand.N(pause)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(ctx.Err(), err)
		case <-timer.C:
		}
		pause = min(lastPause, pause*3/2)
	}
}

// passing tells whether the same call may be answered otherwise later, and how long the door asks to wait.
func passing(err error) (again bool, after time.Duration) {
	var problem *Error
	switch {
	case err == nil:
		return false, 0
	case errors.Is(err, ErrPending):
		return true, 0
	case errors.As(err, &problem):
		return problem.Code == "" || problem.Status == http.StatusTooManyRequests || problem.Status >= 500, problem.RetryAfter
	}
	return !errors.Is(err, context.Canceled), 0 // the network
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

// call makes one attempt and reads its answer.
func (c *Client) call(ctx context.Context, method, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return err
	case resp.StatusCode == http.StatusAccepted:
		return ErrPending
	case resp.StatusCode >= 400:
		return problemOf(resp, text)
	case answer == nil:
		return nil
	}
	return json.Unmarshal(text, answer)
}

func (c *Client) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token := c.Session().Token; token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// problemOf reads a problem. What stands between client and door may answer with anything: that has no code, and says
// nothing about the call.
func problemOf(resp *http.Response, text []byte) *Error {
	e := &Error{}
	ours := strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json")
	if !ours || json.Unmarshal(text, e) != nil || e.Code == "" {
		e = &Error{Detail: string(text[:min(len(text), 200)])}
	}
	e.Status = resp.StatusCode
	if sec, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && sec > 0 {
		e.RetryAfter = time.Duration(sec) * time.Second
	}
	return e
}
