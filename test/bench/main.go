// Command bench measures what a round costs: CPU per request of Go and of Redis, script calls, latencies. All
// subjects run one after the other in each of RUNS rounds, so noise hits them alike; the table has the medians.
// docs/performance.md tells how to read it.
//
// The same binary plays the parts beside the real program, as processes of their own: `bench reference` is what the
// project is compared with, `bench relay` drains outboxes.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/shake-live/shake/internal/testenv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	testenv.DieWithParent()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		runs, err := count("RUNS", 5, 100)
		if err != nil {
			return err
		}
		requests, err := count("REQUESTS", 30000, 1_000_000)
		if err != nil {
			return err
		}
		return bench(ctx, runs, requests)
	}
	switch args[0] {
	case "reference":
		return reference(ctx, args[1:])
	case "relay":
		return relay(ctx, args[1:])
	case "overload":
		seconds, err := count("SECONDS", 10, 60)
		if err != nil {
			return err
		}
		if len(args) == 2 && (args[1] == "cpu" || args[1] == "store") {
			return overload(ctx, args[1], seconds)
		}
		return errors.New("overload: want what the system is bounded by, cpu or store")
	}
	return errors.New("want no argument: RUNS (5) and REQUESTS (30000 a measurement) come from the environment")
}

// count reads a bounded number from the environment.
func count(name string, def, most int) (int, error) {
	text := os.Getenv(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%s=%q: want 1 to %d", name, text, most)
	}
	return n, nil
}
