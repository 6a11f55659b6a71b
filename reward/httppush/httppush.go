// Package httppush gives notices to a company's own push service over HTTP: one POST each, with the notice's id as
// idempotency key.
//
// One notice a request, and no batches: the key, the answer and a refusal are then each about one notice, and kept
// connections make a request cheap. The service answers 2xx when it has the notice, also when it had it before. The
// body of a notice is always the same, byte for byte.
package httppush

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/internal/outgoing"
	"github.com/shake-live/shake/reward"
)

// Options say where the service is. At least one of Token and SigningKey is wanted.
type Options struct {
	URL         string
	Token       string        // sent as a bearer token
	SigningKey  string        // signs each request, as Standard Webhooks has it
	Timeout     time.Duration // of one request
	Concurrency int           // connections at most
	// Market tells in which market a run of a campaign is.
	Market func(ctx context.Context, campaign string, run int64) (string, error)
}

// The outcomes of requests.
const (
	OutcomeTaken       = "taken"
	OutcomeRefused     = "refused"     // this notice, for good: most of 4xx
	OutcomeForbidden   = "forbidden"   // us: 401, 403, 407
	OutcomeLimited     = "limited"     // 429
	OutcomeFailed      = "failed"      // 5xx, redirects and what else is no answer
	OutcomeUnreachable = "unreachable" // no answer, or not in time
)

// Observer hears of requests, for metrics.
type Observer interface {
	PushServiceAsked(outcome string, took time.Duration)
}

// Service implements reward.Service.
type Service struct {
	opts   Options
	key    []byte
	client *http.Client
	clock  clock.Clock
	watch  Observer
}

// New makes a Service. Close ends it.
func New(o Options, clock clock.Clock, watch Observer) (*Service, error) {
	key, err := signingKey(o.SigningKey)
	if err != nil {
		return nil, err
	}
	if o.URL == "" || o.Token == "" && key == nil || o.Timeout <= 0 || o.Concurrency <= 0 || o.Market == nil {
		return nil, errors.New("want url, token or signing key, timeout, concurrency and markets")
	}
	return &Service{opts: o, key: key, client: outgoing.Client(o.Timeout, o.Concurrency), clock: clock, watch: watch}, nil
}

// Close lets go of idle connections.
func (s *Service) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// message is the body of a request.
type message struct {
	ID       string            `json:"id"`
	Kind     string            `json:"kind"`
	User     string            `json:"user"`
	Campaign string            `json:"campaign"`
	Round    string            `json:"round"`
	Market   string            `json:"market"`
	Language string            `json:"language"` // of title and body
	Title    string            `json:"title"`
	Body     string            `json:"body"`
	Params   map[string]string `json:"params"`
	At       string            `json:"at"`
}

// stampLayout is how the players' API writes times.
const stampLayout = "2006-01-02T15:04:05.000Z"

func (s *Service) body(ctx context.Context, n reward.Notice) ([]byte, error) {
	market, err := s.opts.Market(ctx, n.Campaign, n.Run)
	if err != nil {
		return nil, fmt.Errorf("market of %s: %w", n.Campaign, err)
	}
	m := message{
		ID: n.ID, Kind: n.Kind, User: n.User, Campaign: n.Campaign, Round: n.Round, Market: market, Language: reward.Language,
		Title: n.Title, Body: n.Body, Params: n.Params, At: n.At.UTC().Format(stampLayout),
	}
	if m.Params == nil {
		m.Params = map[string]string{}
	}
	return json.Marshal(m)
}

// Deliver implements reward.Service.
func (s *Service) Deliver(ctx context.Context, n reward.Notice) error {
	body, err := s.body(ctx, n)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.opts.URL, bytes.NewReader(body))
	if err != nil {
		return outgoing.Plain(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "shake")
	// draft-ietf-httpapi-idempotency-key-header, without quotes as most services have it. net/http too knows by it that a
	// request may be sent again where a kept connection broke.
	r.Header.Set("Idempotency-Key", n.ID)
	if s.opts.Token != "" {
		r.Header.Set("Authorization", "Bearer "+s.opts.Token)
	}
	if s.key != nil {
		sign(r.Header, s.key, n.ID, s.clock.Now(), body)
	}
	began := time.Now()
	outcome, err := s.ask(r)
	s.watch.PushServiceAsked(outcome, time.Since(began))
	return err
}

// maxAnswer bounds what is read of an answer, so that its connection can be used again; what it says does not count.
const maxAnswer = 64 << 10

func (s *Service) ask(r *http.Request) (outcome string, err error) {
	resp, err := s.client.Do(r)
	if err != nil {
		return OutcomeUnreachable, outgoing.Plain(err)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // the status has told all
	_ = resp.Body.Close()
	return s.judge(resp)
}

// judge tells a notice that is refused from a service that can't take any now. 401, 403 and 407 are about us, and a
// redirect about the address: an operator who mends that must not find a night's notices gone.
func (s *Service) judge(resp *http.Response) (outcome string, err error) {
	status := resp.StatusCode
	err = fmt.Errorf("got status %d", status)
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return OutcomeForbidden, err
	case http.StatusTooManyRequests:
		return OutcomeLimited, s.notNow(resp, err)
	case http.StatusConflict: // by the draft: the first request with this key is still under way
		return OutcomeFailed, err
	case http.StatusRequestTimeout, http.StatusTooEarly:
		return OutcomeFailed, s.notNow(resp, err)
	}
	switch {
	case status >= 200 && status < 300:
		return OutcomeTaken, nil
	case status >= 400 && status < 500:
		return OutcomeRefused, fmt.Errorf("%w: %w", reward.ErrRefused, err)
	}
	return OutcomeFailed, s.notNow(resp, err)
}

// notNow adds when the service wants to be asked again, if it says so: in seconds or as a date.
func (s *Service) notNow(resp *http.Response, err error) error {
	text := resp.Header.Get("Retry-After")
	if seconds, wrong := strconv.ParseInt(text, 10, 32); wrong == nil && seconds > 0 {
		return reward.NotNow{After: time.Duration(seconds) * time.Second, Err: err}
	}
	if at, wrong := http.ParseTime(text); wrong == nil && at.After(s.clock.Now()) {
		return reward.NotNow{After: at.Sub(s.clock.Now()), Err: err}
	}
	return err
}
