package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/test/link"
	"github.com/shake-live/shake/test/rig"
	"github.com/shake-live/shake/test/storm"
)

// TestOverload offers three times what a slow store can take: as much is served as at the peak, and those who are served
// wait hardly longer. It compares medians within one run; docs/performance.md has the curves.
func TestOverload(t *testing.T) {
	const linkKBs, shards, rounds, step = 150, 4, 3, 5 * time.Second
	addr := testenv.Redis(t)
	s := rig.Servers{
		Redis: []string{narrow(t, addr, linkKBs)}, Kafka: testenv.Kafka(t), DSN: testenv.MySQL(t), Namespace: testenv.Namespace(t),
		More: "durability: {mode: async}\nlimits: {user_rate: 0, min_in_flight: 64, target: 100ms}",
	}
	sys := rig.New(t, s)
	sys.Apply(patient(rig.Campaign("flood", 10*time.Minute, 3, 1_000_000_000, shards)))
	p := sys.Serve("api")
	crowd := newCrowd(t, addr, s.Namespace, "flood", "SG", shards)

	capacity := 400.0 // requests a second: found by asking for more until not all is served
	for o := flood(t, p, crowd, capacity, 3*time.Second); o.Served > 0.97*capacity; o = flood(t, p, crowd, capacity, 3*time.Second) {
		capacity *= 1.3
	}
	for try := 1; ; try++ { // a neighbour who takes the machine for ten seconds is no fault of ours, but not three times
		var peaks, floods []storm.Outcome
		for range rounds {
			peaks = append(peaks, flood(t, p, crowd, capacity, step))
			floods = append(floods, flood(t, p, crowd, 3*capacity, step))
		}
		if wrong := judge(t, capacity, medians(peaks), medians(floods)); wrong == nil || try == 3 {
			for _, w := range wrong {
				t.Error(w)
			}
			return
		}
	}
}

// judge tells what is wrong with a flood of three times the capacity, beside the peak.
func judge(t *testing.T, capacity float64, peak, flood storm.Outcome) (wrong []string) {
	t.Helper()
	t.Logf("at %.0f/s: %.0f/s served, p99 %s; at %.0f/s: %.0f/s served, p99 %s, of the ends %.0f %%, starts %.0f %%, reads %.0f %%", capacity,
		peak.Served, peak.P99.Round(time.Millisecond), 3*capacity, flood.Served, flood.P99.Round(time.Millisecond),
		flood.Share[storm.Ends]*100, flood.Share[storm.Starts]*100, flood.Share[storm.Reads]*100)
	if flood.Served < 0.9*peak.Served {
		wrong = append(wrong, fmt.Sprintf("%.0f a second are served at three times the capacity, want at least 90 %% of the %.0f at the peak", flood.Served, peak.Served))
	}
	if flood.P99 > 2*peak.P99 {
		wrong = append(wrong, fmt.Sprintf("p99 of those served went from %s to %s, want at most twice as long", peak.P99, flood.P99))
	}
	if flood.Share[storm.Ends] < flood.Share[storm.Starts] {
		wrong = append(wrong, fmt.Sprintf("%.0f %% of the ends were served and %.0f %% of the starts: ends carry a promise", flood.Share[storm.Ends]*100, flood.Share[storm.Starts]*100))
	}
	return wrong
}

// patient has ends come late: those of a storm are signed before it begins.
func patient(campaign string) string { return strings.Replace(campaign, "late: 20s", "late: 60s", 1) }

