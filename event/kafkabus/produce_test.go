package kafkabus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/testenv"
)

const topic = "entries"

// faulty is an embedded cluster whose answers to produce requests a test may bend.
func faulty(t *testing.T, brokers int, partitions int32) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(brokers), kfake.SeedTopics(partitions, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func numbered(key string, first, n int) []event.Message {
	list := make([]event.Message, n)
	for i := range list {
		list[i] = event.Message{Topic: topic, Key: key, Value: []byte(strconv.Itoa(first + i))}
	}
	return list
}

// What thousands write at once travels in a few requests.
func TestProduce_sharesRequests(t *testing.T) {
	c := faulty(t, 1, 12)
	var requests atomic.Int32
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		requests.Add(1)
		return nil, nil, false
	})
	b := open(t, Options{Brokers: c.ListenAddrs()})
	defer b.Close()
	const callers = 3000
	var all sync.WaitGroup
	for k := range callers {
		all.Go(func() {
			if err := b.Produce(t.Context(), numbered(strconv.Itoa(k), 0, 1)...); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := requests.Load(); n > callers/20 {
		t.Errorf("%d callers took %d requests", callers, n)
	}
}

// Whatever Kafka answers, and however often a caller tries again, a reader never finds a hole: the first time
// a number appears, the one before it has appeared already.
func TestProduce_leavesNoHole(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := faulty(t, 3, 4)
	bend(c, rand.New(rand.NewPCG(seed, 0)))
	b := open(t, Options{Brokers: c.ListenAddrs(), DeliveryTimeout: 150 * time.Millisecond, RequestTimeout: time.Second})
	defer b.Close()
	b.producer.batchBytes = 200 // some four messages, so that a call needs several batches
	const writers, calls = 24, 15
	var wrote [writers]int
	var told [writers][]event.Message
	var all sync.WaitGroup
	var again atomic.Int32
	for k := range writers {
		all.Go(func() {
			next := 0
			for i := range calls {
				n := 1 + (k+i)%9
				list := numbered(fmt.Sprint("key", k), next, n)
				for insist(t, b, list) != nil {
					again.Add(1)
				}
				told[k] = append(told[k], list...)
				next += n
			}
			wrote[k] = next
		})
	}
	all.Wait()
	if again.Load() == 0 {
		t.Error("no call failed, so nothing was shown")
	}
	counts := checkNoHole(t, b)
	for k, want := range wrote {
		if got := counts[fmt.Sprint("key", k)]; got != want {
			t.Errorf("key%d: %d numbers in the log, %d were taken", k, got, want)
		}
		checkWhere(t, b, told[k])
	}
}

// checkWhere reads each message that was written where it was said to be.
func checkWhere(t *testing.T, b *Bus, told []event.Message) {
	t.Helper()
	for _, m := range told {
		var found []event.Message
		err := b.Scan(t.Context(), topic, m.Partition, m.Offset, m.Offset+1, func(m event.Message) error {
			found = append(found, m)
			return nil
		})
		if err != nil || len(found) != 1 || found[0].Key != m.Key || !bytes.Equal(found[0].Value, m.Value) {
			t.Fatalf("%s of %s was said to lie at %d/%d: found %v, %v", m.Value, m.Key, m.Partition, m.Offset, found, err)
		}
	}
}

// insist produces with a patience that is sometimes too short.
func insist(t *testing.T, b *Bus, messages []event.Message) error {
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(5+rand.IntN(400))*time.Millisecond)
	defer cancel()
	return b.Produce(ctx, messages...)
}

// bend answers a third of the produce requests with an error for some of their partitions, before or after
// the broker took the batch, or hangs up.
func bend(c *kfake.Cluster, r *rand.Rand) {
	var mu sync.Mutex
	c.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		switch r.IntN(8) {
		case 0:
			return refuse(request.(*kmsg.ProduceRequest), kerr.NotEnoughReplicas), nil, true
		case 1:
			return refuse(request.(*kmsg.ProduceRequest), kerr.OutOfOrderSequenceNumber), nil, true
		case 2:
			return nil, errors.New("hung up"), true
		default:
			return nil, nil, false
		}
	})
}

func refuse(request *kmsg.ProduceRequest, why *kerr.Error) kmsg.Response {
	response := request.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range request.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, why.Code
			rt.Partitions = append(rt.Partitions, rp)
		}
		response.Topics = append(response.Topics, rt)
	}
	return response
}

// checkNoHole reads the log as a reader does and counts each key's numbers.
func checkNoHole(t *testing.T, b *Bus) map[string]int {
	t.Helper()
	last := map[string]int{}
	partitions, err := b.Partitions(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	for p := range partitions {
		end, err := b.End(t.Context(), topic, p)
		if err != nil {
			t.Fatal(err)
		}
		err = b.Scan(t.Context(), topic, p, 0, end, func(m event.Message) error {
			n, _ := strconv.Atoi(string(m.Value))
			if n++; n > last[m.Key]+1 { // counted from 1, so that 0 is "none yet"
				return fmt.Errorf("%s at %d/%d: number %d after %d", m.Key, p, m.Offset, n-1, last[m.Key]-1)
			}
			last[m.Key] = max(last[m.Key], n)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	return last
}

func TestProduce_whileKafkaIsAway(t *testing.T) {
	kafka := testenv.StartKafka(t)
	b := open(t, Options{Brokers: []string{kafka.Addr()}, DeliveryTimeout: time.Second, RequestTimeout: 2 * time.Second, DialTimeout: time.Second})
	defer b.Close()
	ensure(t, b, TopicSpec{Name: topic, Partitions: 2})
	if err := b.Produce(t.Context(), numbered("key0", 0, 10)...); err != nil {
		t.Fatal(err)
	}
	kafka.Kill()
	began := time.Now()
	if err := b.Produce(t.Context(), numbered("key0", 10, 10)...); err == nil {
		t.Error("Kafka is away, and yet it took messages")
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("that took %s to find out", took)
	}
	if err := b.Ping(t.Context()); err == nil {
		t.Error("Kafka is away, and Ping does not tell")
	}
	kafka.Restart()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for b.Produce(ctx, numbered("key0", 10, 10)...) != nil && ctx.Err() == nil {
	}
	if ctx.Err() != nil {
		t.Fatal("Kafka is back, and nothing can be written")
	}
	if err := b.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if got := checkNoHole(t, b)["key0"]; got != 20 {
		t.Errorf("%d numbers in the log, 20 were taken", got)
	}
}

// One of three brokers dies: every acknowledged message is there, and writing goes on.
func TestProduce_brokerDies(t *testing.T) {
	kafka := testenv.StartKafkaCluster(t, 3)
	b := open(t, Options{Brokers: kafka.Addrs(), RequestTimeout: 2 * time.Second})
	defer b.Close()
	ensure(t, b, TopicSpec{Name: topic, Partitions: 6, Replication: 3, MinInSync: 2})
	var taken atomic.Int32
	var all sync.WaitGroup
	const writers, calls = 12, 60
	for k := range writers {
		all.Go(func() {
			for i := range calls {
				for b.Produce(t.Context(), numbered(fmt.Sprint("key", k), i, 1)...) != nil && t.Context().Err() == nil {
				}
				taken.Add(1)
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	for taken.Load() < writers*calls/4 {
		time.Sleep(10 * time.Millisecond)
	}
	kafka.Nodes()[1].Kill()
	all.Wait()
	for key, got := range checkNoHole(t, b) {
		if got != calls {
			t.Errorf("%s: %d numbers in the log, %d were taken", key, got, calls)
		}
	}
}
