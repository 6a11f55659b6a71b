package access_test

import (
	"strings"
	"testing"
	"time"
)

func TestRound_fromStartToCoins(t *testing.T) {
	d := newDoor(t)
	d.want("200", call{method: "GET", path: "/v1/time"})
	d.want("200", call{method: "GET", path: "/v1/campaigns?market=SG"})
	d.want("200", call{method: "GET", path: "/v1/campaigns/demo"})
	d.want("200", call{method: "GET", path: "/v1/campaigns/demo/me", as: "ann"})
	token := d.begin("demo", "ann", 1)
	d.want("202", call{method: "GET", path: roundPath("demo", 1), as: "ann"})
	d.clock.Advance(9 * time.Second)
	end := d.end("200", "demo", "ann", 1, token, 60)
	var result struct {
		Coins, Total, Number int64
		ChancesLeft          int64 `json:"chances_left"`
	}
	d.read(end, &result)
	if result.Coins < 1 || result.Total != result.Coins || result.Number != 1 || result.ChancesLeft != 4 {
		t.Errorf("got %s, want coins, the same as total, and 4 chances left", end.body)
	}
	if got := d.want("200", call{method: "GET", path: roundPath("demo", 1), as: "ann"}); got.body != end.body {
		t.Errorf("got %s, want what the end said: %s", got.body, end.body)
	}
	if me := d.want("200", call{method: "GET", path: "/v1/campaigns/demo/me", as: "ann"}); !strings.Contains(me.body, end.body) {
		t.Errorf("got %s, want the last result in it: %s", me.body, end.body)
	}
	for _, path := range []string{"/v1/campaigns/demo/leaderboard?limit=2&around=me", "/v1/wallet?limit=5", "/v1/inbox"} {
		d.want("200", call{method: "GET", path: path, as: "ann"})
	}
	d.want("204", call{method: "POST", path: "/v1/inbox/" + noticeOf("ann") + "/receipt", as: "ann"})
	d.want("200", call{method: "POST", path: "/v1/sessions", body: `{"provider":"dev","credential":"ann","market":"SG"}`})
}
