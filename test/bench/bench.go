package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shake-live/shake/internal/testenv"
)

// warmup is the share of the players whose requests go first and are not measured.
const warmup = 8

var concurrencies = []int{64, 256}

// rig is everything that is up during a bench.
type rig struct {
	site
	players    *players
	reference  *process
	refAddr    string
	async      *system
	replicated *system
	relay      *process
	stops      []func()
}

// bench brings everything up, measures, and writes what came out.
func bench(ctx context.Context, runs, requests int) error {
	r := &rig{site: site{dir: filepath.Join(".run", "bench"), key: rand.Text()}}
	defer r.stop()
	if err := r.up(ctx, requests+requests/warmup); err != nil {
		return err
	}
	t := newTable()
	for run := range runs {
		began := time.Now()
		for _, conns := range concurrencies {
			if err := r.round(ctx, conns, t); err != nil {
				return fmt.Errorf("run %d at %d connections: %w", run+1, conns, err)
			}
		}
		fmt.Fprintf(os.Stderr, "bench: run %d of %d took %.1f s\n", run+1, runs, time.Since(began).Seconds())
	}
	rows := t.rows()
	print(os.Stdout, rows)
	return write(filepath.Join(".run", "bench.json"), rows)
}

func (r *rig) stop() {
	for i := len(r.stops) - 1; i >= 0; i-- {
		r.stops[i]()
	}
}

// up starts Kafka, both systems, the reference and the relay.
func (r *rig) up(ctx context.Context, players int) (err error) {
	if err := r.ground(ctx); err != nil {
		return err
	}
	if r.players, err = newPlayers(r.key, players); err != nil {
		return err
	}
	if r.async, err = r.startSystem(ctx, setup{name: "async"}); err != nil {
		return err
	}
	r.stops = append(r.stops, r.async.stop)
	if r.replicated, err = r.startSystem(ctx, setup{name: "replicated", replicated: true}); err != nil {
		return err
	}
	r.stops = append(r.stops, r.replicated.stop)
	return r.startParts()
}

// ground is what every system stands on: a folder of its own, the program, and Kafka.
func (r *rig) ground(ctx context.Context) (err error) {
	if err := os.RemoveAll(r.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	if r.dir, err = filepath.Abs(r.dir); err != nil {
		return err
	}
	if err := r.build(ctx); err != nil {
		return err
	}
	return r.startKafka()
}

// build builds the real program, as it is released.
func (r *rig) build(ctx context.Context) error {
	r.shake = filepath.Join(r.dir, "shake")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", r.shake, "./cmd/shake")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	return nil
}

// startKafka brings up Apache Kafka as the tests do, and leaves out the servers that no bench needs. (testenv's
// own Redis makes sure that redis-server is installed.)
func (r *rig) startKafka() error {
	for _, name := range []string{testenv.EnvMySQL, testenv.EnvRedisCluster} {
		if err := os.Setenv(name, "not needed"); err != nil {
			return err
		}
	}
	servers, err := testenv.Up()
	if err != nil {
		return err
	}
	r.stops = append(r.stops, servers.Down)
	for _, kv := range servers.Environ() {
		if addr, ok := strings.CutPrefix(kv, testenv.EnvKafka+"="); ok {
			r.kafka, _, _ = strings.Cut(addr, ",")
		}
	}
	return nil
}

// startParts starts the parts that this binary plays itself.
func (r *rig) startParts() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r.reference, err = start(filepath.Join(r.dir, "reference.log"), nil, self, "reference", "-redis", r.async.host, "-key", r.key)
	if err != nil {
		return err
	}
	r.stops = append(r.stops, r.reference.stop)
	if r.refAddr, err = r.reference.ready(); err != nil {
		return err
	}
	r.relay, err = start(filepath.Join(r.dir, "relay.log"), nil, self, "relay", "-redis", r.async.host, "-kafka", r.kafka, "-namespace", r.async.name)
	if err != nil {
		return err
	}
	r.stops = append(r.stops, r.relay.stop)
	_, err = r.relay.ready()
	return err
}

// subject is something to measure: requests to a server, and the redis-server behind it, if there is one.
type subject struct {
	name     string
	server   *process
	addr     string
	sys      *system // nil: no Redis
	requests [][]byte
	want     int // status
}

