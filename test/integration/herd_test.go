package integration

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/internal/testenv"
)

// TestHerd lets 20,000 players start their first round within one second on one api process, whatever it answers: each
// gets the round or is told to come back, and whoever comes back gets it. Nobody is lost.
func TestHerd(t *testing.T) {
	const players, wires = 20_000, 4000
	s := servers{
		redis: []string{testenv.Redis(t)}, kafka: testenv.Kafka(t), dsn: testenv.MySQL(t), namespace: testenv.Namespace(t),
		more: "durability: {mode: async}\nlimits: {user_rate: 0}",
	}
	sys := newSystem(t, s)
	sys.apply(campaign("herd", 10*time.Minute, 3, 1_000_000, 4))
	p := sys.serve("api,worker")
	herd := make([]*wire, wires)
	var opening errgroup.Group
	opening.SetLimit(64)
	for i := range herd {
		opening.Go(func() (err error) { herd[i], err = dialWire(t, p.url); return err })
	}
	if err := opening.Wait(); err != nil {
		t.Fatal(err)
	}
	tokens := make([]string, players)
	eachWire(herd, players, func(w *wire, i int) { tokens[i] = w.login(fmt.Sprint("herd-", i)) })

	var mu sync.Mutex
	answers := map[string]int{}
	var waits []time.Duration
	var again []int
	began := time.Now().Add(100 * time.Millisecond)
	eachWire(herd, players, func(w *wire, i int) {
		due := began.Add(time.Duration(i) * time.Second / players)
		time.Sleep(time.Until(due))
		status, body := w.call("PUT", "/v1/campaigns/herd/rounds/1", tokens[i], "")
		took := time.Since(due)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case status == http.StatusOK:
			answers["started"]++
			waits = append(waits, took)
		case status == http.StatusServiceUnavailable && strings.Contains(body, `"overloaded"`):
			answers["told to come back"]++
			again = append(again, i)
		default:
			answers[fmt.Sprint(status, " ", body[:min(len(body), 60)])]++
			t.Errorf("player %d was answered %d %s", i, status, body)
		}
	})
	slices.Sort(waits)
	t.Logf("in %s: %v; p50 %s, p99 %s from when it was due", time.Since(began).Round(time.Millisecond), answers,
		waits[len(waits)/2].Round(time.Millisecond), waits[len(waits)*99/100].Round(time.Millisecond))
	for tries := 0; len(again) > 0 && tries < 50; tries++ {
		time.Sleep(100 * time.Millisecond)
		list := again
		again = nil
		eachWire(herd, len(list), func(w *wire, i int) {
			if status, _ := w.call("PUT", "/v1/campaigns/herd/rounds/1", tokens[list[i]], ""); status != http.StatusOK {
				mu.Lock()
				defer mu.Unlock()
				again = append(again, list[i])
			}
		})
	}
	if len(again) > 0 {
		t.Errorf("%d players never got their round", len(again))
	}
	eachWire(herd[:100], players, func(w *wire, i int) { // a hundred at once are no herd
		if _, body := w.call("GET", "/v1/campaigns/herd/me", tokens[i], ""); !strings.Contains(body, `"next_number":2`) || !strings.Contains(body, `"chances_left":2`) {
			t.Errorf("player %d: %s, want one round started", i, body)
		}
	})
}

// wire is one connection that speaks HTTP without a client's comforts: tests with thousands of them need the machine for
// the server.
type wire struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func dialWire(t *testing.T, url string) (*wire, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &wire{t: t, conn: conn, r: bufio.NewReaderSize(conn, 2048)}, nil
}

// eachWire does n things, spread over the wires, each wire one after another.
func eachWire(wires []*wire, n int, do func(w *wire, i int)) {
	var wg sync.WaitGroup
	for k, w := range wires {
		wg.Go(func() {
			for i := k; i < n; i += len(wires) {
				do(w, i)
			}
		})
	}
	wg.Wait()
}

// call sends a request and gives its answer; a connection that breaks is an error of the test.
func (w *wire) call(method, path, token, body string) (status int, answer string) {
	head := method + " " + path + " HTTP/1.1\r\nHost: herd\r\n"
	if token != "" {
		head += "Authorization: Bearer " + token + "\r\n"
	}
	if body != "" {
		head += fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	_ = w.conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, err := io.WriteString(w.conn, head+"\r\n"+body)
	var resp *http.Response
	if err == nil {
		resp, err = http.ReadResponse(w.r, nil)
	}
	if err != nil {
		w.t.Errorf("%s %s: %v", method, path, err)
		return 0, ""
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Errorf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, string(text)
}

// login makes a session, however often the node asks to come back.
func (w *wire) login(user string) string {
	for range 100 {
		status, body := w.call("POST", "/v1/sessions", "", `{"provider":"dev","credential":"`+user+`","market":"SG"}`)
		if _, rest, ok := strings.Cut(body, `"token":"`); ok && status == http.StatusOK {
			token, _, _ := strings.Cut(rest, `"`)
			return token
		}
		time.Sleep(50 * time.Millisecond)
	}
	w.t.Errorf("no session for %s", user)
	return ""
}
