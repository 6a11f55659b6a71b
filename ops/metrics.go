// Package ops is the door for those who run Shake: health, readiness, metrics, profiles, and the tools that
// verify what was paid.
package ops

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/reward"
)

// Metrics hears of everything that happens and counts it. One registry a process, handed in, so that tests can
// run two side by side.
type Metrics struct {
	Registry *prometheus.Registry

	requests  *prometheus.CounterVec
	latency   *prometheus.HistogramVec
	seen      sync.Map // outcome -> counted: looking labels up took longer than counting
	flights   *prometheus.CounterVec
	flightLat prometheus.Histogram
	flightLen prometheus.Histogram
	batchLen  *prometheus.HistogramVec
	retries   *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	unsafe    prometheus.Counter
	answers   *prometheus.CounterVec
	staleAge  *prometheus.GaugeVec

	pool     *prometheus.GaugeVec
	moves    *prometheus.CounterVec
	closed   *prometheus.GaugeVec
	pending  *prometheus.GaugeVec
	keepErrs *prometheus.CounterVec
	opened   *prometheus.CounterVec
	kept     *prometheus.CounterVec
	summed   *prometheus.CounterVec

	relayed    *prometheus.CounterVec
	relayAge   *prometheus.GaugeVec
	relayFails *prometheus.CounterVec

	applied  *prometheus.CounterVec
	applyLat *prometheus.HistogramVec
	lag      *prometheus.GaugeVec
	again    *prometheus.CounterVec
	stopped  *prometheus.GaugeVec
	boards   *prometheus.CounterVec

	claims      *prometheus.CounterVec
	shortRounds *prometheus.CounterVec
	inflated    *prometheus.CounterVec
	batchSize   *prometheus.HistogramVec
	behind      *prometheus.GaugeVec
	granted     *prometheus.CounterVec

	limit    prometheus.Gauge
	pages    prometheus.Gauge
	dropped  *prometheus.CounterVec
	told     *prometheus.CounterVec
	shown    prometheus.Counter
	looks    prometheus.Histogram
	pushed   *prometheus.CounterVec
	pushErrs prometheus.Counter

	asked    *prometheus.CounterVec
	askedLat prometheus.Histogram
	fates    *prometheus.CounterVec
	underway prometheus.Gauge
	waiting  prometheus.Gauge

	judged   *prometheus.CounterVec
	flagged  *prometheus.CounterVec
	unjudged *prometheus.CounterVec
	crowded  *prometheus.CounterVec

	named *prometheus.CounterVec

	oddities *prometheus.CounterVec

	logged    *prometheus.CounterVec
	logFailed prometheus.Counter

	differences *prometheus.GaugeVec
	reconciled  *prometheus.GaugeVec
	reconcileS  *prometheus.GaugeVec
	unchecked   *prometheus.CounterVec

	notReady  *prometheus.GaugeVec
	replicas  prometheus.Gauge
	memory    *prometheus.GaugeVec
	memoryMax *prometheus.GaugeVec
	nodes     map[string]int64 // that memory has
}

// latencyBuckets are seconds: fine where a player feels it.
var latencyBuckets = []float64{.0005, .001, .002, .003, .005, .0075, .01, .02, .03, .05, .075, .1, .25, .5, 1, 2.5, 5}

// sizeBuckets are for batches.
var sizeBuckets = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}

