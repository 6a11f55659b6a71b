package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/internal/config"
	"github.com/shake-live/shake/internal/devserver"
	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/ops/reconcile"
)

// embeddedConfig is the configuration of embedded servers of the test's own.
func embeddedConfig(t testing.TB) config.Config {
	t.Helper()
	dir := t.TempDir()
	kafka, err := devserver.StartKafka("127.0.0.1:0", filepath.Join(dir, "kafka"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	redis, err := devserver.StartRedis("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(redis.Close)
	return testConfig(t, dir, addresses{Redis: redis.Addr(), Kafka: kafka.Brokers()})
}

// testConfig changes the patience of a dev's: tests are about what is right, on machines that do other things too.
func testConfig(t testing.TB, dir string, at addresses) config.Config {
	t.Helper()
	cfg, err := devConfig(dir, at)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Namespace = testenv.Namespace(t)
	cfg.Redis.DialTimeout, cfg.Redis.ReadTimeout = config.Duration(10*time.Second), config.Duration(20*time.Second)
	cfg.Batch.MaxAge = config.Duration(20 * time.Second)
	cfg.Listen = config.Listen{Access: "127.0.0.1:0", Ops: "127.0.0.1:0"}
	return cfg
}

func realConfig(t testing.TB) config.Config {
	t.Helper()
	cfg := testConfig(t, t.TempDir(), addresses{Redis: testenv.Redis(t), Kafka: testenv.Kafka(t)})
	cfg.SQL = config.SQL{Driver: "mysql", DSN: config.SecretOf(testenv.MySQL(t)), MaxConns: 8, Migrate: true}
	return cfg
}

func clusterConfig(t testing.TB) config.Config {
	t.Helper()
	cfg := realConfig(t)
	cfg.Redis.Addrs, cfg.Redis.Cluster = testenv.RedisCluster(t), true
	return cfg
}

// installations are all kinds of servers that sit the exam.
var installations = map[string]func(testing.TB) config.Config{"embedded": embeddedConfig, "real": realConfig, "cluster": clusterConfig}

// openStack opens a stack that the test closes.
func openStack(t testing.TB, cfg config.Config) *stack {
	t.Helper()
	s, err := open(context.Background(), cfg, slog.New(slog.NewTextHandler(io.Discard, nil)), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stops.closeAll(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// world is a run whose rounds were all written at once, as scripts and readers would have written them.
type world struct {
	testing.TB
	*stack
	campaign *game.Campaign
	run      event.Run
	rng      *rand.Rand
	pools    map[int]*source
	numbers  map[string]int64
	totals   map[string]int64
	rounds   []settled
	batch    []event.Entry
	atMS     int64
	coins    int64 // of each round that is settled now
}

// source is the history of one pool while it is written.
type source struct {
	event.Position
	event.State
	received int64 // number of the last transfer
}

// settled is a round of the world.
type settled struct {
	event.Round
	id    string
	at    event.Position
	shard int
}

const (
	worldCoins = 100_000_000
	worldKept  = 16 // shards whose rounds are remembered
)

// newWorld writes a run of so many players with so many rounds each, and brings all stores up to it.
func newWorld(t testing.TB, s *stack, id string, shards, players, each int) *world {
	t.Helper()
	starts := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	w := &world{
		TB: t, stack: s, rng: rand.New(rand.NewPCG(1, uint64(players))), pools: map[int]*source{}, numbers: map[string]int64{}, totals: map[string]int64{},
		coins: 4, atMS: starts.UnixMilli(),
		campaign: &game.Campaign{
			ID: id, Game: "shake", Market: "SG", Name: id, Version: 1, Run: 1, WarmupAt: starts, StartsAt: starts, EndsAt: starts.Add(3 * time.Hour),
			RoundMS: 1000, EarlyMS: 800, LateMS: 600_000, Chances: int64(each) + 5, Pool: worldCoins, Shards: shards, ShakeRate: 8,
			Curve: game.Curve{{From: 1, Probability: 1, Min: 1, Max: 9}}, KeyID: s.keyring.Current(),
		},
	}
	w.run = w.campaign.Life()
	w.must(w.begin())
	for _, shard := range w.run.Pools() {
		w.pools[shard] = &source{}
		w.entry(shard, event.Entry{Kind: event.KindOpen, Open: &event.Open{Host: "first"}})
	}
	bank := w.pools[event.Bank]
	bank.Funded, bank.Left = worldCoins, worldCoins
	w.entry(event.Bank, event.Entry{Kind: event.KindFund, Funding: &event.Funding{Number: 1, Amount: worldCoins}})
	byShard := map[int][]string{}
	for i := range players {
		user := fmt.Sprintf("dev:player-%07d", i)
		byShard[w.run.ShardOf(user)] = append(byShard[w.run.ShardOf(user)], user)
	}
	for range each {
		for shard := range shards {
			for users := byShard[shard]; len(users) > 0; {
				n := min(len(users), 1+w.rng.IntN(64))
				w.play(shard, users[:n])
				users = users[n:]
			}
		}
	}
	w.flush()
	w.reopen()
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// begin stores the campaign and the order of its coins, which is carried out.
func (w *world) begin() (err error) {
	ctx := context.Background()
	if w.campaign.Since, err = (ends{w.bus, w.topics.Entries}).Since(ctx); err != nil {
		return err
	}
	order := inventory.Order{ID: w.campaign.ID + ".1.v1", Amount: worldCoins}
	if err := w.campaigns.Save(ctx, w.campaign, 0, order); err != nil {
		return err
	}
	return w.campaigns.FundingDone(ctx, w.run, 1)
}

// entry writes the next entry of a pool.
func (w *world) entry(shard int, e event.Entry) event.Position {
	p := w.pools[shard]
	p.Seq++
	if e.Kind == event.KindOpen {
		p.Epoch++
	}
	w.atMS++
	e.V, e.Source, e.Position, e.State, e.At = event.Version, w.run.Source(shard), p.Position, p.State, w.atMS
	if w.batch = append(w.batch, e); len(w.batch) == 2000 {
		w.flush()
	}
	return p.Position
}

// flush hands what was written to the log and to all readers.
func (w *world) flush() {
	w.Helper()
	w.deliver(w.batch)
	w.batch = w.batch[:0]
}

func (w *world) deliver(entries []event.Entry) {
	w.Helper()
	ctx := context.Background()
	messages := make([]event.Message, len(entries))
	for i, e := range entries {
		var err error
		messages[i], err = e.Message(w.topics.Entries)
		w.must(err)
	}
	w.must(w.bus.Produce(ctx, messages...))
	w.apply(entries)
}

func (w *world) apply(entries []event.Entry) {
	w.Helper()
	ctx := context.Background()
	_, err := w.ledger.Apply(ctx, entries)
	w.must(err)
	_, err = w.inbox.Apply(ctx, entries)
	w.must(err)
	_, err = w.board.Apply(ctx, w.run, scaleOf(w.campaign), entries)
	w.must(err)
}

// play starts and ends a round of each user; a draw comes first where the shard is short.
func (w *world) play(shard int, users []string) {
	p, bank := w.pools[shard], w.pools[event.Bank]
	if p.Left < 1000 {
		const amount = 5000
		p.received++
		bank.Left, bank.Sent = bank.Left-amount, bank.Sent+amount
		w.entry(event.Bank, event.Entry{Kind: event.KindDebit, Transfer: &event.Transfer{Peer: shard, Number: p.received, Amount: amount}})
		p.Left, p.Received = p.Left+amount, p.Received+amount
		w.entry(shard, event.Entry{Kind: event.KindCredit, Transfer: &event.Transfer{Peer: event.Bank, Number: p.received, Amount: amount}})
	}
	started, ended := event.Entry{Kind: event.KindStart}, event.Entry{Kind: event.KindEnd}
	for _, user := range users {
		w.numbers[user]++
		started.Starts = append(started.Starts, event.Start{User: user, Number: w.numbers[user], At: w.atMS + 1})
	}
	w.entry(shard, started)
	for i, user := range users {
		paid := max(0, w.rng.Int64N(12)-3)
		w.totals[user] += paid
		p.Left, p.Issued = p.Left-paid, p.Issued+paid
		ended.Rounds = append(ended.Rounds, event.Round{
			User: user, Number: w.numbers[user], StartEpoch: p.Epoch, StartedAt: started.Starts[i].At, Shakes: 8, ElapsedMS: 1000, Computed: paid, Paid: paid,
			Total: w.totals[user], ChancesLeft: w.campaign.Chances - w.numbers[user], SettledAt: w.atMS + 1,
		})
	}
	at := w.entry(shard, ended)
	if shard >= worldKept { // the test of a million rounds measures memory, and it is not to be its own
		return
	}
	for _, r := range ended.Rounds {
		w.rounds = append(w.rounds, settled{Round: r, id: r.ID(w.run.Source(shard)), at: at, shard: shard})
	}
}

// reopen builds pools and players from the log, as after the loss of all of Redis, and lets everybody read of it.
func (w *world) reopen() {
	w.Helper()
	ctx := context.Background()
	opened, err := w.opener.Open(ctx, w.run, w.campaign.Since)
	w.must(err)
	if len(opened.Pools) != w.run.Shards+1 {
		w.Fatalf("opened %v", opened.Pools)
	}
	w.relayAll()
	w.must(w.board.MarkBuilt(ctx, w.run))
}

// relayAll carries all that waits into the log and to the readers.
func (w *world) relayAll() {
	w.Helper()
	ctx := context.Background()
	for _, shard := range w.run.Pools() {
		entries, err := w.outbox.Waiting(ctx, w.run, shard, event.Position{}, 1<<20)
		w.must(err)
		w.must(w.relay.Drain(ctx, w.run, shard))
		if len(entries) > 0 {
			w.apply(append([]event.Entry{{Kind: event.KindFence, Source: w.run.Source(shard), Position: event.Position{Epoch: entries[0].Epoch}}}, entries...))
			last := entries[len(entries)-1]
			w.pools[shard].Position, w.pools[shard].State = last.Position, last.State
		}
	}
}

// check is a whole check, with a hook on the log.
func (w *world) check(ctx context.Context, log event.Log, o reconcile.Options) *reconcile.Report {
	w.Helper()
	c := w.checker(o)
	if log != nil {
		c.Log = log
	}
	report, err := c.Check(ctx, subjectOf(w.campaign))
	w.must(err)
	return report
}

// settleNow settles the next round of a player by the script that settles all. A token is enough, so it was not started.
func (w *world) settleNow(shard int, user string) {
	w.Helper()
	live, err := game.Prepare(w.campaign, w.runKeys())
	w.must(err)
	w.numbers[user]++
	s, err := w.stack.rounds.Settle(context.Background(), live, game.SettleRequest{
		Token: game.Token{
			Run: 1, Epoch: w.pools[shard].Epoch, Number: w.numbers[user], Shard: int64(shard), StartedAt: time.Now().Add(-2 * time.Second).UnixMilli(), User: user,
		},
		Shakes: 8, ElapsedMS: 1000, Computed: w.coins, Granted: w.campaign.Chances,
	})
	w.must(err)
	w.totals[user] = s.Round.Total
	w.rounds = append(w.rounds, settled{Round: s.Round, id: s.Round.ID(w.run.Source(shard)), at: s.At, shard: shard})
}

func (w *world) runKeys() *game.RunKeys {
	w.Helper()
	keys, err := w.keyring.RunKeys(w.campaign.KeyID, w.campaign.ID, w.campaign.Run)
	w.must(err)
	return keys
}
