package eventtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/shake-live/shake/event"
)

// diary is a handler that writes down what it gets, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) write(line string) { d.mu.Lock(); defer d.mu.Unlock(); d.lines = append(d.lines, line) }

func (d *diary) read() []string { d.mu.Lock(); defer d.mu.Unlock(); return slices.Clone(d.lines) }

func (d *diary) Handle(_ context.Context, batch []event.Entry) error {
	for _, e := range batch {
		d.write("entry " + e.Position.String())
	}
	return nil
}

func (d *diary) SkipDead(_ context.Context, s event.Source, p event.Position, _ string) error {
	d.write("dead " + s.String() + " " + p.String())
	return nil
}

// A message that nobody can read lands in the dead letters as it was, with its story in the headers; what
// stands around it is handled in order.
func deadLetters(t *testing.T, f Fixture) {
	b := f.open(t)
	source := event.Source{Campaign: "demo", Run: 1, Shard: 0}
	var messages []event.Message
	for seq := range int64(5) {
		e := event.Entry{Kind: event.KindDry, Source: source, Position: event.Position{Epoch: 1, Seq: seq + 1}}
		m, err := e.Message(f.Topics.Entries)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m)
	}
	messages[2].Value = []byte(`{"v":1,`)
	produce(t, b, messages...)

	d := &diary{}
	opts := event.ConsumerOptions{Subscription: f.subscription("dead"), DeadTopic: f.Topics.Dead}
	c := event.NewConsumer(b, b, d, opts)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	want := []string{"entry 1-1", "entry 1-2", "dead demo.1.0 1-3", "entry 1-4", "entry 1-5"}
	eventually(t, "all five are handled", func() bool { return len(d.read()) >= len(want) })
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
	if got := d.read(); !slices.Equal(got, want) {
		t.Errorf("handled %q, want %q", got, want)
	}
	letters := all(t, b, f.Topics.Dead)
	if len(letters) != 1 {
		t.Fatalf("got %d dead letters, want 1", len(letters))
	}
	l := letters[0]
	p, _ := b.Partition(t.Context(), f.Topics.Entries, source.String())
	origin := fmt.Sprintf("%s/%d/2", f.Topics.Entries, p)
	if l.Key != source.String() || string(l.Value) != `{"v":1,` || l.Headers[event.HeaderOrigin] != origin ||
		l.Headers[event.HeaderGroup] != opts.Group || l.Headers[event.HeaderReason] == "" || l.Headers[event.HeaderPosition] != "1-3" {
		t.Errorf("dead letter %+v", l)
	}
}