// NewMetrics makes the metrics and registers them.
func NewMetrics() *Metrics {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	f := maker{reg}
	m := &Metrics{
		Registry:  reg,
		requests:  f.counter("shake_http_requests_total", "Requests answered, by route, status and error code.", "route", "method", "status", "code"),
		latency:   f.histogram("shake_http_request_duration_seconds", "Time from the request's head to its answer.", latencyBuckets, "route", "method"),
		flights:   f.counter("shake_redis_flights_total", "Round trips of the group commit, by outcome.", "outcome"),
		flightLat: f.histogram("shake_redis_flight_duration_seconds", "Time of a round trip, replicas included.", latencyBuckets).WithLabelValues().(prometheus.Histogram),
		flightLen: f.histogram("shake_redis_flight_calls", "Calls in a round trip.", sizeBuckets).WithLabelValues().(prometheus.Histogram),
		batchLen:  f.histogram("shake_redis_script_calls", "Rounds or other calls in one script call.", sizeBuckets, "script"),
		retries:   f.counter("shake_redis_retries_total", "Times that calls went back to the queue, by reason.", "reason"),
		refusals:  f.counter("shake_redis_refusals_total", "Script calls that a Redis would not do until somebody helps it: oom, noreplicas, misconf, wrongtype.", "reason"),
		unsafe:    f.counter("shake_redis_short_waits_total", "Flights that fewer replicas than wanted had in time.").WithLabelValues(),
		answers:   f.counter("shake_catalog_answers_total", "Configuration read, by the layer that had it.", "layer"),
		staleAge:  f.gauge("shake_catalog_stale_age_seconds", "Age of the last stale copy that had to do.", "campaign"),

		pool:     f.gauge("shake_pool_coins", "Coins of a run's pool: funded, left, issued.", "campaign", "state"),
		moves:    f.counter("shake_pool_moves_total", "What the keeper did: draw, recall, sweep, dry.", "campaign", "kind"),
		closed:   f.gauge("shake_pool_closed", "Pools of a run that are not open on their server.", "campaign"),
		pending:  f.gauge("shake_outbox_entries", "Entries in a run's outboxes.", "campaign"),
		keepErrs: f.counter("shake_keeper_errors_total", "Looks of the keeper that failed.", "campaign"),
		opened:   f.counter("shake_pool_opened_total", "Pools opened or reopened.", "campaign"),
		kept:     f.counter("shake_keeper_looks_total", "Looks of the keeper at a run's pools, of the one worker that keeps it.", "campaign"),
		summed:   f.counter("shake_level_sums_total", "Times that a node summed a pool for itself, because no keeper had told it the level for a second.", "campaign"),

		relayed:    f.counter("shake_relay_total", "What the relay carried to Kafka: entries and rounds.", "campaign", "what"),
		relayAge:   f.gauge("shake_relay_lag_seconds", "Age of the oldest entry of the last batch.", "campaign"),
		relayFails: f.counter("shake_relay_errors_total", "Batches that the relay could not carry.", "campaign"),

		applied:  f.counter("shake_consumer_entries_total", "Entries applied by a consumer group.", "group"),
		applyLat: f.histogram("shake_consumer_batch_duration_seconds", "Time to apply a batch.", latencyBuckets, "group"),
		lag:      f.gauge("shake_consumer_lag_seconds", "Age of the last entry applied, by partition.", "group", "partition"),
		again:    f.counter("shake_consumer_retries_total", "Batches that failed and were tried again.", "group"),
		stopped:  f.gauge("shake_consumer_stopped", "1 while a partition stands still before a hole in the history.", "group", "partition"),

		inflated:    f.counter("shake_rounds_inflated_total", "Ends that told more shakes than can be.", "campaign"),
		batchSize:   f.histogram("shake_consumer_batch_entries", "Entries in a batch of a consumer group.", sizeBuckets, "group"),
		behind:      f.gauge("shake_consumer_lag_messages", "Messages that a consumer group has not read yet, by partition.", "group", "partition"),
		shortRounds: f.counter("shake_rounds_short_total", "Ends that found their shard without enough coins.", "campaign"),

		claims: f.counter("shake_claims_total", "Claims answered, by outcome: granted, already_granted, pending, held, pool_empty, over (the run), invalid, not_yours, failed.", "outcome"),

		boards: f.counter("shake_board_differences_total", "Players on whom a run's live and final boards did not agree.", "campaign"),

		limit:    f.gauge("shake_http_limit_requests", "Requests that may be under way at once, as the load allows.").WithLabelValues(),
		pages:    f.gauge("shake_live_pages", "Pages that hold a live stream of this node.").WithLabelValues(),
		dropped:  f.counter("shake_live_dropped_total", "Pages that were let go, to come back, by reason: slow, behind, many (of one player).", "reason"),
		told:     f.counter("shake_live_events_total", "Events handed to pages, by kind.", "kind"),
		looks:    f.histogram("shake_live_look_duration_seconds", "Time of one look at all campaigns that pages watch.", latencyBuckets).WithLabelValues().(prometheus.Histogram),
		shown:    f.counter("shake_notices_shown_total", "Notices whose first receipt came: divided by the first pushes, the reached rate.").WithLabelValues(),
		pushed:   f.counter("shake_notices_pushed_total", "Notices pushed, for the first time or again.", "push"),
		pushErrs: f.counter("shake_notices_push_errors_total", "Pushes that failed; the notices are pushed again.").WithLabelValues(),

		asked:    f.counter("shake_push_service_requests_total", "Requests to the company's push service, by outcome: taken, refused, forbidden, limited, failed, unreachable.", "outcome"),
		askedLat: f.histogram("shake_push_service_request_duration_seconds", "Time of a request to the company's push service.", latencyBuckets).WithLabelValues().(prometheus.Histogram),
		fates:    f.counter("shake_push_service_notices_total", "What became of notices for the push service: taken, refused, seen (on a page before), expired (not taken in time).", "fate"),
		underway: f.gauge("shake_push_service_in_flight", "Requests to the push service under way.").WithLabelValues(),
		waiting:  f.gauge("shake_push_service_waiting", "Notices that the push service has not taken yet, up to 100000, those included that give pages their time; told by the worker that gives them.").WithLabelValues(),

		logged:    f.counter("shake_round_log_records_total", "Claims for this node's round log: written, and lost to it because its disk took none.", "fate"),
		logFailed: f.counter("shake_round_log_errors_total", "Writes that the round log's disk refused; alarm on it.").WithLabelValues(),

		judged:   f.counter("shake_fairplay_judged_total", "Rounds that fair play looked at, of those that told beats or a device.", "campaign"),
		flagged:  f.counter("shake_fairplay_flagged_total", "Rounds that fair play flagged, by reason: regular, short, rate, excess, copy, device.", "campaign", "reason"),
		unjudged: f.counter("shake_fairplay_dropped_total", "What fair play had no room for: ends (queue), ends whose campaign nobody gave (campaign), judgements that could not be written (rows).", "what"),
		crowded:  f.counter("shake_fairplay_crowded_devices_total", "Devices that came to have more accounts than the campaign allows, as this node saw them.", "campaign"),

		granted:     f.counter("shake_ledger_total", "What the ledger booked: rounds, grants, coins.", "what"),
		differences: f.gauge("shake_reconcile_differences", "Differences that the last check found, by identity; alarm on any. check is counters or rounds.", "campaign", "check", "identity"),
		reconciled:  f.gauge("shake_reconcile_last_seconds", "When the last check of a run ended, in seconds since 1970.", "campaign", "check"),
		reconcileS:  f.gauge("shake_reconcile_duration_seconds", "How long the last check of a run took.", "campaign", "check"),
		unchecked:   f.counter("shake_reconcile_failures_total", "Checks that could not be made.", "campaign", "check"),

		notReady:  f.gauge("shake_not_ready", "1 where a check of readiness fails, by check; looked at every 5 s.", "check"),
		replicas:  f.gauge("shake_durability_replicas", "Replicas that must have an end before it counts as safe; 0: none, durability.mode is async.").WithLabelValues(),
		memory:    f.gauge("shake_redis_memory_used_bytes", "What a Redis primary uses, as a worker saw it.", "node"),
		memoryMax: f.gauge("shake_redis_memory_max_bytes", "What it may use: its maxmemory, or without one its machine's.", "node"),

		named: f.counter("shake_names_total", "Names of players: kept at a login, lost at one (Redis away, or too many at once), unread (a board showed a code, since Redis could not say).", "fate"),

		oddities: f.counter("shake_reader_oddities_total", "Entries and rounds that were not simply taken: repeat, void, gap, held, refused, dead.", "reader", "kind"),
	}
	m.present()
	return m
}

