package ops_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/gametest"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/ops"
	"github.com/shake-live/shake/reward"
)

func get(s *ops.Server, path string) (int, string) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

func TestServer(t *testing.T) {
	var broken error
	s := ops.NewServer(ops.NewMetrics(), []ops.Check{{Name: "redis", Fn: func(context.Context) error { return broken }}})
	if status, _ := get(s, "/healthz"); status != 200 {
		t.Errorf("healthz answers %d, want 200", status)
	}
	if status, _ := get(s, "/readyz"); status != 200 {
		t.Errorf("readyz answers %d, want 200", status)
	}
	broken = errors.New("no route to redis")
	status, body := get(s, "/readyz")
	var answer struct{ Reasons map[string]string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 503 || answer.Reasons["redis"] != "no route to redis" {
		t.Errorf("readyz answers %d %s, want 503 with the reason", status, body)
	}
	if status, _ := get(s, "/healthz"); status != 200 {
		t.Errorf("healthz answers %d while redis is away, want 200: a restart would not help", status)
	}
	broken = nil
	s.Drain()
	if status, body := get(s, "/readyz"); status != 503 || !strings.Contains(body, "drain") {
		t.Errorf("readyz answers %d %s while draining, want 503", status, body)
	}
	if status, body := get(s, "/debug/pprof/cmdline"); status != 200 || body == "" {
		t.Errorf("pprof answers %d", status)
	}
}

func TestServer_isGuarded(t *testing.T) {
	s := ops.NewServer(ops.NewMetrics(), nil)
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/debug/pprof/", "/nowhere"} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		policy := w.Header().Get("Content-Security-Policy")
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s: got %v", path, w.Header())
		}
	}
}

// A check that gets no answer is a reason of its own and none of the others'.
func TestServer_checksDoNotWaitForEachOther(t *testing.T) {
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	needsTime := func(ctx context.Context) error { return ctx.Err() }
	s := ops.NewServer(ops.NewMetrics(), []ops.Check{{Name: "hangs", Fn: hangs}, {Name: "fine", Fn: needsTime}})
	if reasons := s.Reasons(t.Context()); len(reasons) != 1 || reasons["hangs"] == "" {
		t.Errorf("got %v, want the check that hangs alone", reasons)
	}
}

