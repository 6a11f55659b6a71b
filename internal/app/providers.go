package app

import (
	"fmt"
	"time"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/access/platform"
	"github.com/shake-live/shake/internal/config"
)

// providers opens those who vouch for players.
func (a *App) providers() (map[string]access.Provider, error) {
	list := map[string]access.Provider{}
	for name, c := range a.cfg.Providers {
		p, err := a.provider(name, c)
		if err != nil {
			return nil, fmt.Errorf("provider %s: %w", name, err)
		}
		list[name] = p
	}
	return list, nil
}

func (a *App) provider(name string, c config.Provider) (access.Provider, error) {
	names := platform.Names{Claim: c.UserClaim, Prefix: c.UserPrefix, Display: c.NameClaim}
	log := a.log.With("provider", name)
	switch c.Kind {
	case config.KindDev:
		return access.Dev{}, nil
	case config.KindJWT:
		keys, err := platform.NewKeys(platform.KeysOptions{Source: c.JWKS, Refresh: time.Duration(c.Refresh), Timeout: time.Duration(c.Timeout)}, log)
		if err != nil {
			return nil, err
		}
		a.stops.add("keys of "+name, keys.Close)
		return platform.NewJWT(keys, platform.JWTOptions{
			Issuer: c.Issuer, Audience: c.Audience, Algorithms: c.Algorithms, Leeway: time.Duration(c.Leeway), Names: names,
		}, a.clock)
	case config.KindIntrospect:
		p, err := platform.NewIntrospection(platform.IntrospectionOptions{
			URL: c.URL, ClientID: c.ClientID, ClientSecret: c.ClientSecret.Value(), Issuer: c.Issuer, Audience: c.Audience,
			Timeout: time.Duration(c.Timeout), Concurrency: c.Concurrency, Leeway: time.Duration(c.Leeway), Names: names,
		}, a.clock, log)
		if err != nil {
			return nil, err
		}
		a.stops.add("introspection of "+name, p.Close)
		return p, nil
	}
	return nil, fmt.Errorf("kind %q is not known", c.Kind)
}