// maker registers what it makes.
type maker struct{ reg *prometheus.Registry }

func (m maker) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.reg.MustRegister(v)
	return v
}

func (m maker) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	m.reg.MustRegister(v)
	return v
}

func (m maker) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	m.reg.MustRegister(v)
	return v
}

// Claimed counts a claim by what it was answered with.
func (m *Metrics) Claimed(outcome string) { m.claims.WithLabelValues(outcome).Inc() }

// Named implements access.NameObserver.
func (m *Metrics) Named(fate string, n int) { m.named.WithLabelValues(fate).Add(float64(n)) }

// RoundsLogged implements roundlog.Observer.
func (m *Metrics) RoundsLogged(records int) {
	m.logged.WithLabelValues("written").Add(float64(records))
}

// RoundsNotLogged implements roundlog.Observer.
func (m *Metrics) RoundsNotLogged(records int) {
	m.logged.WithLabelValues("lost").Add(float64(records))
}

// RoundLogFailed implements roundlog.Observer.
func (m *Metrics) RoundLogFailed(error) { m.logFailed.Inc() }

// Request implements httpapi.Observer.
func (m *Metrics) Request(route, method string, status int, code string, took time.Duration) {
	if route == "" {
		route, method = "none", "any" // made-up paths and methods must not become labels
	}
	key := outcome{route, method, status, code}
	known, ok := m.seen.Load(key)
	if !ok {
		known, _ = m.seen.LoadOrStore(key, counted{
			m.requests.WithLabelValues(route, method, strconv.Itoa(status), code), m.latency.WithLabelValues(route, method),
		})
	}
	c := known.(counted)
	c.requests.Inc()
	c.latency.Observe(took.Seconds())
}

