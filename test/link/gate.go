package link

import (
	"errors"
	"io"
	"maps"
	"net"
	"sync"
)

// Gate is a way to one server that knows who comes by the address they come from, and can shut some of them out: a network
// that has fallen apart, while others still get through.
type Gate struct {
	listener net.Listener
	server   string

	mu    sync.Mutex
	shut  map[string]bool
	conns map[net.Conn]string // both ends of each pair, by who came
	wg    sync.WaitGroup
}

// NewGate opens a way from listen to the server at addr.
func NewGate(listen, addr string) (*Gate, error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	g := &Gate{listener: l, server: addr, shut: map[string]bool{}, conns: map[net.Conn]string{}}
	g.wg.Go(g.serve)
	return g, nil
}

// Addr is where the way begins.
func (g *Gate) Addr() string { return g.listener.Addr().String() }

// Close takes the way away and ends its connections.
func (g *Gate) Close() {
	_ = g.listener.Close() // serve ends by it
	g.end(func(string) bool { return true })
	g.wg.Wait()
}

// Shut ends what comes from these addresses, and refuses more; Open lets everybody in again.
func (g *Gate) Shut(from ...string) {
	g.mu.Lock()
	for _, ip := range from {
		g.shut[ip] = true
	}
	g.mu.Unlock()
	g.end(g.refuses)
}

// Open lets everybody in again.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.shut)
}

func (g *Gate) refuses(ip string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut[ip]
}

// end closes the connections of some. Closing them ends what carries them.
func (g *Gate) end(who func(ip string) bool) {
	g.mu.Lock()
	all := maps.Clone(g.conns)
	g.mu.Unlock()
	for c, ip := range all {
		if who(ip) {
			_ = c.Close()
		}
	}
}

func (g *Gate) serve() {
	for {
		c, err := g.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		ip, _, _ := net.SplitHostPort(c.RemoteAddr().String()) // it is a TCP address
		if g.refuses(ip) {
			_ = c.Close()
			continue
		}
		g.wg.Go(func() { g.carry(c, ip) })
	}
}

// carry moves bytes both ways until one end is closed.
func (g *Gate) carry(c net.Conn, ip string) {
	server, err := net.Dial("tcp", g.server)
	if err != nil {
		_ = c.Close()
		return
	}
	g.mu.Lock()
	g.conns[c], g.conns[server] = ip, ip
	late := g.shut[ip]
	g.mu.Unlock()
	both := func() { _, _ = c.Close(), server.Close() }
	if late {
		both()
	}
	var wg sync.WaitGroup
	for from, to := range map[net.Conn]net.Conn{c: server, server: c} {
		wg.Go(func() {
			defer both()
			_, _ = io.Copy(to, from) // it ends with one of them
		})
	}
	wg.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
	delete(g.conns, server)
}
