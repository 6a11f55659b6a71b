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

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/test/rig"
	"github.com/shake-live/shake/test/storm"
)

// TestHerd has 20,000 players start their first round within one second on one api process, whatever it answers (open
// loop): each gets the round or is told to come back, and whoever comes back gets it. Nobody is lost.
func TestHerd(t *testing.T) {
	const players, shards = 20_000, 4
	addr := testenv.Redis(t)
	s := rig.Servers{
		Redis: []string{addr}, Kafka: testenv.Kafka(t), DSN: testenv.MySQL(t), Namespace: testenv.Namespace(t),
		More: "durability: {mode: async}",
	}
	sys := rig.New(t, s)
	sys.Apply(rig.Campaign("herd", 10*time.Minute, 3, 1_000_000, shards))
	p := sys.Serve("api,worker")
	crowd := newCrowd(t, addr, s.Namespace, "herd", "SG", shards)
	tokens := make([]string, players)
	for i := range tokens {
		tokens[i], _ = crowd.Sessions.Issue(access.Session{User: fmt.Sprint("herd-", i), Market: "SG"}, time.Now())
	}
	start := func(who []int, rate float64) (again []int) {
		var requests [][]byte
		for _, i := range who {
			requests = append(requests, storm.Request("PUT", "/v1/campaigns/herd/rounds/1", tokens[i], ""))
		}
		answers, err := storm.Run(t.Context(), strings.TrimPrefix(p.URL, "http://"), requests, rate)
		if err != nil {
			t.Fatal(err)
		}
		var waits []time.Duration
		for k, a := range answers {
			switch {
			case a.Status == http.StatusOK:
				waits = append(waits, a.Took)
			case a.Status == http.StatusServiceUnavailable, a.Took == 0: // no connection was free to send it over
				again = append(again, who[k])
			default: // 0: the door hung up, or never answered
				t.Errorf("player %d was answered %d", who[k], a.Status)
			}
		}
		if slices.Sort(waits); len(waits) > 0 {
			t.Logf("%d players at %.0f a second: %d started, p50 %s, p99 %s from when it was due; %d told to come back", len(who), rate,
				len(waits), waits[len(waits)/2].Round(time.Millisecond), waits[len(waits)*99/100].Round(time.Millisecond), len(again))
		}
		return again
	}
	again := make([]int, players)
	for i := range again {
		again[i] = i
	}
	again = start(again, players)
	for tries := 0; len(again) > 0 && tries < 10; tries++ {
		time.Sleep(200 * time.Millisecond)
		again = start(again, 4000)
	}
	if len(again) > 0 {
		t.Errorf("%d players never got their round", len(again))
	}
	h := &http.Client{Timeout: 10 * time.Second}
	defer h.CloseIdleConnections()
	for i := 0; i < players; i += 100 { // one in a hundred is asked whether he has it, and one alone
		c := &rig.Client{HTTP: h, URL: p.URL, Token: tokens[i]}
		var me struct {
			Next    int64 `json:"next_number"`
			Chances int64 `json:"chances_left"`
		}
		if status, err := c.Call(t.Context(), "GET", "/v1/campaigns/herd/me", nil, &me); err != nil || status != 200 || me.Next != 2 || me.Chances != 2 {
			t.Errorf("player %d: %d %v %+v, want one round started", i, status, err, me)
		}
	}
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