// round measures every subject once.
func (r *rig) round(ctx context.Context, conns int, t *table) error {
	p := r.players
	for _, next := range []func() subject{
		func() subject { return subject{"base", r.reference, r.refAddr, r.async, p.bases(), 200} },
		func() subject { return subject{"hello", r.reference, r.refAddr, nil, p.hellos(), 200} },
		func() subject { return subject{"session", r.reference, r.refAddr, nil, p.receipts(), 204} },
		func() subject { return subject{"start", r.async.server, r.async.addr, r.async, p.starts("async"), 200} },
		func() subject {
			return subject{"end", r.async.server, r.async.addr, r.async, p.ends("async", r.async.epoch), 200}
		},
		func() subject {
			p.skip("replicated")
			return subject{"end_replicated", r.replicated.server, r.replicated.addr, r.replicated, p.ends("replicated", r.replicated.epoch), 200}
		},
	} {
		s := next()
		if !wanted(s.name) {
			continue
		}
		m, err := r.measure(ctx, s, conns)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		t.add(s.name, conns, m)
		if s.name == "end" && wanted("relay") {
			if m, err = r.measureRelay(len(s.requests)); err != nil {
				return fmt.Errorf("relay: %w", err)
			}
			t.add("relay", conns, m)
		}
		for _, sys := range []*system{r.async, r.replicated} {
			if err := sys.clear(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// wanted tells whether ONLY, a list of names for whoever works on one subject's speed, leaves the subject out.
func wanted(name string) bool {
	only := os.Getenv("ONLY")
	return only == "" || slices.Contains(strings.Split(only, ","), name)
}

// measure warms the subject up with the first requests and counts what the others cost.
func (r *rig) measure(ctx context.Context, s subject, conns int) (m measured, err error) {
	first := len(s.requests) / (warmup + 1)
	if _, err := fire(ctx, s.addr, s.requests[:first], conns, s.want); err != nil {
		return m, fmt.Errorf("warm-up: %w", err)
	}
	before, err := s.spent(ctx)
	if err != nil {
		return m, err
	}
	rest := s.requests[first:]
	if os.Getenv("PROFILE") != "" && s.server.ops != "" {
		go profile(s.server.ops, filepath.Join(r.dir, fmt.Sprintf("%s-%d.pprof", s.name, conns)))
	}
	took, err := fire(ctx, s.addr, rest, conns, s.want)
	if err != nil {
		return m, err
	}
	after, err := s.spent(ctx)
	if err != nil {
		return m, err
	}
	n := float64(len(rest))
	m = after.less(before).per(n)
	m.p50 = took[len(took)/2].Seconds() * 1000
	m.p99 = took[len(took)*99/100].Seconds() * 1000
	return m, nil
}

// profile keeps a second of a server's CPU profile, for whoever asks with PROFILE=1.
func profile(ops, file string) {
	resp, err := http.Get(ops + "/debug/pprof/profile?seconds=1")
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: no profile:", err)
		return
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		err = os.WriteFile(file, text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: no profile:", err)
	}
}

// spent is what the subject's servers have spent so far.
func (s subject) spent(ctx context.Context) (m measured, err error) {
	cpu, err := s.server.cpu()
	if err != nil {
		return m, err
	}
	m.goUS = float64(cpu.Nanoseconds()) / 1000
	if s.sys == nil {
		return m, nil
	}
	if cpu, err = s.sys.redis.cpu(); err != nil {
		return m, err
	}
	m.redisUS = float64(cpu.Nanoseconds()) / 1000
	calls, err := s.sys.scriptCalls(ctx)
	m.calls = float64(calls)
	return m, err
}

// measureRelay carries the entries of so many ends to Kafka. What is counted is the relay's own CPU and that of
// its redis-server; Kafka's own is not.
func (r *rig) measureRelay(rounds int) (m measured, err error) {
	s := subject{server: r.relay, sys: r.async}
	before, err := s.spent(context.Background())
	if err != nil {
		return m, err
	}
	if _, err := io.WriteString(r.relay.in, "drain\n"); err != nil {
		return m, err
	}
	line, err := r.relay.out.ReadString('\n')
	if err != nil {
		return m, fmt.Errorf("%w: see relay.log", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || n != rounds {
		return m, fmt.Errorf("relay carried %q rounds, want %d", line, rounds)
	}
	after, err := s.spent(context.Background())
	return after.less(before).per(float64(n)), err
}
