package faults

import (
	"context"
	"errors"
	"strings"

	"github.com/shake-live/shake/event"
)

// Messages that nobody can read come among the entries: they are put aside, and everything else goes on.
func init() {
	add(16, "poison-messages", plan{recovery: prompt}, func(s *scene) {
		s.play()
		s.breaks("poison comes", "DeadLetters")
		real := s.someEntry()
		for shard := range s.plan.shards {
			key := s.run.Source(shard).String()
			for _, value := range []string{
				"", "null", "{", "[]", `{"v":99}`, `{"kind":"end"}`, strings.Repeat("x", 100_000), "\x00\xff\xfe", string(real.Value[:len(real.Value)/2]),
				strings.Replace(string(real.Value), `"seq":`, `"seq":-`, 1),
			} {
				s.must(s.Bus.Produce(s.ctx, event.Message{Topic: s.Topic, Key: key, Value: []byte(value)}))
			}
			// What was once true, cut in half, at a position that everybody has passed.
			s.must(s.Bus.Produce(s.ctx, event.Message{Topic: s.Topic, Key: real.Key, Headers: real.Headers, Value: real.Value[:len(real.Value)/2]}))
		}
		s.must(s.Bus.Produce(s.ctx, event.Message{Topic: s.Topic, Key: "not a source", Value: []byte("?")}))
		s.everyShard()
		if n := s.workers[0].Metric("go_goroutines"); n == 0 {
			s.t.Error("a worker does not answer any more")
		}
	})
}

// someEntry is an entry of the log that pays somebody.
func (s *scene) someEntry() (found event.Message) {
	s.t.Helper()
	enough := errors.New("found")
	partitions, err := s.Bus.Partitions(s.ctx, s.Topic)
	s.must(err)
	for p := range partitions {
		end, err := s.Bus.End(s.ctx, s.Topic, p)
		s.must(err)
		err = s.Bus.Scan(context.WithoutCancel(s.ctx), s.Topic, p, 0, end, func(m event.Message) error {
			if m.Headers[event.HeaderKind] == "end" {
				found = m
				return enough
			}
			return nil
		})
		if err != nil && !errors.Is(err, enough) {
			s.t.Fatal(err)
		}
	}
	return found
}
