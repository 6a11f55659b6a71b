package access

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxHops bounds how far back a request is followed.
const maxHops = 32

// addressOf is the client's address as the limits count it: that of the connection, or, where a proxy of ours holds
// the connection, the nearest one in X-Forwarded-For that is none of ours. What stands before that one the client may
// have written himself. An IPv6 address counts by its /64, the least that one customer gets.
func addressOf(r *http.Request, trusted []netip.Prefix) string {
	at, ok := hop(r.RemoteAddr)
	if !ok {
		return r.RemoteAddr
	}
	ours := func(a netip.Addr) bool {
		return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	lines := r.Header.Values("X-Forwarded-For") // several lines are one list
	for hops := 0; ours(at) && len(lines) > 0 && hops < maxHops; hops++ {
		before, last, found := cutLast(lines[len(lines)-1])
		if lines = lines[:len(lines)-1]; found {
			lines = append(slices.Clip(lines), before)
		}
		next, ok := hop(strings.TrimSpace(last))
		if !ok {
			break // our proxy was told nonsense: it is the nearest that we know of
		}
		at = next
	}
	if at.Is6() {
		net64, _ := at.Prefix(64) // every address of IPv6 has one
		return net64.String()
	}
	return at.String()
}

// cutLast takes the last item of a list.
func cutLast(list string) (before, last string, found bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", list, false
	}
	return list[:i], list[i+1:], true
}

// hop reads an address, as some write it with a port. IPv4 in IPv6 is IPv4.
func hop(text string) (netip.Addr, bool) {
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	text = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	a, err := netip.ParseAddr(text)
	return a.Unmap().WithZone(""), err == nil
}
