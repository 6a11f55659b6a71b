package platform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/internal/outgoing"
)

// IntrospectionOptions say whom to ask. The zero value of a field means its default.
type IntrospectionOptions struct {
	URL          string
	ClientID     string // what the platform knows us by
	ClientSecret string
	Issuer       string   // if the answer must name one; default: it need not
	Audience     []string // one of these must be among the answer's; default: none need be
	Timeout      time.Duration
	Concurrency  int // questions at once; more wait for their turn within Timeout; default 64
	Leeway       time.Duration
	Names        Names
}

// Introspection asks the platform about each credential (RFC 7662). Nothing is kept: a credential that the platform
// takes back is refused at the next login.
type Introspection struct {
	opts   IntrospectionOptions
	client *http.Client
	valid  *jwt.Validator
	turns  chan struct{}
	health health
}

// NewIntrospection makes a provider.
func NewIntrospection(o IntrospectionOptions, clock clock.Clock, log *slog.Logger) (*Introspection, error) {
	if o.URL == "" || o.ClientID == "" || o.ClientSecret == "" || o.Names.Claim == "" {
		return nil, errors.New("want url, client id, client secret and the claim of the user")
	}
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Second
	}
	if o.Concurrency == 0 {
		o.Concurrency = 64
	}
	checks := []jwt.ParserOption{jwt.WithLeeway(o.Leeway), jwt.WithTimeFunc(clock.Now)}
	if o.Issuer != "" {
		checks = append(checks, jwt.WithIssuer(o.Issuer))
	}
	if len(o.Audience) > 0 {
		checks = append(checks, jwt.WithAudience(o.Audience...))
	}
	return &Introspection{
		opts: o, client: outgoing.Client(o.Timeout, o.Concurrency), valid: jwt.NewValidator(checks...), turns: make(chan struct{}, o.Concurrency),
		health: health{log: log},
	}, nil
}

// Close lets go of idle connections.
func (p *Introspection) Close() error {
	p.client.CloseIdleConnections()
	return nil
}

// Player implements access.Provider.
func (p *Introspection) Player(ctx context.Context, credential string) (access.Player, error) {
	if !plausible(credential) {
		return access.Player{}, refused("nothing that could be a token")
	}
	ctx, cancel := context.WithTimeout(ctx, p.opts.Timeout)
	defer cancel()
	select {
	case p.turns <- struct{}{}:
		defer func() { <-p.turns }()
	case <-ctx.Done():
		return access.Player{}, unreachable(errors.New("too many questions are under way"))
	}
	claims, err := p.ask(ctx, credential)
	if err != nil {
		if !errors.Is(err, context.Canceled) { // the player went away: that says nothing about the platform
			p.health.failed(err)
		}
		return access.Player{}, unreachable(err)
	}
	p.health.answered()
	if claims["active"] != true {
		return access.Player{}, refused("the platform says that it is not active")
	}
	if err := p.valid.Validate(claims); err != nil {
		return access.Player{}, judged(err)
	}
	return p.opts.Names.player(claims)
}

func (p *Introspection) ask(ctx context.Context, credential string) (jwt.MapClaims, error) {
	form := url.Values{"token": {credential}, "token_type_hint": {"access_token"}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.opts.URL, strings.NewReader(form))
	if err != nil {
		return nil, outgoing.Plain(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.SetBasicAuth(url.QueryEscape(p.opts.ClientID), url.QueryEscape(p.opts.ClientSecret)) // RFC 6749, 2.3.1
	body, err := ask(p.client, r)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var claims jwt.MapClaims
	if err := d.Decode(&claims); err != nil {
		return nil, errors.New("the answer is no JSON object")
	}
	if _, ok := claims["active"].(bool); !ok {
		return nil, errors.New("the answer does not tell whether the token is active")
	}
	return claims, nil
}
