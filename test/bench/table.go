package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
)

// measured is what one request cost, or, before the division, what all did.
type measured struct {
	goUS, redisUS, calls float64
	p50, p99             float64 // ms
}

func (m measured) less(o measured) measured {
	return measured{goUS: m.goUS - o.goUS, redisUS: m.redisUS - o.redisUS, calls: m.calls - o.calls}
}

func (m measured) per(n float64) measured {
	return measured{goUS: m.goUS / n, redisUS: m.redisUS / n, calls: m.calls / n}
}

// row is a line of the table: CONTRACT.md has the names.
type row struct {
	Name        string   `json:"name"`
	Concurrency int      `json:"concurrency"`
	GoUS        float64  `json:"go_us"`
	RedisUS     float64  `json:"redis_us"`
	TotalUS     float64  `json:"total_us"`
	RatioTo     *string  `json:"ratio_to"` // null: compared with nothing
	Ratio       *float64 `json:"ratio"`
	Calls       float64  `json:"calls_per_request"`
	P50MS       float64  `json:"p50_ms"`
	P99MS       float64  `json:"p99_ms"`
}

// judgedBy says what each subject is compared with, at the same concurrency and in the same run.
var judgedBy = map[string]string{"session": "hello", "start": "base", "end": "base", "end_replicated": "base"}

// names are the subjects in the order of the table.
var names = []string{"base", "hello", "session", "start", "end", "end_replicated", "relay"}

type place struct {
	name  string
	conns int
}

// table gathers the measurements of all runs.
type table struct{ all map[place][]measured }

func newTable() *table { return &table{all: map[place][]measured{}} }

func (t *table) add(name string, conns int, m measured) {
	p := place{name, conns}
	t.all[p] = append(t.all[p], m)
}

// rows are the medians. A ratio is the median of the ratios within each run: what disturbs a whole run does not
// move it.
func (t *table) rows() []row {
	var rows []row
	for _, name := range names {
		for _, conns := range concurrencies {
			all := t.all[place{name, conns}]
			if len(all) == 0 {
				continue // left out with ONLY
			}
			of := func(f func(measured) float64) float64 { return median(all, f) }
			r := row{
				Name: name, Concurrency: conns,
				GoUS:    of(func(m measured) float64 { return m.goUS }),
				RedisUS: of(func(m measured) float64 { return m.redisUS }),
				TotalUS: of(measured.total),
				Calls:   of(func(m measured) float64 { return m.calls }),
				P50MS:   of(func(m measured) float64 { return m.p50 }),
				P99MS:   of(func(m measured) float64 { return m.p99 }),
			}
			if judge, ok := judgedBy[name]; ok && wanted(judge) {
				ratio := t.ratio(all, t.all[place{judge, conns}])
				r.RatioTo, r.Ratio = &judge, &ratio
			}
			rows = append(rows, r)
		}
	}
	return rows
}

func (m measured) total() float64 { return m.goUS + m.redisUS }

func (t *table) ratio(all, base []measured) float64 {
	ratios := make([]float64, len(all))
	for i := range all {
		ratios[i] = all[i].total() / base[i].total()
	}
	return middle(ratios)
}

func median(all []measured, f func(measured) float64) float64 {
	values := make([]float64, len(all))
	for i, m := range all {
		values[i] = f(m)
	}
	return middle(values)
}

func middle(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return round((values[(n-1)/2] + values[n/2]) / 2)
}

// round keeps three digits behind the point: more would be noise.
func round(v float64) float64 { return float64(int64(v*1000+0.5)) / 1000 }

func print(out io.Writer, rows []row) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "name\tconns\tgo µs\tredis µs\ttotal µs\tratio\tto\tcalls\tp50 ms\tp99 ms\t")
	for _, r := range rows {
		ratio, to := "", ""
		if r.Ratio != nil {
			ratio, to = fmt.Sprintf("%.2f", *r.Ratio), *r.RatioTo
		}
		fmt.Fprintf(w, "%s\t%d\t%.1f\t%.1f\t%.1f\t%s\t%s\t%.3f\t%.2f\t%.2f\t\n", r.Name, r.Concurrency, r.GoUS, r.RedisUS, r.TotalUS,
			ratio, to, r.Calls, r.P50MS, r.P99MS)
	}
	_ = w.Flush() // to the terminal
}

func write(path string, rows []row) error {
	text, err := json.MarshalIndent(map[string]any{"rows": rows}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
