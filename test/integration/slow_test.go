package integration

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// TestSlowloris opens 5,000 connections that send their heads a byte at a time beside 200 honest players: the honest
// ones wait hardly longer than before, and the others are hung up on.
func TestSlowloris(t *testing.T) {
	const slow, honest = 5000, 200
	d := startDev(t, filepath.Join(t.TempDir(), "data"), "--live", "10m")
	c := d.login("ann")
	wires := make([]*wire, honest)
	for i := range wires {
		var err error
		if wires[i], err = dialWire(t, d.URL); err != nil {
			t.Fatal(err)
		}
	}
	quiet := d.p99(wires, c.Token)
	var opening errgroup.Group
	opening.SetLimit(64)
	conns := make([]net.Conn, slow)
	for i := range conns {
		opening.Go(func() (err error) {
			conns[i], err = net.Dial("tcp", strings.TrimPrefix(d.URL, "http://"))
			return err
		})
	}
	if err := opening.Wait(); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var dripping sync.WaitGroup
	dripping.Go(func() {
		const head = "GET /v1/time HTTP/1.1\r\nHost: x\r\nX-Drop: "
		for i := 0; ; i++ {
			for some := range slices.Chunk(conns, slow/100) { // each has its own time, so a hundredth of them at once
				for _, conn := range some {
					_, _ = conn.Write([]byte{head[min(i, len(head)-1)]}) // one that was hung up on is what we want
				}
				select {
				case <-stop:
					return
				case <-time.After(3 * time.Millisecond):
				}
			}
		}
	})
	beside := d.p99(wires, c.Token)
	t.Logf("p99 of %d honest players: %s alone, %s beside %d slow ones", honest, quiet.Round(time.Millisecond), beside.Round(time.Millisecond), slow)
	if beside > 2*quiet+50*time.Millisecond { // other tests have the machine too, now more and now less
		t.Errorf("p99 went from %s to %s, want at most twice as long", quiet, beside)
	}
	for _, i := range []int{0, slow / 2, slow - 1} {
		_ = conns[i].SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.ReadAll(conns[i]); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("slow connection %d is still held after its time: %v", i, err)
		}
	}
	close(stop)
	dripping.Wait()
	for _, conn := range conns {
		_ = conn.Close()
	}
}

// p99 is how long the slowest hundredth of the players wait for where they stand, each asking ten times a second for
// five seconds.
func (p *dev) p99(wires []*wire, token string) time.Duration {
	p.t.Helper()
	var mu sync.Mutex
	var waits []time.Duration
	began := time.Now()
	eachWire(wires, 50*len(wires), func(w *wire, i int) {
		due := began.Add(time.Duration(i) * 100 * time.Millisecond / time.Duration(len(wires)))
		time.Sleep(time.Until(due))
		status, body := w.call("GET", "/v1/campaigns/demo", token, "")
		if status != http.StatusOK {
			p.t.Errorf("an honest player was answered %s", fmt.Sprint(status, " ", body))
		}
		mu.Lock()
		defer mu.Unlock()
		waits = append(waits, time.Since(due))
	})
	slices.Sort(waits)
	return waits[len(waits)*99/100]
}
