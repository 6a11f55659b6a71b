package kafkabus

import (
	"fmt"
	"sync"
	"syscall"
	"testing"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/testenv"
)

// BenchmarkProduce is 16 relays, each with 64 entries of four rounds at once. go-us/msg is the CPU that this
// process takes for a message.
func BenchmarkProduce(b *testing.B) {
	bus, err := New(Options{Brokers: testenv.Kafka(b)})
	if err != nil {
		b.Fatal(err)
	}
	defer bus.Close()
	name := testenv.Namespace(b)
	if err := bus.EnsureTopics(b.Context(), []TopicSpec{{Name: name, Partitions: 12}}); err != nil {
		b.Fatal(err)
	}
	const relays, each = 16, 64
	var messages [relays][]event.Message
	for k := range messages {
		messages[k] = entries(name, k, each)
	}
	before := cpuMicros()
	b.ResetTimer()
	var all sync.WaitGroup
	for k := range relays {
		all.Go(func() {
			for n := 0; n < b.N; n += relays * each {
				if err := bus.Produce(b.Context(), messages[k]...); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric((cpuMicros()-before)/float64(b.N), "go-us/msg")
}

func entries(topic string, shard, n int) []event.Message {
	list := make([]event.Message, n)
	for i := range list {
		e := event.Entry{Kind: event.KindEnd, Source: event.Source{Campaign: "demo", Run: 1, Shard: shard}, At: 1795000000000}
		e.Position = event.Position{Epoch: 1, Seq: int64(i + 1)}
		for r := range 4 {
			e.Rounds = append(e.Rounds, event.Round{User: fmt.Sprintf("user%08d", i*7919+r), Number: int64(r + 1),
				StartEpoch: 1, StartedAt: 1795000000000 + int64(i), Shakes: int64(40 + (i*31+r*17)%60), ElapsedMS: 9000 + int64((i*331+r)%900),
				Computed: int64((i * 7) % 50), Paid: int64((i * 7) % 50), Total: int64((i*13)%900) + 50, SettledAt: 1795000009000 + int64(i)})
		}
		list[i], _ = e.Message(topic)
	}
	return list
}

func cpuMicros() float64 {
	var use syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &use)
	micros := func(t syscall.Timeval) float64 { return float64(t.Sec)*1e6 + float64(t.Usec) }
	return micros(use.Utime) + micros(use.Stime)
}
