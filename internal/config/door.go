package config

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// CORS says which pages of other origins may call the players' door.
type CORS struct {
	Origins []string `yaml:"origins"`
	MaxAge  Duration `yaml:"max_age"`
}

func (c CORS) validate() error {
	var errs []error
	for _, origin := range c.Origins {
		if origin != "*" && !validOrigin(origin) {
			errs = append(errs, fmt.Errorf("cors.origins %q: want one like https://play.example, as browsers write it, or *", origin))
		}
	}
	if slices.Contains(c.Origins, "*") && len(c.Origins) > 1 {
		errs = append(errs, errors.New("cors.origins: want * alone, or a list without it"))
	}
	if c.MaxAge < 0 || c.MaxAge > Duration(24*time.Hour) {
		errs = append(errs, errors.New("cors.max_age: want 0s to 24h"))
	}
	return errors.Join(errs...)
}

// validOrigin tells whether a text is an origin as browsers write it: scheme, host and perhaps a port, in small letters,
// with nothing behind. Anything else would never be met, which nobody would notice.
func validOrigin(text string) bool {
	scheme, host, ok := strings.Cut(text, "://")
	return ok && (scheme == "https" || scheme == "http") && host != "" && !strings.ContainsFunc(host, func(r rune) bool {
		return r <= ' ' || r > '~' || r >= 'A' && r <= 'Z' || strings.ContainsRune("/?#@*\\,", r)
	})
}

// Page says how the players' page is served.
type Page struct {
	FrameAncestors []string `yaml:"frame_ancestors"`
}

// ancestor is what may stand in a frame-ancestors list: an origin of any scheme (apps have their own), with or without
// *. before its host. It stands in a header as it is, so nothing that ends a word or a directive gets in.
var ancestor = regexp.MustCompile(`^[a-z][a-z0-9+.-]*://(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$`)

func (p Page) validate() error {
	var errs []error
	for _, one := range p.FrameAncestors {
		if one != "self" && !ancestor.MatchString(one) {
			errs = append(errs, fmt.Errorf("page.frame_ancestors %q: want self, or an origin like https://app.example or https://*.app.example", one))
		}
	}
	return errors.Join(errs...)
}

// Proxies are the address ranges whose word is believed.
type Proxies []string

// Prefixes are the ranges themselves; a single address is a range of one.
func (p Proxies) Prefixes() (list []netip.Prefix, err error) {
	for _, text := range p {
		one, err := netip.ParsePrefix(text)
		if err != nil {
			var a netip.Addr
			if a, err = netip.ParseAddr(text); err == nil && a.Zone() == "" {
				one = netip.PrefixFrom(a, a.BitLen())
			}
		}
		if !one.IsValid() || one.Bits() == 0 || one != one.Masked() || one.Addr().Is4In6() {
			return nil, fmt.Errorf("limits.trusted_proxies %q: want an address or a range like 10.0.0.0/8, and not everybody", text)
		}
		list = append(list, one)
	}
	return list, nil
}