// outcome is what requests are counted by. Routes, methods and codes are ours, so there are few.
type outcome struct {
	route, method string
	status        int
	code          string
}

type counted struct {
	requests prometheus.Counter
	latency  prometheus.Observer
}

// Flight implements redisdb.Observer.
func (m *Metrics) Flight(calls int, took time.Duration, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "error"
	}
	m.flights.WithLabelValues(outcome).Inc()
	m.flightLat.Observe(took.Seconds())
	m.flightLen.Observe(float64(calls))
}

// Batch implements redisdb.Observer.
func (m *Metrics) Batch(script string, calls int) {
	m.batchLen.WithLabelValues(script).Observe(float64(calls))
}

// Retry implements redisdb.Observer.
func (m *Metrics) Retry(reason string) { m.retries.WithLabelValues(reason).Inc() }

// Refused implements redisdb.Observer.
func (m *Metrics) Refused(reason string) { m.refusals.WithLabelValues(reason).Inc() }

// Short implements redisdb.Observer.
func (m *Metrics) Short() { m.unsafe.Inc() }

// Answered implements game.CacheObserver.
func (m *Metrics) Answered(layer string) { m.answers.WithLabelValues(layer).Inc() }

// Stale implements game.CacheObserver.
func (m *Metrics) Stale(name string, age time.Duration) {
	m.staleAge.WithLabelValues(name).Set(age.Seconds())
}

// Kept tells what a look of the keeper found and did.
func (m *Metrics) Kept(r inventory.Report) {
	id := r.Level.Campaign
	m.kept.WithLabelValues(id).Inc()
	m.pool.WithLabelValues(id, "funded").Set(float64(r.Level.Funded))
	m.pool.WithLabelValues(id, "left").Set(float64(r.Level.Left))
	m.pool.WithLabelValues(id, "issued").Set(float64(r.Level.Issued))
	m.closed.WithLabelValues(id).Set(float64(r.Closed))
	var pending int64
	for _, s := range r.Slices {
		pending += s.Pending
	}
	m.pending.WithLabelValues(id).Set(float64(pending))
	for kind, n := range map[string]int{"draw": r.Draws, "recall": r.Recalls, "sweep": r.Swept, "dry": r.Dried} {
		m.moves.WithLabelValues(id, kind).Add(float64(n))
	}
}

