package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/shake-live/shake/internal/yamlfile"
)

// Kinds of providers.
const (
	KindDev        = "dev"        // takes any name for itself
	KindJWT        = "jwt"        // takes tokens that an issuer has signed
	KindIntrospect = "introspect" // asks the platform about each credential
)

// Provider is one who vouches for players. Which keys count depends on the kind.
type Provider struct {
	Kind         string   `yaml:"kind"`
	Issuer       string   `yaml:"issuer,omitempty"`
	Audience     []string `yaml:"audience,omitempty"`
	JWKS         string   `yaml:"jwks,omitempty"`       // jwt: the issuer's keys, https:… or file:PATH
	Algorithms   []string `yaml:"algorithms,omitempty"` // jwt
	Refresh      Duration `yaml:"refresh"`              // jwt: how often the keys are read
	URL          string   `yaml:"url,omitempty"`        // introspect
	ClientID     string   `yaml:"client_id,omitempty"`  // introspect
	ClientSecret Secret   `yaml:"client_secret"`
	Concurrency  int      `yaml:"concurrency"` // introspect: questions at once
	Timeout      Duration `yaml:"timeout"`
	Leeway       Duration `yaml:"leeway"`
	UserClaim    string   `yaml:"user_claim,omitempty"`
	UserPrefix   string   `yaml:"user_prefix"`
	NameClaim    string   `yaml:"name_claim,omitempty"` // what others see; none: they see a code
}

// defaultProvider is a provider where a file says nothing.
func defaultProvider(name string) Provider {
	return Provider{
		Refresh: Duration(5 * time.Minute), Concurrency: 64, Timeout: Duration(2 * time.Second), Leeway: Duration(30 * time.Second),
		UserClaim: "sub", UserPrefix: name + ":",
	}
}

// DevProvider is the provider of kind dev, which has nothing to set.
func DevProvider() Provider {
	p := defaultProvider(KindDev)
	p.Kind = KindDev
	return p
}

// Providers are those who vouch for players, by the name that logins call them by.
type Providers map[string]Provider

// UnmarshalYAML reads providers by name, or a list of kinds that need no settings: [dev].
func (p *Providers) UnmarshalYAML(node *yaml.Node) error {
	*p = Providers{}
	if node.Kind == yaml.SequenceNode {
		var kinds []string
		if err := yamlfile.Load(node, &kinds); err != nil {
			return err
		}
		for _, kind := range kinds {
			one := defaultProvider(kind)
			one.Kind = kind
			(*p)[kind] = one
		}
		return nil
	}
	var nodes map[string]yaml.Node
	if err := yamlfile.Load(node, &nodes); err != nil {
		return err
	}
	for name, settings := range nodes {
		one := defaultProvider(name)
		if err := yamlfile.Load(&settings, &one); err != nil {
			return err
		}
		(*p)[name] = one
	}
	return nil
}

var (
	providerName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,15}$`)
	userPrefix   = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9_.@:+-]{0,23})?$`)
)

// signatures are the algorithms that a token may be signed by: those with a public key.
var signatures = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

func (p Providers) validate() error {
	var errs []error
	names := make([]string, 0, len(p))
	for name := range p {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		one := p[name]
		if !providerName.MatchString(name) {
			errs = append(errs, fmt.Errorf("providers.%.20q: want a name of 1 to 16 small letters, digits, _ and -", name))
		}
		for _, err := range one.problems() {
			errs = append(errs, fmt.Errorf("providers.%s.%w", name, err))
		}
		for _, other := range names[:i] {
			if one.shares(p[other]) {
				errs = append(errs, fmt.Errorf("providers.%s and providers.%s: want a user_prefix each, and none that begins with the other, or two players could be one user", other, name))
			}
		}
	}
	return errors.Join(errs...)
}

// shares tells whether a player of the one could be a user of the other. dev may be anybody.
func (p Provider) shares(other Provider) bool {
	return p.Kind != KindDev && other.Kind != KindDev &&
		(strings.HasPrefix(p.UserPrefix, other.UserPrefix) || strings.HasPrefix(other.UserPrefix, p.UserPrefix))
}

func (p Provider) problems() (errs []error) {
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	jwt, introspect := p.Kind == KindJWT, p.Kind == KindIntrospect
	need(jwt || introspect || p.Kind == KindDev, "kind %q is not known; want dev, jwt or introspect", p.Kind)
	need(!jwt || p.Issuer != "", "issuer: want one")
	need(!jwt || len(p.Audience) > 0, "audience: want at least one")
	need(!slices.Contains(p.Audience, ""), "audience: want none that is empty")
	need(!jwt || strings.HasPrefix(p.JWKS, "file:") || secure(p.JWKS), "jwks: want https:… or file:PATH; http: on this machine alone")
	need(jwt || p.JWKS == "" && len(p.Algorithms) == 0, "jwks, algorithms: for kind jwt alone")
	need(!jwt || len(p.Algorithms) > 0, "algorithms: want at least one")
	for _, alg := range p.Algorithms {
		need(slices.Contains(signatures, alg), "algorithms: %q is none with a public key; want some of %s", alg, strings.Join(signatures, ", "))
	}
	need(!introspect || secure(p.URL), "url: want https:…; http: on this machine alone")
	need(!introspect || p.ClientID != "" && p.ClientSecret.Value() != "", "client_id, client_secret: want both")
	need(introspect || p.URL == "" && p.ClientID == "" && p.ClientSecret.Value() == "", "url, client_id, client_secret: for kind introspect alone")
	need(p.Refresh >= Duration(time.Second), "refresh: want at least 1s")
	need(p.Timeout > 0 && p.Timeout <= Duration(5*time.Second), "timeout: want more than 0 and at most 5s, for which a player waits")
	need(p.Leeway >= 0 && p.Leeway <= Duration(5*time.Minute), "leeway: want 0s to 5m")
	need(p.Concurrency > 0 && p.Concurrency <= 4096, "concurrency: want 1 to 4096")
	need(p.UserClaim != "", "user_claim: want one")
	need(jwt || introspect || p.NameClaim == "", "name_claim: for kinds jwt and introspect; dev shows what was typed")
	need(userPrefix.MatchString(p.UserPrefix), "user_prefix: want at most 24 letters, digits and _.@:+-, a letter or digit first")
	return errs
}

// secure tells whether nobody on the way can read or change what is said: a key that somebody else could put there
// makes any player he likes.
func secure(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}
