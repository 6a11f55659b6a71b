package integration

import (
	"github.com/shake-live/shake/test/rig"

	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// TestPages holds 5,000 streams of as many players on one node: each is told the pool, the stage and the board, each hears of a change
// within seconds, and the node's memory for them is bounded. It prints the memory of a stream.
func TestPages(t *testing.T) {
	const pages = 5000
	data := filepath.Join(t.TempDir(), "data")
	d := startDev(t, data, "--live", "10m", "--round", "1s")
	ann := d.login("ann")
	before := rss(t, d.Process)
	heard := &hearing{}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	var opening errgroup.Group
	opening.SetLimit(32)
	h := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}, Timeout: 10 * time.Second}
	defer h.CloseIdleConnections()
	for i := range pages {
		opening.Go(func() error {
			c, err := rig.Login(ctx, h, d.URL, fmt.Sprint("page-", i))
			if err != nil {
				return err
			}
			return heard.open(ctx, &wg, d.URL, c.Token)
		})
	}
	if err := opening.Wait(); err != nil {
		t.Fatal(err)
	}
	rig.Eventually(t, 20*time.Second, func() error { return heard.all(pages, "pool", "stage", "board") })
	after := rss(t, d.Process)
	t.Logf("%d streams: %d KiB each in the node (its memory went from %d to %d MiB)", pages, (after-before)/pages/1024, before>>20, after>>20)
	if each := (after - before) / pages; each > 128<<10 {
		t.Errorf("a stream takes %d bytes of the node, want at most 128 KiB", each)
	}
	heard.forget()
	if r := ann.round(1, 8); r.Coins == 0 {
		t.Fatal("a round shaken to the full won nothing")
	}
	began := time.Now()
	rig.Eventually(t, 20*time.Second, func() error { return heard.all(pages, "pool", "board") })
	t.Logf("all of them heard of a win within %s", time.Since(began).Round(10*time.Millisecond))
}

// hearing counts what all pages were told.
type hearing struct{ pool, stage, board, notice atomic.Int64 }

func (h *hearing) of(name string) *atomic.Int64 {
	return map[string]*atomic.Int64{"pool": &h.pool, "stage": &h.stage, "board": &h.board, "notice": &h.notice}[name]
}

func (h *hearing) all(n int64, names ...string) error {
	for _, name := range names {
		if got := h.of(name).Load(); got < n {
			return fmt.Errorf("%d of %d pages were told of the %s", got, n, name)
		}
	}
	return nil
}

func (h *hearing) forget() {
	for _, name := range []string{"pool", "stage", "board", "notice"} {
		h.of(name).Store(0)
	}
}

// open opens a page over a connection of its own, and counts its events for as long as ctx lasts. It speaks HTTP itself:
// a client's transport would take more memory than the node.
func (h *hearing) open(ctx context.Context, wg *sync.WaitGroup, url, token string) error {
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		return err
	}
	fmt.Fprintf(conn, "GET /v1/live?campaign=demo HTTP/1.1\r\nHost: page\r\nAuthorization: Bearer %s\r\n\r\n", token)
	r := bufio.NewReaderSize(conn, 512)
	resp, err := http.ReadResponse(r, nil)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("a stream was answered %s", resp.Status)
	}
	if err != nil {
		_ = conn.Close()
		return err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	wg.Go(func() {
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				h.of(name).Add(1)
			}
		}
	})
	return nil
}

// rss is the memory of a process in bytes.
func rss(t *testing.T, p *rig.Process) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.Cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