// KeepFailed counts a look that failed.
func (m *Metrics) KeepFailed(campaign string) { m.keepErrs.WithLabelValues(campaign).Inc() }

// PoolsOpened counts pools that were opened.
func (m *Metrics) PoolsOpened(campaign string, n int) {
	m.opened.WithLabelValues(campaign).Add(float64(n))
}

// Relayed implements event.RelayObserver.
func (m *Metrics) Relayed(source event.Source, entries, rounds int, oldest time.Time) {
	m.relayed.WithLabelValues(source.Campaign, "entries").Add(float64(entries))
	m.relayed.WithLabelValues(source.Campaign, "rounds").Add(float64(rounds))
	m.relayAge.WithLabelValues(source.Campaign).Set(time.Since(oldest).Seconds())
}

// RelayFailed implements event.RelayObserver.
func (m *Metrics) RelayFailed(source event.Source, _ error) {
	m.relayFails.WithLabelValues(source.Campaign).Inc()
}

// Applied implements event.ConsumerObserver.
func (m *Metrics) Applied(group string, partition int32, entries int, took, age time.Duration) {
	m.applied.WithLabelValues(group).Add(float64(entries))
	m.applyLat.WithLabelValues(group).Observe(took.Seconds())
	m.batchSize.WithLabelValues(group).Observe(float64(entries))
	m.lag.WithLabelValues(group, number(partition)).Set(age.Seconds())
	m.stopped.WithLabelValues(group, number(partition)).Set(0)
}

// Retried implements event.ConsumerObserver.
func (m *Metrics) Retried(group string, _ int32, _ error) { m.again.WithLabelValues(group).Inc() }

// Buried implements event.ConsumerObserver.
func (m *Metrics) Buried(group string, _ int32, _ error) {
	m.oddities.WithLabelValues(readerOf(group), "dead").Inc()
}

// Stopped implements event.ConsumerObserver.
func (m *Metrics) Stopped(group string, partition int32, _ *event.GapError) {
	m.stopped.WithLabelValues(group, number(partition)).Set(1)
}

// Left implements event.ConsumerObserver.
func (m *Metrics) Left(group string, partition int32) {
	m.stopped.WithLabelValues(group, number(partition)).Set(0)
}

func number(n int32) string { return strconv.Itoa(int(n)) }

// ShortRound counts a round that found its shard without enough coins.
func (m *Metrics) ShortRound(campaign string) { m.shortRounds.WithLabelValues(campaign).Inc() }

// InflatedRound counts a round that told more shakes than can be.
func (m *Metrics) InflatedRound(campaign string) { m.inflated.WithLabelValues(campaign).Inc() }

// Behind tells how many messages a consumer group has not read yet.
func (m *Metrics) Behind(group string, partition int32, messages int64) {
	m.behind.WithLabelValues(group, number(partition)).Set(float64(messages))
}

// Booked tells what a batch did to the ledger.
func (m *Metrics) Booked(a reward.Applied) {
	m.granted.WithLabelValues("rounds").Add(float64(a.Rounds))
	m.granted.WithLabelValues("grants").Add(float64(a.Grants))
	m.granted.WithLabelValues("coins").Add(float64(a.Coins))
	m.Read("ledger", a.Tally)
	m.oddities.WithLabelValues("ledger", "held").Add(float64(len(a.Held)))
	m.oddities.WithLabelValues("ledger", "refused").Add(float64(len(a.Refused) + len(a.RefusedFundings)))
}

// BoardsDiffer counts players on whom a run's live and final boards did not agree.
func (m *Metrics) BoardsDiffer(campaign string, players int) {
	m.boards.WithLabelValues(campaign).Add(float64(players))
}

// Read counts what a reader did not simply take.
func (m *Metrics) Read(reader string, t event.Tally) {
	m.oddities.WithLabelValues(reader, "repeat").Add(float64(t.Repeats))
	m.oddities.WithLabelValues(reader, "void").Add(float64(t.Voids))
	m.oddities.WithLabelValues(reader, "gap").Add(float64(len(t.Gaps)))
}