// TestMarkets lets the herd of one market come with eight times what the market may use of a node, and more than the
// store behind it can take: the players of the other market notice nothing. (Without the market's limit their p99 was
// 20 times as long.)
func TestMarkets(t *testing.T) {
	const rate, linkKBs, shards, rounds, step = 150, 150, 4, 3, 4 * time.Second
	addr := testenv.Redis(t)
	s := rig.Servers{
		Redis: []string{narrow(t, addr, linkKBs)}, Kafka: testenv.Kafka(t), DSN: testenv.MySQL(t), Namespace: testenv.Namespace(t),
		More: fmt.Sprintf("durability: {mode: async}\nlimits: {user_rate: 0, markets: {SG: %d}}", rate),
	}
	sys := rig.New(t, s)
	sys.Apply(patient(rig.Campaign("loud", 10*time.Minute, 3, 1_000_000_000, shards)))
	sys.Apply(patient(strings.Replace(rig.Campaign("calm", 10*time.Minute, 3, 1_000_000_000, shards), "market: SG", "market: ID", 1)))
	p := sys.Serve("api")
	loud := newCrowd(t, addr, s.Namespace, "loud", "SG", shards)
	calm := newCrowd(t, addr, s.Namespace, "calm", "ID", shards)

	flood(t, p, calm, 50, time.Second) // warm
	var quiet, beside, herd []storm.Outcome
	for range rounds {
		quiet = append(quiet, flood(t, p, calm, 50, step))
		done := make(chan storm.Outcome, 1)
		go func() { done <- flood(t, p, loud, 8*rate, step) }()
		beside = append(beside, flood(t, p, calm, 50, step))
		herd = append(herd, <-done)
	}
	q, b, h := medians(quiet), medians(beside), medians(herd)
	t.Logf("calm market: p99 %s alone, %s beside a herd of %d/s, of which %.0f/s were served", q.P99.Round(time.Millisecond/10), b.P99.Round(time.Millisecond/10), 8*rate, h.Served)
	if b.P99 > 2*q.P99+40*time.Millisecond { // other tests have the machine too
		t.Errorf("the calm market's p99 went from %s to %s, want at most twice as long", q.P99, b.P99)
	}
	if b.Refused+b.Late > 0 {
		t.Errorf("%.1f a second of the calm market were refused and %.1f late", b.Refused, b.Late)
	}
	if h.Served < 0.8*rate || h.Served > 1.2*rate {
		t.Errorf("%.0f a second of the loud market were served, want about its %d", h.Served, rate)
	}
}

// flood offers a crowd's requests at a rate for d; anything but an answer or a declared refusal is an error.
func flood(t *testing.T, p *rig.Process, c *storm.Crowd, rate float64, d time.Duration) storm.Outcome {
	t.Helper()
	answers, err := storm.Run(context.Background(), strings.TrimPrefix(p.URL, "http://"), c.Requests(int(rate*d.Seconds())), rate)
	if err != nil {
		t.Error(err)
	}
	o := storm.Sum(answers, d)
	delete(o.Odd, 429) // a market over its rate
	if len(o.Odd) > 0 {
		t.Errorf("answers with other statuses: %v", o.Odd)
	}
	return o
}

// medians are of each figure for itself.
func medians(list []storm.Outcome) (o storm.Outcome) {
	by := func(f func(o *storm.Outcome) *float64) {
		values := make([]float64, len(list))
		for i := range list {
			values[i] = *f(&list[i])
		}
		slices.Sort(values)
		*f(&o) = values[len(values)/2]
	}
	by(func(o *storm.Outcome) *float64 { return &o.Served })
	by(func(o *storm.Outcome) *float64 { return &o.Refused })
	by(func(o *storm.Outcome) *float64 { return &o.Late })
	for k := range o.Share {
		by(func(o *storm.Outcome) *float64 { return &o.Share[k] })
	}
	waits := make([]time.Duration, len(list))
	for i := range list {
		waits[i] = list[i].P99
	}
	slices.Sort(waits)
	o.P99 = waits[len(waits)/2]
	return o
}

// newCrowd makes the players of a campaign that was just applied.
func newCrowd(t *testing.T, redisAddr, namespace, campaign, market string, shards int) *storm.Crowd {
	t.Helper()
	secrets := map[string][]byte{"k1": []byte("a key for these tests only")}
	sessions, err := access.NewSessions("k1", secrets, time.Hour, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := game.NewKeyring("k1", secrets)
	if err != nil {
		t.Fatal(err)
	}
	run := event.Run{Campaign: campaign, Number: 1, Shards: shards}
	keys, err := ring.RunKeys("k1", campaign, run.Number)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: redisAddr})
	defer client.Close()
	epoch, err := client.HGet(t.Context(), redisdb.NewKeys(namespace, campaign, run.Number, shards).Pool(0), "epoch").Int64()
	if err != nil {
		t.Fatal(err)
	}
	return &storm.Crowd{Sessions: sessions, Keys: keys, Run: run, Epoch: epoch, Market: market}
}

// narrow puts addr behind a link that carries so many kilobytes a second in each direction.
func narrow(t *testing.T, addr string, kbs int) string {
	t.Helper()
	l, err := link.New("127.0.0.1:0", addr)
	if err == nil {
		err = l.Narrow(kbs)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l.Addr()
}
