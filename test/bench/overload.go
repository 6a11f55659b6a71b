package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/shake-live/shake/test/storm"
)

// What happens when more is asked for than can be served: requests come at a rate that does not care for the answers, as
// a country does, at multiples of what the system can serve; once with the door's limit and once without.
//
// The system is bounded in one of two ways: "cpu" gives api and Redis core 0 between them (run the bench itself on
// another, with taskset), "store" puts Redis behind a link that carries linkKBs a second, so that the api's own CPU is
// not what is short.

const (
	linkKBs = 400
	noLimit = "max_in_flight: 1000000, min_in_flight: 1000000, max_wait: 0s"
)

var multiples = []float64{0.5, 0.8, 1, 1.5, 2, 3}

// overload measures the curves and prints them. seconds is how long each step takes.
func overload(ctx context.Context, bound string, seconds int) error {
	r := &rig{site: site{dir: filepath.Join(".run", "overload"), key: "the key of the overload bench"}}
	defer r.stop()
	if err := r.ground(ctx); err != nil {
		return err
	}
	var systems []*system
	for _, s := range []setup{{name: "limited"}, {name: "unlimited", limits: noLimit}} {
		if s.core = "0"; bound == "store" {
			s.core, s.link = "", linkKBs
		}
		sys, err := r.startSystem(ctx, s)
		if err != nil {
			return err
		}
		r.stops = append(r.stops, sys.stop)
		systems = append(systems, sys)
	}
	p, err := newPlayers(r.key, 0)
	if err != nil {
		return err
	}
	crowd := &storm.Crowd{Sessions: p.sessions, Keys: p.keys, Run: life, Epoch: systems[0].epoch, Market: market}
	capacity, err := capacity(ctx, crowd, systems[0])
	if err != nil {
		return err
	}
	fmt.Printf("bound by %s: %.0f requests a second can be served\n", bound, capacity)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\toffered\t\tserved/s\tends\tstarts\treads\trefused/s\tlate/s\tp50 ms\tp99 ms\t")
	for _, m := range multiples {
		for _, sys := range systems {
			rate := m * capacity
			answers, err := storm.Run(ctx, sys.addr, crowd.Requests(int(rate)*seconds), rate)
			if err != nil {
				return err
			}
			o := storm.Sum(answers, time.Duration(seconds)*time.Second)
			if len(o.Odd) > 0 {
				return fmt.Errorf("answers with %v", o.Odd)
			}
			fmt.Fprintf(w, "%s\t%.1f x\t%.0f/s\t%.0f\t%.0f %%\t%.0f %%\t%.0f %%\t%.0f\t%.0f\t%.0f\t%.0f\t\n", sys.name, m, rate,
				o.Served, o.Share[storm.Ends]*100, o.Share[storm.Starts]*100, o.Share[storm.Reads]*100, o.Refused, o.Late, o.P50.Seconds()*1000, o.P99.Seconds()*1000)
			if err := sys.clear(ctx); err != nil {
				return err
			}
			time.Sleep(time.Second) // the next step begins with nothing under way
		}
	}
	return w.Flush()
}

// capacity is how many requests a second are served to 256 players who wait for their answers: the median of three.
func capacity(ctx context.Context, crowd *storm.Crowd, sys *system) (float64, error) {
	const conns = 256
	var rates []float64
	for range 4 {
		list := crowd.Requests(20000)
		began := time.Now()
		if _, err := fire(ctx, sys.addr, list, conns, 200); err != nil {
			return 0, err
		}
		rates = append(rates, float64(len(list))/time.Since(began).Seconds())
	}
	rates = rates[1:] // the first one warms up
	slices.Sort(rates)
	return rates[1], sys.clear(ctx)
}
