package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/test/rig"
)

// TestRefusal lets a Redis take no writes: players are told to come again in a moment, and then find their rounds.
func TestRefusal(t *testing.T) {
	t.Parallel() // it waits more than it works
	server := testenv.StartRedis(t, testenv.RedisOptions{Extra: []string{"maxmemory-policy noeviction"}})
	s := rig.Servers{
		Redis: []string{server.Addr()}, Kafka: testenv.Kafka(t), DSN: testenv.MySQL(t), Namespace: testenv.Namespace(t),
		More: "durability: {mode: async}\nlimits: {user_rate: 0}",
	}
	sys := rig.New(t, s)
	sys.Apply(rig.Campaign("refusal", 10*time.Minute, 100, 1_000_000, 2))
	p := sys.Serve("api,worker")
	db := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer db.Close()
	if err := db.Set(t.Context(), "filler", strings.Repeat("x", 1<<20), 0).Err(); err != nil {
		t.Fatal(err)
	}
	c, err := rig.Login(t.Context(), http.DefaultClient, p.URL, "refused")
	if err != nil {
		t.Fatal(err)
	}
	for i, fault := range []struct{ reason, config, bad, good string }{
		{"oom", "maxmemory", "1mb", "0"},
		{"noreplicas", "min-replicas-to-write", "1", "0"},
	} {
		t.Run(fault.reason, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			set := func(value string) {
				t.Helper()
				if err := db.ConfigSet(ctx, fault.config, value).Err(); err != nil {
					t.Fatal(err)
				}
			}
			other, err := rig.Login(ctx, http.DefaultClient, p.URL, "refused-"+fault.reason)
			if err != nil {
				t.Fatal(err)
			}
			at := fmt.Sprintf("/v1/campaigns/refusal/rounds/%d", i+1)
			var open rig.Started
			if status, err := c.Insist(ctx, "PUT", at, nil, &open); err != nil || status != 200 {
				t.Fatalf("the start answered %d %s, %v", status, open.Code, err)
			}
			end := fmt.Sprintf(`{"token":%q,"shakes":3}`, open.Token)
			set(fault.bad)
			busy(t, other, "PUT", "/v1/campaigns/refusal/rounds/1", "")
			busy(t, c, "POST", at+"/end", end)
			if n := p.Metric(fmt.Sprintf("shake_redis_refusals_total{reason=%q}", fault.reason)); n == 0 {
				t.Errorf("no metric tells of %s", fault.reason)
			}
			set(fault.good)
			var r rig.Result
			if status, err := c.Insist(ctx, "POST", at+"/end", json.RawMessage(end), &r); err != nil || status != 200 {
				t.Errorf("when all is well again the end answers %d %s, %v", status, r.Code, err)
			}
		})
	}
}

// busy wants a call answered with 503 busy and a time to come again.
func busy(t *testing.T, c *rig.Client, method, path, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	resp, err := c.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var problem struct{ Code string }
	err = json.NewDecoder(resp.Body).Decode(&problem)
	if resp.StatusCode != 503 || problem.Code != "busy" || resp.Header.Get("Retry-After") == "" || err != nil {
		t.Errorf("%s %s: got %d %s, Retry-After %q, %v; want 503 busy with a time", method, path, resp.StatusCode, problem.Code, resp.Header.Get("Retry-After"), err)
	}
}
