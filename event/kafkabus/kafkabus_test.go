package kafkabus

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/event/eventtest"
	"github.com/shake-live/shake/internal/devserver"
	"github.com/shake-live/shake/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		brokers := embedded(t)
		eventtest.Run(t, func(t *testing.T) eventtest.Fixture { return fixture(t, brokers) })
	})
	t.Run("apache", func(t *testing.T) {
		brokers := testenv.Kafka(t)
		eventtest.Run(t, func(t *testing.T) eventtest.Fixture { return fixture(t, brokers) })
	})
}

func embedded(t *testing.T) []string {
	t.Helper()
	k, err := devserver.StartKafka("127.0.0.1:0", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k.Brokers()
}

func fixture(t *testing.T, brokers []string) eventtest.Fixture {
	t.Helper()
	topics := event.TopicsOf(testenv.Namespace(t))
	b := open(t, Options{Brokers: brokers})
	defer b.Close()
	ensure(t, b, TopicSpec{Name: topics.Entries, Partitions: eventtest.Partitions}, TopicSpec{Name: topics.Dead, Partitions: eventtest.Partitions})
	return eventtest.Fixture{Topics: topics, Open: func(t *testing.T) eventtest.Bus { return open(t, Options{Brokers: brokers}) }}
}

// open makes a bus that the test closes.
func open(t *testing.T, o Options) *Bus {
	t.Helper()
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func ensure(t *testing.T, b *Bus, specs ...TopicSpec) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := b.EnsureTopics(ctx, specs); err != nil {
		t.Fatal(err)
	}
}
