package event

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// once is a Group that hands over one batch and tells what became of it.
type once struct {
	batch  []Message
	result error
}

func (o *once) Consume(ctx context.Context, _ Subscription, handle func(context.Context, []Message) error) error {
	o.result = handle(ctx, o.batch)
	return nil
}

// sent is a Producer that fails a few times first.
type sent struct {
	fail     int
	messages []Message
}

func (s *sent) Produce(_ context.Context, m ...Message) error {
	if s.fail--; s.fail >= 0 {
		return errors.New("kafka is away")
	}
	s.messages = append(s.messages, m...)
	return nil
}

// script is a handler that fails as told, and writes down what it takes and what the consumer reports.
type script struct {
	mu       sync.Mutex
	fail     []error
	lines    []string
	reported chan string
}

func newScript(fail ...error) *script { return &script{fail: fail, reported: make(chan string, 1000)} }

func (s *script) Handle(_ context.Context, batch []Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.fail) > 0 {
		err := s.fail[0]
		s.fail = s.fail[1:]
		return err
	}
	for _, e := range batch {
		s.lines = append(s.lines, e.Position.String())
	}
	return nil
}

func (s *script) SkipDead(_ context.Context, source Source, p Position, _ string) error {
	s.lines = append(s.lines, "dead "+source.String()+" "+p.String())
	return nil
}

func (s *script) Applied(_ string, p int32, n int, _, age time.Duration) {
	s.reported <- fmt.Sprintf("applied %d of %d, old %t", n, p, age > time.Hour)
}
func (s *script) Retried(_ string, _ int32, err error) { s.reported <- "retried " + err.Error() }
func (s *script) Buried(string, int32, error)          { s.reported <- "buried" }
func (s *script) Stopped(_ string, _ int32, g *GapError) {
	s.reported <- "stopped at " + g.Got.String()
}

func (s *script) Left(_ string, p int32) { s.reported <- fmt.Sprintf("left %d", p) }

func (s *script) reports() (list []string) {
	close(s.reported)
	for r := range s.reported {
		list = append(list, r)
	}
	return list
}

func messages(t *testing.T, n int) []Message {
	t.Helper()
	list := make([]Message, n)
	for i := range list {
		e := Entry{Kind: KindDry, Source: demoShard, Position: Position{1, int64(i + 1)}}
		m, err := e.Message("entries")
		if err != nil {
			t.Fatal(err)
		}
		m.Partition, m.Offset = 7, int64(100+i)
		list[i] = m
	}
	return list
}

func consume(ctx context.Context, batch []Message, dead Producer, h Handler, o ConsumerObserver) error {
	g := &once{batch: batch}
	opts := ConsumerOptions{
		Subscription: Subscription{Group: "g", Topic: "entries"}, DeadTopic: "dead", Observer: o,
		RetryMin: time.Millisecond, RetryMax: 5 * time.Millisecond, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if err := NewConsumer(g, dead, h, opts).Run(ctx); err != nil {
		return err
	}
	return g.result
}

func TestConsumer(t *testing.T) {
	t.Run("applies a batch at once", func(t *testing.T) {
		s := newScript()
		if err := consume(t.Context(), messages(t, 3), &sent{}, s, s); err != nil {
			t.Fatal(err)
		}
		check(t, "handled", s.lines, "1-1", "1-2", "1-3")
		check(t, "reported", s.reports(), "applied 3 of 7, old true")
	})
	t.Run("retries until it works", func(t *testing.T) {
		s := newScript(errors.New("a"), errors.New("b"))
		if err := consume(t.Context(), messages(t, 1), &sent{}, s, s); err != nil {
			t.Fatal(err)
		}
		check(t, "handled", s.lines, "1-1")
		check(t, "reported", s.reports(), "retried a", "retried b", "applied 1 of 7, old true")
	})
	t.Run("buries what is unreadable in its place", func(t *testing.T) {
		s, dead := newScript(), &sent{fail: 2}
		batch := messages(t, 4)
		batch[1].Value = []byte("?")
		if err := consume(t.Context(), batch, dead, s, s); err != nil {
			t.Fatal(err)
		}
		check(t, "handled", s.lines, "1-1", "dead demo.3.2 1-2", "1-3", "1-4")
		if len(dead.messages) != 1 || dead.messages[0].Topic != "dead" || dead.messages[0].Headers[HeaderOrigin] != "entries/7/101" {
			t.Errorf("dead letters: %+v", dead.messages)
		}
		if batch[1].Headers[HeaderReason] != "" {
			t.Error("the original's headers were written to")
		}
	})
	t.Run("buries without a word what has no place", func(t *testing.T) {
		s, dead := newScript(), &sent{}
		batch := messages(t, 2)
		batch[0] = Message{Key: "somebody else's", Value: []byte("?")}
		if err := consume(t.Context(), batch, dead, s, s); err != nil {
			t.Fatal(err)
		}
		check(t, "handled", s.lines, "1-2")
		if len(dead.messages) != 1 {
			t.Errorf("dead letters: %+v", dead.messages)
		}
	})
	t.Run("a plain function has no cursor to move", func(t *testing.T) {
		batch := messages(t, 2)
		batch[0].Value = nil
		n := 0
		h := HandlerFunc(func(_ context.Context, b []Entry) error { n += len(b); return nil })
		if err := consume(t.Context(), batch, &sent{}, h, nil); err != nil || n != 1 {
			t.Errorf("handled %d, %v, want 1", n, err)
		}
	})
}

// A hole stops the partition: it is looked at again and again and nothing is skipped, until ctx ends.
func TestConsumer_gap(t *testing.T) {
	gap := &GapError{Source: demoShard, At: Cursor{}, Got: Position{1, 9}}
	s := newScript(slices.Repeat([]error{fmt.Errorf("ledger: %w", gap)}, 1000)...)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- consume(ctx, messages(t, 1), &sent{}, s, s) }()
	for range 3 {
		if got := <-s.reported; got != "stopped at 1-9" {
			t.Errorf("reported %q, want a stop", got)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled, for the batch was not read", err)
	}
	check(t, "handled", s.lines)
	if list := s.reports(); len(list) == 0 || list[len(list)-1] != "left 7" {
		t.Errorf("reported %q, want at last that the partition is left", list)
	}
}

func check(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s %q, want %q", what, got, want)
	}
}
