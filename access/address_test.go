package access

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestAddressOf(t *testing.T) {
	ours := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("203.0.113.7/32")}
	for _, c := range []struct {
		remote    string
		forwarded []string
		trusted   []netip.Prefix
		want      string
	}{
		{"192.0.2.1:99", nil, nil, "192.0.2.1"},
		{"192.0.2.1:99", []string{"198.51.100.1"}, nil, "192.0.2.1"},
		{"10.0.0.1:99", []string{"198.51.100.1"}, nil, "10.0.0.1"}, // nobody is trusted unless configured
		{"192.0.2.1:99", []string{"198.51.100.1"}, ours, "192.0.2.1"},
		{"10.0.0.1:99", nil, ours, "10.0.0.1"},
		{"10.0.0.1:99", []string{""}, ours, "10.0.0.1"},
		{"10.0.0.1:99", []string{"192.0.2.1"}, ours, "192.0.2.1"},
		{"10.0.0.1:99", []string{"198.51.100.1, 192.0.2.1"}, ours, "192.0.2.1"}, // the client says he is somebody else
		{"10.0.0.1:99", []string{"10.0.0.9, 192.0.2.1"}, ours, "192.0.2.1"},     // or one of ours
		{"10.0.0.1:99", []string{"192.0.2.1", "10.0.0.2"}, ours, "192.0.2.1"},   // two proxies, two lines
		{"10.0.0.1:99", []string{"192.0.2.1 ,\t10.0.0.2 "}, ours, "192.0.2.1"},  // two proxies, one line
		{"10.0.0.1:99", []string{"10.0.0.3,10.0.0.2"}, ours, "10.0.0.3"},        // from the inside
		{"203.0.113.7:99", []string{"192.0.2.1"}, ours, "192.0.2.1"},            // a proxy of its own
		{"203.0.113.8:99", []string{"192.0.2.1"}, ours, "203.0.113.8"},          // its neighbour is nobody
		{"10.0.0.1:99", []string{"192.0.2.1:5678"}, ours, "192.0.2.1"},          // with a port
		{"10.0.0.1:99", []string{"unknown"}, ours, "10.0.0.1"},                  // nonsense is nobody's address
		{"10.0.0.1:99", []string{"192.0.2.1, _hidden, 10.0.0.2"}, ours, "10.0.0.2"},
		{"10.0.0.1:99", []string{"192.0.2.1,"}, ours, "10.0.0.1"},
		{"10.0.0.1:99", []string{"192.0.2.999"}, ours, "10.0.0.1"},
		{"10.0.0.1:99", []string{"192.0.2.1\x00"}, ours, "10.0.0.1"},
		{"[::ffff:10.0.0.1]:99", []string{"::ffff:192.0.2.1"}, ours, "192.0.2.1"}, // IPv4 in IPv6
		{"[2001:db8:1:2:3:4:5:6]:99", nil, ours, "2001:db8:1:2::/64"},
		{"[2001:db8:1:2:ffff::1]:99", nil, ours, "2001:db8:1:2::/64"}, // the same customer
		{"[fe80::1%eth0]:99", nil, ours, "fe80::/64"},
		{"[fd00::1]:99", []string{"2001:db8::1"}, ours, "2001:db8::/64"},
		{"[fd00::1]:99", []string{"[2001:db8::1]:443"}, ours, "2001:db8::/64"},
		{"[fd00::1]:99", []string{"[2001:db8::1]"}, ours, "2001:db8::/64"},
		{"10.0.0.1:99", []string{"192.0.2.1" + strings.Repeat(",10.0.0.2", 31)}, ours, "192.0.2.1"},
		{"10.0.0.1:99", []string{"192.0.2.1" + strings.Repeat(",10.0.0.2", 999)}, ours, "10.0.0.2"}, // nobody stands that far away
		{"@", []string{"192.0.2.1"}, ours, "@"},                                                     // a socket of another kind
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		for _, line := range c.forwarded {
			r.Header.Add("X-Forwarded-For", line)
		}
		kept := strings.Join(r.Header.Values("X-Forwarded-For"), "|")
		if got := addressOf(r, c.trusted); got != c.want {
			t.Errorf("%s with %.60q: got %s, want %s", c.remote, c.forwarded, got, c.want)
		}
		if strings.Join(r.Header.Values("X-Forwarded-For"), "|") != kept {
			t.Errorf("%s with %.60q: the header was changed", c.remote, c.forwarded)
		}
	}
}

func FuzzAddressOf(f *testing.F) {
	f.Add("10.0.0.1:99", "192.0.2.1, 10.0.0.2")
	f.Add("[fd00::1%x]:1", "[::1]:2,,")
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, remote, forwarded string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = remote
		r.Header.Set("X-Forwarded-For", forwarded)
		got := addressOf(r, trusted)
		if _, err := netip.ParseAddr(got); err == nil || got == remote {
			return
		}
		if p, err := netip.ParsePrefix(got); err != nil || p.Bits() != 64 {
			t.Errorf("%q, %q: got %q, want an address or a /64", remote, forwarded, got)
		}
	})
}
