package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/test/rig"
)

// TestFloor plays the pool down to its floor on two nodes: no round starts any more on either, an open one still
// ends, the stage stays live; a top-up reopens, the same file again changes nothing, and taking out more than is
// there is refused.
func TestFloor(t *testing.T) {
	s := rig.Servers{
		Redis: []string{testenv.Redis(t)}, Kafka: testenv.Kafka(t), DSN: testenv.MySQL(t), Namespace: testenv.Namespace(t),
		More: "durability: {mode: async}\nlimits: {user_rate: 0}",
	}
	sys := rig.New(t, s)
	file := strings.Replace(rig.Campaign("floor", 10*time.Minute, 1000, 1000, 4), "{from: 0, probability: 0.9, min: 1, max: 100}",
		"{from: 0, probability: 1, min: 40, max: 40}", 1) + "floor: 500\n"
	sys.Apply(file)
	sys.Serve("worker")
	nodes := []*rig.Process{sys.Serve("api"), sys.Serve("api")}
	f := &floor{t: t, nodes: nodes}
	f.login()

	var kept rig.Started
	f.want(f.clients[1], 200, "PUT", "/rounds/1", nil, &kept)
	rounds := 0
	for ; rounds < 100; rounds++ {
		at := fmt.Sprintf("/rounds/%d", rounds+1)
		var open rig.Started
		status := f.call(f.clients[0], "PUT", at, nil, &open)
		if open.Code == "pool_empty" {
			break
		}
		if status != 200 {
			t.Fatalf("start answered %d %s", status, open.Code)
		}
		f.want(f.clients[0], 200, "POST", at+"/end", map[string]any{"token": open.Token, "shakes": 1}, nil)
	}
	// 13 rounds of 40 coins reach the floor; the level takes up to 200 ms to get around, a few rounds more.
	if rounds < 13 || rounds > 60 {
		t.Errorf("%d rounds were played before the floor stopped them, want at least 13 and not many more", rounds)
	}
	time.Sleep(200 * time.Millisecond)
	for i, c := range f.clients[2:] {
		var refused rig.Started
		if f.call(c, "PUT", "/rounds/1", nil, &refused); refused.Code != "pool_empty" {
			t.Errorf("node %d started a round below the floor (%s)", i, refused.Code)
		}
	}
	f.pool("live", false)
	var again rig.Started
	f.want(f.clients[1], 200, "PUT", "/rounds/1", nil, &again)
	if again.Token != kept.Token {
		t.Error("the open round is not given again below the floor")
	}
	var paid rig.Result
	f.want(f.clients[1], 200, "POST", "/rounds/1/end", map[string]any{"token": kept.Token, "shakes": 1}, &paid)
	if paid.Coins != 40 {
		t.Errorf("the open round was paid %d coins, want 40: the floor is for starts", paid.Coins)
	}

	more := strings.Replace(file, "pool: 1000", "pool: 3000", 1)
	for range 3 {
		sys.Apply(more)
	}
	rig.Eventually(t, 3*time.Second, func() error {
		var open rig.Started
		if status := f.call(f.clients[2], "PUT", "/rounds/1", nil, &open); status != 200 {
			return fmt.Errorf("after the top-up a start answers %d %s", status, open.Code)
		}
		return nil
	})
	if funded := f.pool("live", true); funded != 3000 {
		t.Errorf("the pool was funded with %d coins, want 3000", funded)
	}
	if err := sys.TryApply(strings.Replace(file, "pool: 1000", "pool: 600", 1)); err == nil {
		t.Error("more coins were taken out than were left")
	}
	if funded := f.pool("live", true); funded != 3000 {
		t.Errorf("after the refusal the pool has %d coins funded, want 3000", funded)
	}
}

// floor is a player on each node, twice.
type floor struct {
	t       *testing.T
	nodes   []*rig.Process
	clients []*rig.Client
}

func (f *floor) login() {
	for i := range 4 {
		c, err := rig.Login(f.t.Context(), http.DefaultClient, f.nodes[i%2].URL, fmt.Sprint("floor-", i))
		if err != nil {
			f.t.Fatal(err)
		}
		f.clients = append(f.clients, c)
	}
}

func (f *floor) call(c *rig.Client, method, path string, body, answer any) int {
	f.t.Helper()
	status, err := c.Call(f.t.Context(), method, "/v1/campaigns/floor"+path, body, answer)
	if err != nil {
		f.t.Fatal(err)
	}
	return status
}

func (f *floor) want(c *rig.Client, status int, method, path string, body, answer any) {
	f.t.Helper()
	if got := f.call(c, method, path, body, answer); got != status {
		f.t.Fatalf("%s %s answered %d, want %d", method, path, got, status)
	}
}

// pool checks stage and openness on both nodes, and gives what was funded.
func (f *floor) pool(stage string, open bool) (funded int64) {
	f.t.Helper()
	for i := range f.nodes {
		var shown struct {
			Stage string
			Pool  struct {
				Funded int64
				Open   bool
			}
		}
		f.want(f.clients[i], 200, "GET", "", nil, &shown)
		if shown.Stage != stage || shown.Pool.Open != open {
			f.t.Errorf("node %d shows stage %s and open %v, want %s and %v", i, shown.Stage, shown.Pool.Open, stage, open)
		}
		funded = shown.Pool.Funded
	}
	return funded
}
