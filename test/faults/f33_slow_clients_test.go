package faults

import (
	"io"
	"net"
	"strings"
	"time"
)

// Two thousand clients open connections and send a byte now and then. Players hardly notice.
func init() {
	add(33, "slow-clients", plan{recovery: prompt}, func(s *scene) {
		s.play()
		s.breaks("slow clients come")
		addr := strings.TrimPrefix(s.door(), "http://")
		var conns []net.Conn
		defer func() {
			for _, c := range conns {
				_ = c.Close()
			}
		}()
		for i := range 2000 {
			c, err := net.DialTimeout("tcp", addr, 2*time.Second)
			if err != nil {
				s.t.Fatalf("connection %d: %v", i, err)
			}
			conns = append(conns, c)
			_, _ = io.WriteString(c, "POST /v1/sessions HTTP/1.1\r\nHost: slow\r\n") // it may be closed
		}
		for range 8 {
			for _, c := range conns {
				_, _ = io.WriteString(c, "X")
			}
			s.pause(time.Second)
		}
		s.everyShard()
	})
}