func TestMetrics(t *testing.T) {
	m := ops.NewMetrics()
	source := event.Source{Campaign: "night", Run: 1}
	m.Request("/v1/time", "GET", 200, "", time.Millisecond)
	m.Request("", "BREW", 404, "not_found", time.Millisecond)
	m.Flight(3, time.Millisecond, nil)
	m.Flight(1, time.Millisecond, errors.New("link"))
	m.Batch("end", 3)
	m.Retry("moved")
	m.Refused("oom")
	m.Short()
	m.Answered("process")
	m.Stale("night", time.Second)
	m.Kept(inventory.Report{Level: inventory.Level{Campaign: "night", Funded: 10, Left: 4, Issued: 6}, Draws: 2})
	m.KeepFailed("night")
	m.PoolsOpened("night", 5)
	m.Relayed(source, 2, 30, time.Now())
	m.RelayFailed(source, errors.New("kafka"))
	m.Applied("ledger", 1, 5, time.Millisecond, time.Second)
	m.Retried("ledger", 1, errors.New("sql"))
	m.Buried("ledger", 1, errors.New("not JSON"))
	m.Stopped("ledger", 2, &event.GapError{})
	m.Booked(reward.Applied{Rounds: 3, Grants: 2, Coins: 9})
	m.BoardsDiffer("night", 1)
	m.ShortRound("night")
	m.InflatedRound("night")
	m.Behind("ledger", 2, 7)
	m.Judged("night")
	m.Flagged("night", "regular")
	m.Unjudged("queue", 2)
	m.Crowded("night")

	problems, err := testutil.GatherAndLint(m.Registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	s := ops.NewServer(m, nil)
	_, text := get(s, "/metrics")
	for _, want := range []string{
		`shake_http_requests_total{code="",method="GET",route="/v1/time",status="200"} 1`,
		`shake_http_requests_total{code="not_found",method="any",route="none",status="404"} 1`,
		`shake_pool_coins{campaign="night",state="left"} 4`,
		`shake_redis_script_calls_sum{script="end"} 3`,
		`shake_redis_refusals_total{reason="oom"} 1`,
		`shake_relay_total{campaign="night",what="rounds"} 30`,
		`shake_consumer_stopped{group="ledger",partition="2"} 1`,
		`shake_ledger_total{what="coins"} 9`,
		`shake_rounds_short_total{campaign="night"} 1`,
		`shake_reader_oddities_total{kind="dead",reader="ledger"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
}

// What alarms stand on is there before the first time, or its rate would miss that; and it is gone with its reason.
func TestMetrics_forAlarms(t *testing.T) {
	m := ops.NewMetrics()
	s := ops.NewServer(m, nil)
	has := func(want ...string) {
		t.Helper()
		_, text := get(s, "/metrics")
		for _, line := range want {
			if without, absent := strings.CutPrefix(line, "no "); absent == strings.Contains(text, "\n"+without) {
				t.Errorf("want %q", line)
			}
		}
	}
	has(`shake_redis_refusals_total{reason="wrongtype"} 0`, `shake_redis_short_waits_total 0`, `shake_round_log_errors_total 0`,
		`shake_catalog_answers_total{layer="stale"} 0`, `shake_notices_pushed_total{push="first"} 0`, `shake_notices_push_errors_total 0`)

	m.Plays("night")
	m.Works("night")
	m.Checks("night", "counters")
	m.Reads("shake.test.ledger")
	m.Durable(0)
	m.Ready("kafka", false)
	m.Memory(map[string]int64{"a:1": 7, "b:1": 1}, map[string]int64{"a:1": 10, "b:1": 10})
	has(`shake_rounds_short_total{campaign="night"} 0`, `shake_level_sums_total{campaign="night"} 0`,
		`shake_keeper_errors_total{campaign="night"} 0`, `shake_keeper_looks_total{campaign="night"} 0`,
		`shake_relay_errors_total{campaign="night"} 0`, `shake_board_differences_total{campaign="night"} 0`,
		`shake_reconcile_failures_total{campaign="night",check="counters"} 0`,
		`shake_consumer_retries_total{group="shake.test.ledger"} 0`, `shake_reader_oddities_total{kind="held",reader="ledger"} 0`,
		`shake_durability_replicas 0`, `shake_not_ready{check="kafka"} 1`,
		`shake_redis_memory_used_bytes{node="a:1"} 7`, `shake_redis_memory_max_bytes{node="a:1"} 10`)

	m.Kept(inventory.Report{Level: inventory.Level{Campaign: "night"}, Slices: []inventory.Slice{{}}, Closed: 1})
	m.Stopped("shake.test.ledger", 3, &event.GapError{})
	has(`shake_pool_closed{campaign="night"} 1`, `shake_consumer_stopped{group="shake.test.ledger",partition="3"} 1`)
	m.NotKept("night")
	m.Left("shake.test.ledger", 3)
	m.Ready("kafka", true)
	m.Memory(map[string]int64{"b:1": 2}, map[string]int64{"b:1": 10})
	has(`no shake_pool_closed{`, `no shake_outbox_entries{`, `no shake_pool_coins{`, `shake_keeper_looks_total{campaign="night"} 1`,
		`shake_consumer_stopped{group="shake.test.ledger",partition="3"} 0`, `shake_not_ready{check="kafka"} 0`,
		`no shake_redis_memory_used_bytes{node="a:1"}`, `shake_redis_memory_used_bytes{node="b:1"} 2`)
}

func TestVerify(t *testing.T) {
	live := gametest.Campaign("night", 2, func(c *game.Campaign) {
		c.Curve = game.Curve{{From: 1, Probability: 0.5, Min: 1, Max: 5}, {From: 6, Probability: 1, Min: 10, Max: 99}}
		c.PlayerCap = 60
	})
	ring, err := game.NewKeyring("test", map[string][]byte{"test": []byte("a key for tests only")})
	if err != nil {
		t.Fatal(err)
	}
	id := game.RoundID{Campaign: "night", Run: 1, Epoch: 1, User: "ann", Number: 3}
	coins := live.Rewarder.Reward(live.Keys.Seed(id), game.Facts{Round: id, Shakes: 9, ElapsedMS: 1000}).Coins
	stored := reward.Record{ID: id.String(), State: reward.Granted, Round: event.Round{
		User: "ann", Number: 3, StartEpoch: 1, Shakes: 9, ElapsedMS: 1000, Computed: coins, Paid: min(coins, 60), Total: min(coins, 60),
	}}
	v := ops.Verifier{
		Rounds: func(_ context.Context, id string) (reward.Record, error) {
			if id != stored.ID {
				return reward.Record{}, reward.ErrNotFound
			}
			return stored, nil
		},
		Campaigns: func(context.Context, string, int64) (*game.Campaign, error) { return &live.Campaign, nil },
		Keys:      ring,
	}
	check := func(what string, ok bool, capped, lacking int64) {
		t.Helper()
		d, err := v.Verify(t.Context(), stored.ID)
		if err != nil || d.OK != ok || d.Capped != capped || d.Lacking != lacking || d.Derived != coins {
			t.Errorf("%s: got %+v, %v; want ok %v, %d within the cap, %d lacking", what, d, err, ok, capped, lacking)
		}
	}
	check("as it was paid", true, min(coins, 60), 0)
	stored.Paid, stored.Total = 4, 4
	check("paid by a dry shard", true, min(coins, 60), min(coins, 60)-4)
	stored.Paid, stored.Total = 7, 60
	check("within the player's cap", true, 7, 0)
	stored.Computed++
	check("tampered with", false, 7, 0)
	if _, err := v.Verify(t.Context(), "night.1.1.bob.1"); !errors.Is(err, ops.ErrNoRound) {
		t.Errorf("got %v for a round that never was, want ErrNoRound", err)
	}
	if _, err := v.Verify(t.Context(), "not a round"); err == nil {
		t.Error("a text that is no round id was taken")
	}
}
