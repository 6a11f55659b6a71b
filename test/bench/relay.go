package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/event/kafkabus"
	"github.com/shake-live/shake/event/redisoutbox"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/ops"
)

// relay is a worker that does nothing but relay, and only when told: for each line on standard input it carries
// all that waits in the run's outboxes to Kafka, one relay an outbox as in production, and prints the number of
// settled rounds among it.
func relay(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("relay", flag.ContinueOnError)
	addr := flags.String("redis", "", "address")
	brokers := flags.String("kafka", "", "address")
	namespace := flags.String("namespace", "", "of keys and topics")
	if err := flags.Parse(args); err != nil {
		return err
	}
	db, err := redisdb.Open(ctx, redisdb.Options{Addrs: []string{*addr}})
	if err != nil {
		return err
	}
	defer db.Close()
	bus, err := kafkabus.New(kafkabus.Options{Brokers: []string{*brokers}})
	if err != nil {
		return err
	}
	defer bus.Close()
	counted := &counter{Metrics: ops.NewMetrics()}
	r := event.NewRelay(redisoutbox.New(db, redisdb.NewKeyCache(*namespace), redisoutbox.Options{}), bus, event.RelayOptions{
		Owner: "bench", Topic: event.TopicsOf(*namespace).Entries, Observer: counted, Log: slog.New(slog.NewJSONHandler(os.Stderr, nil)),
	})
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		counted.rounds = make(chan int, 1<<16)
		var g errgroup.Group
		for _, shard := range life.Pools() {
			g.Go(func() error { return r.Drain(ctx, life, shard) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
		close(counted.rounds)
		sum := 0
		for n := range counted.rounds {
			sum += n
		}
		fmt.Println(sum)
	}
	return nil
}

// counter counts rounds beside the metrics of production.
type counter struct {
	*ops.Metrics
	rounds chan int // a number for each batch
}

// Relayed implements event.RelayObserver.
func (c *counter) Relayed(source event.Source, entries, rounds int, oldest time.Time) {
	c.Metrics.Relayed(source, entries, rounds, oldest)
	c.rounds <- rounds
}
