package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shake-live/shake/test/rig"
)

// signs are the samples that alarms of deploy/prometheus/alerts.yaml stand on. There is no Prometheus here: that the rule
// follows from the samples is tried beside it, and here that the fault moves them.
var signs = map[string]sign{
	"AnswersSlow":      {metric: "shake_http_request_duration_seconds_bucket", with: []string{`/rounds/`, `le="+Inf"`}, less: []string{`/rounds/`, `le="0.5"`}, by: 20},
	"CatalogStale":     {metric: "shake_catalog_answers_total", with: []string{`layer="stale"`}, by: 5},
	"ConsumerFailing":  {metric: "shake_consumer_retries_total"},
	"ConsumerLag":      {metric: "shake_consumer_lag_messages", by: 50},
	"ConsumerStopped":  {metric: "shake_consumer_stopped"},
	"DeadLetters":      {metric: "shake_reader_oddities_total", with: []string{`kind="dead"`}},
	"KeeperFailing":    {metric: "shake_keeper_errors_total", by: 2},
	"LevelStale":       {metric: "shake_level_sums_total", by: 2},
	"NotReady":         {metric: "shake_not_ready"},
	"OutboxGrows":      {metric: "shake_outbox_entries", by: 500},
	"PoolsClosed":      {metric: "shake_pool_closed"},
	"ReconcileFailing": {metric: "shake_reconcile_failures_total"},
	"RedisMemory":      {metric: "shake_redis_memory_used_bytes", over: "shake_redis_memory_max_bytes"},
	"RedisRefuses":     {metric: "shake_redis_refusals_total"},
	"RelayFailing":     {metric: "shake_relay_errors_total", by: 2},
	"ReplicasMissing":  {metric: "shake_not_ready", with: []string{`check="replicas"`}},
	"RoundLogFailing":  {metric: "shake_round_log_errors_total"},
	"ServerErrors":     {metric: "shake_http_requests_total", with: []string{`code="busy"`}, by: 5},
	"ShortWaits":       {metric: "shake_redis_short_waits_total", by: 2},
}

// sign is a sample that moves when its alarm has a reason.
type sign struct {
	metric string
	with   []string // labels of samples that count, as they stand in the text
	less   []string // and of samples that count off
	over   string   // another one, which it must be above 0.85 of
	by     float64  // how far it must have moved; 0: at all
}

// lookEvery is often enough for a gauge that stands for a second or two.
const lookEvery = 250 * time.Millisecond

// alarms are those that a fault is to raise, and what has become of that.
type alarms struct {
	calm map[string]string // what processes told before, by their ops ports
	stop chan struct{}
	done chan struct{}
	want []string // that have no reason yet
}

// raises looks from now on for the reasons of these alarms in all processes. quiet tells what was missing.
func (s *scene) raises(names []string) {
	s.t.Helper()
	a := &alarms{calm: map[string]string{}, stop: make(chan struct{}), done: make(chan struct{}), want: slices.Clone(names)}
	s.alarms = a
	for _, name := range names {
		if _, known := signs[name]; !known {
			s.t.Fatalf("there is no sign of %q", name)
		}
	}
	for _, n := range s.processes() {
		a.calm[*n.ops.Load()], _ = n.told() // one that is not there begins at 0
	}
	go func() {
		defer close(a.done)
		for len(a.want) > 0 {
			select {
			case <-a.stop:
				return
			case <-time.After(lookEvery):
			}
			for _, n := range s.processes() {
				if text, err := n.told(); err == nil {
					a.look(s, a.calm[*n.ops.Load()], text)
				}
			}
		}
	}()
	s.t.Cleanup(func() { a.end() })
}

// end gives the alarms that had no reason.
func (a *alarms) end() []string {
	select {
	case <-a.stop:
	default:
		close(a.stop)
	}
	<-a.done
	return a.want
}

func (a *alarms) look(s *scene, calm, now string) {
	a.want = slices.DeleteFunc(a.want, func(name string) bool {
		moved := signs[name].moved(calm, now)
		if moved {
			s.note("alarm %s has its reason", name)
		}
		return moved
	})
}

