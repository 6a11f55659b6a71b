package devserver

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2/proto"
)

func TestRedis(t *testing.T) {
	r := startRedis(t)
	do := dial(t, r.Addr())
	for section, want := range map[string]string{
		"server":      "run_id:" + r.RunID() + "\r\n",
		"SERVER":      "redis_version:7.0.0\r\n",
		"replication": "role:master\r\n",
		"clients":     "connected_clients:1",
	} {
		if got := do("INFO", section); !strings.Contains(got, want) {
			t.Errorf("INFO %s: got %q, want it to contain %q", section, got, want)
		}
	}
	if len(r.RunID()) != 40 {
		t.Errorf("run id %q: want 40 hex digits", r.RunID())
	}
}

func TestRedis_newLife(t *testing.T) {
	first := startRedis(t)
	dial(t, first.Addr())("SET", "coin", "1")
	addr := first.Addr()
	first.Close()
	second, err := StartRedis(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if second.RunID() == first.RunID() {
		t.Error("two starts share a run id")
	}
	if got := dial(t, addr)("EXISTS", "coin"); got != ":0\r\n" {
		t.Errorf("EXISTS after a new start: got %q, want 0", got)
	}
}

// Time is the real one: keys expire by themselves, and scripts see it pass.
func TestRedis_clock(t *testing.T) {
	do := dial(t, startRedis(t).Addr())
	do("SET", "coin", "1", "PX", "50")
	time.Sleep(20 * time.Millisecond)
	if got := do("EXISTS", "coin"); got != ":1\r\n" {
		t.Errorf("after 20 ms of 50: got %q, want it there", got)
	}
	time.Sleep(60 * time.Millisecond)
	if got := do("EXISTS", "coin"); got != ":0\r\n" {
		t.Errorf("after 80 ms of 50: got %q, want it gone", got)
	}
	before := time.Now().Unix()
	seconds, err := proto.ReadString(do("EVAL", "return redis.call('TIME')[1]", "0"))
	if got, _ := strconv.ParseInt(seconds, 10, 64); err != nil || got < before || got > time.Now().Unix() {
		t.Errorf("TIME in a script: got %q, %v, want the real one", seconds, err)
	}
}

func TestStartRedis_portInUse(t *testing.T) {
	addr := startRedis(t).Addr()
	if _, err := StartRedis(addr); err == nil || !strings.Contains(err.Error(), addr) {
		t.Errorf("got %v, want an error that names %s", err, addr)
	}
}

func startRedis(t *testing.T) *Redis {
	t.Helper()
	r, err := StartRedis("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func dial(t *testing.T, addr string) func(command ...string) string {
	t.Helper()
	c, err := proto.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return func(command ...string) string {
		answer, err := c.Do(command...)
		if err != nil {
			t.Fatalf("%v: %v", command, err)
		}
		return answer
	}
}
