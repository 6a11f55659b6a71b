// Package faults breaks things while people play, and compares what the system has in the end with what the people were
// told. Each fault is a small file; `make faults` runs them.
package faults

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
)

// fault is one thing that goes wrong on a night.
type fault struct {
	number int
	name   string
	plan   plan
	run    func(s *scene) // with the crowd, which does not play yet; it mends what it breaks
}

var faults []fault

// add makes a fault known.
func add(number int, name string, p plan, run func(s *scene)) {
	faults = append(faults, fault{number: number, name: name, plan: p, run: run})
}

const (
	envFaults = "SHAKE_FAULTS" // numbers or names, with commas between; "all"; empty: this suite is not run
	envSeeds  = "SHAKE_SEEDS"  // how many seeds, from 1 on
)

// TestFaults is `make faults`. `make test` leaves it out: it takes the machine for itself for a quarter of an hour.
func TestFaults(t *testing.T) {
	wanted := os.Getenv(envFaults)
	if wanted == "" {
		t.Skip("make faults runs them: they need servers of their own, and minutes")
	}
	chosen := choose(t, wanted)
	seeds, err := strconv.ParseUint(os.Getenv(envSeeds), 10, 64)
	if err != nil || seeds == 0 {
		seeds = 1
	}
	w := newWorld(t)
	var rows []row
	for seed := uint64(1); seed <= seeds; seed++ {
		for _, f := range chosen {
			r := row{Fault: f.number, Name: f.name, Seed: seed}
			t.Run(fmt.Sprintf("%02d-%s/%d", f.number, f.name, seed), func(t *testing.T) {
				s := newScene(t, w, seed, f.plan)
				f.run(s)
				if s.broke.IsZero() {
					t.Fatal("nothing was broken")
				}
				s.judge(&r)
			})
			rows = append(rows, r)
		}
	}
	if err := write(rows); err != nil {
		t.Error(err)
	}
}

// choose finds the faults that are wanted, in order.
func choose(t *testing.T, wanted string) (chosen []fault) {
	slices.SortFunc(faults, func(a, b fault) int { return a.number - b.number })
	if wanted == "all" {
		return faults
	}
	for _, word := range strings.Split(wanted, ",") {
		i := slices.IndexFunc(faults, func(f fault) bool { return f.name == word || strconv.Itoa(f.number) == word })
		if i < 0 {
			t.Fatalf("there is no fault %q", word)
		}
		chosen = append(chosen, faults[i])
	}
	return chosen
}

// write prints the table and keeps it in .run/faults.json.
func write(rows []row) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FAULT\tNAME\tSEED\tACKED\tLOST\tTWICE\tOVER\tSTRANDED\tRECOVERY\tOK")
	for _, r := range rows {
		fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d ms\t%v\n", r.Fault, r.Name, r.Seed, r.Acked, r.AckedLost, r.PaidTwice,
			r.OverIssued, r.Stranded, r.RecoveryMS, r.OK)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(map[string]any{"rows": rows}, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Join("..", "..", ".run")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "faults.json"), append(text, '\n'), 0o644)
}