func (s *scene) processes() []*node { return append(s.nodes[:len(s.nodes):len(s.nodes)], s.workers...) }

// told is what the process that is the node now tells of itself.
func (n *node) told() (string, error) { return (&rig.Process{OpsURL: *n.ops.Load()}).Metrics() }

// moved compares two looks at a process.
func (g sign) moved(before, now string) bool {
	if g.over == "" {
		return g.value(now)-g.value(before) > g.by
	}
	limits := samples(now, g.over)
	for sample, value := range samples(now, g.metric) {
		if value > 0.85*limits[g.over+strings.TrimPrefix(sample, g.metric)] {
			return true
		}
	}
	return false
}

// value is the sum of the samples that count.
func (g sign) value(text string) (sum float64) {
	for sample, value := range samples(text, g.metric) {
		if len(g.less) > 0 && has(sample, g.less) {
			sum -= value
		} else if has(sample, g.with) {
			sum += value
		}
	}
	return sum
}

func has(sample string, labels []string) bool {
	return !slices.ContainsFunc(labels, func(label string) bool { return !strings.Contains(sample, label) })
}

// samples are those of a metric, by how they stand in the text.
func samples(text, metric string) map[string]float64 {
	found := map[string]float64{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "} "); ok && strings.HasPrefix(name, metric+"{") {
			found[name+"}"], _ = strconv.ParseFloat(value, 64)
		} else if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name == metric {
			found[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	return found
}

// TestSigns tries the comparison itself, and that signs and rules speak of the same.
func TestSigns(t *testing.T) {
	slow := func(fast, all int) string {
		return fmt.Sprintf("x_bucket{route=\"/rounds/\",le=\"0.5\"} %d\nx_bucket{route=\"/rounds/\",le=\"+Inf\"} %d\nx_bucket{route=\"/live\",le=\"+Inf\"} 99\n", fast, all)
	}
	for _, c := range []struct {
		sign        sign
		before, now string
		want        bool
	}{
		{sign{metric: "x"}, "x 1\nxy 1\n", "x 2\nxy 1\n", true},
		{sign{metric: "x"}, "x 1\nxy 1\n", "x 1\nxy 2\n", false},
		{sign{metric: "x", with: []string{`k="a"`}}, `x{k="a"} 1`, "x{k=\"a\"} 1\nx{k=\"b\"} 5\n", false},
		{sign{metric: "x", with: []string{`k="a"`}}, "", `x{k="a",l="c"} 1`, true},
		{sign{metric: "x", by: 10}, "x 5\n", "x 12\n", false},
		{sign{metric: "x", by: 10}, "x 5\n", "x 16\n", true},
		{sign{metric: "x", over: "y"}, "", "x{n=\"a\"} 8\ny{n=\"a\"} 10\n", false},
		{sign{metric: "x", over: "y"}, "", "x{n=\"a\"} 9\ny{n=\"a\"} 10\nx{n=\"b\"} 1\ny{n=\"b\"} 10\n", true},
		{sign{metric: "x_bucket", with: []string{"/rounds/", `le="+Inf"`}, less: []string{"/rounds/", `le="0.5"`}}, slow(5, 5), slow(9, 9), false},
		{sign{metric: "x_bucket", with: []string{"/rounds/", `le="+Inf"`}, less: []string{"/rounds/", `le="0.5"`}}, slow(5, 5), slow(9, 10), true},
	} {
		if got := c.sign.moved(c.before, c.now); got != c.want {
			t.Errorf("%+v, %q to %q: got %v", c.sign, c.before, c.now, got)
		}
	}
	rules, err := os.ReadFile(filepath.Join("..", "..", "deploy", "prometheus", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, sign := range signs {
		_, rule, found := strings.Cut(string(rules), "- alert: "+name+"\n")
		rule, _, _ = strings.Cut(rule, "annotations:")
		if !found || !strings.Contains(rule, sign.metric) {
			t.Errorf("the rule of %s does not stand on %s", name, sign.metric)
		}
	}
}
