package kafkabus

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
)

func TestEnsureTopics(t *testing.T) {
	brokers := embedded(t)
	b := open(t, Options{Brokers: brokers})
	defer b.Close()
	spec := TopicSpec{Name: "t", Partitions: 3, Retention: -1}
	var all sync.WaitGroup
	for range 5 { // every node of a fresh system does it at once
		all.Go(func() { ensure(t, b, spec) })
	}
	all.Wait()
	spec.Partitions = 2
	ensure(t, b, spec) // more than wanted is fine
	spec.Partitions = 4
	if err := b.EnsureTopics(t.Context(), []TopicSpec{spec}); err == nil || !strings.Contains(err.Error(), "3 partitions") {
		t.Errorf("fewer than wanted: got %v, want an error with the count", err)
	}
	if n, err := b.Partitions(t.Context(), "t"); n != 3 || err != nil {
		t.Errorf("got %d partitions, %v, want 3", n, err)
	}
}

func TestLag(t *testing.T) {
	b := open(t, Options{Brokers: embedded(t), CommitInterval: 20 * time.Millisecond})
	defer b.Close()
	ensure(t, b, TopicSpec{Name: topic, Partitions: 2})
	if err := b.Produce(t.Context(), numbered("k", 0, 10)...); err != nil {
		t.Fatal(err)
	}
	lag := func() (sum int64) {
		byPartition, err := b.Lag(t.Context(), "g", topic)
		if err != nil || len(byPartition) != 2 {
			t.Fatalf("got %v, %v, want two partitions", byPartition, err)
		}
		for _, n := range byPartition {
			sum += n
		}
		return sum
	}
	if got := lag(); got != 10 {
		t.Errorf("a group that never read lags %d behind, want 10", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s := event.Subscription{Group: "g", Topic: topic, MaxBatch: 10, MaxAge: time.Minute} // all ten at once
	ended := make(chan error, 1)
	go func() {
		ended <- b.Consume(ctx, s, func(context.Context, []event.Message) error { cancel(); return nil })
	}()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := lag(); got != 0 {
		t.Errorf("after reading all it lags %d behind", got)
	}
}

func TestNew(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("a bus without brokers was made")
	}
	b := open(t, Options{Brokers: []string{"127.0.0.1:1"}, DialTimeout: 100 * time.Millisecond})
	if err := b.Ping(t.Context()); err == nil {
		t.Error("nobody is there, and Ping does not tell")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := b.Produce(ctx, numbered("k", 0, 1)...); err == nil {
		t.Error("nobody is there, and messages are taken")
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("the second close: %v", err)
	}
}
