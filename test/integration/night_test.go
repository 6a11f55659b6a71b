//lint:file-ignore SA1019 CLUSTER SLOTS is what clients go by, and tells addresses as they see them

package integration

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/leaderboard"
	"github.com/shake-live/shake/test/rig"
)

const (
	nightPlayers = 2000
	nightRounds  = 10
	nightPool    = 950_000 // 95 % of it are spent in the end
	nightShards  = 12
)

// TestNight plays 20,000 rounds by 2,000 players while every Kafka message comes twice, the worker is killed three
// times and one Redis primary is lost. In the end the players' own log, Redis, Kafka, ledger, wallets, board and
// notices agree to the coin.
func TestNight(t *testing.T) {
	cluster := testenv.StartRedisCluster(t, "appendonly yes")
	s := rig.Servers{
		Redis: cluster.Addrs(), Cluster: true, Kafka: testenv.Kafka(t), DSN: testenv.MySQL(t), Namespace: testenv.Namespace(t),
	}
	s.More = "durability: {mode: replicated, replicas: 1, wait: 500ms}\nlimits: {user_rate: 0}"
	sys := rig.New(t, s)
	id := "night"
	sys.Apply(rig.Campaign(id, 10*time.Minute, nightRounds, nightPool, nightShards))
	api := sys.Serve("api")
	n := &night{t: t, sys: sys, servers: s, id: id, run: inventory.Run{Campaign: id, Number: 1, Shards: nightShards}, api: api}
	n.connect()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	duplicating, stopDuplicating := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { n.duplicate(duplicating) })
	wg.Go(func() { n.disturb(ctx, cluster) })
	n.play(ctx)
	n.settle(ctx)
	stopDuplicating()
	wg.Wait()
	n.compare(ctx)
}

// night is the test's view of all servers.
type night struct {
	t       *testing.T
	sys     *rig.System
	servers rig.Servers
	id      string
	run     inventory.Run
	api     *rig.Process
	worker  *rig.Process

	*rig.Stores

	done     atomic.Int64
	mu       sync.Mutex
	poisoned bool // an entry in Kafka was made unreadable, and stands there once more as it was

	rounds map[string]int64 // the players' own log: coins of each round that was answered 200
	totals map[string]int64
}

func (n *night) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *night) connect() {
	n.Stores = rig.Connect(n.t, n.servers)
	n.rounds, n.totals = map[string]int64{}, map[string]int64{}
}

// play lets all players play all their rounds.
func (n *night) play(ctx context.Context) {
	n.worker = n.sys.Serve("worker")
	h := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128}, Timeout: 10 * time.Second}
	players := make(chan string)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			for user := range players {
				if err := n.player(ctx, h, user); err != nil {
					n.t.Errorf("%s: %v", user, err)
				}
			}
		})
	}
	for i := range nightPlayers {
		players <- fmt.Sprintf("player-%04d", i)
	}
	close(players)
	wg.Wait()
}

// player plays until the chances are gone, and keeps a log of what was promised.
func (n *night) player(ctx context.Context, h *http.Client, user string) error {
	c, err := rig.Login(ctx, h, n.api.URL, user)
	if err != nil {
		return err
	}
	base := "/v1/campaigns/" + n.id
	for played, number := 0, int64(1); played < nightRounds; {
		at := fmt.Sprintf("%s/rounds/%d", base, number)
		var s rig.Started
		status, err := c.Insist(ctx, "PUT", at, nil, &s)
		switch {
		case err != nil:
			return err
		case s.Code == "wrong_number":
			number = s.Next
			continue
		case s.Code == "no_chances" || s.Code == "pool_empty":
			return nil
		case status != 200:
			return fmt.Errorf("start %d: %d %s", number, status, s.Code)
		}
		var r rig.Result
		status, err = c.Insist(ctx, "POST", at+"/end", map[string]any{"token": s.Token, "shakes": played}, &r)
		if err != nil || status != 200 {
			return fmt.Errorf("end %d: %d %s %w", number, status, r.Code, err)
		}
		n.note(user, r)
		played++
		number++
	}
	return nil
}

func (n *night) note(user string, r rig.Result) {
	n.done.Add(1)
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, twice := n.rounds[r.Round]; twice {
		n.t.Errorf("round %s was given to two players", r.Round)
	}
	n.rounds[r.Round] = r.Coins
	n.totals[user] = max(n.totals[user], r.Total)
}

// disturb kills the worker three times and one primary once, spread over the rounds.
func (n *night) disturb(ctx context.Context, cluster *testenv.Cluster) {
	reached := func(share float64) bool {
		for n.done.Load() < int64(share*nightPlayers*nightRounds) {
			select {
			case <-ctx.Done():
				return false
			case <-time.After(20 * time.Millisecond):
			}
		}
		return true
	}
	for i, share := range []float64{0.15, 0.35, 0.75} {
		if !reached(share) {
			return
		}
		n.worker.Kill()
		n.worker = n.sys.Serve("worker")
		if i == 1 && reached(0.5) {
			n.killPrimary(ctx, cluster)
		}
	}
}

// killPrimary kills the primary of shard 0, and starts it again when its replica has taken over.
func (n *night) killPrimary(ctx context.Context, cluster *testenv.Cluster) {
	slot := redisdb.Slot(redisdb.NewKeyCache(n.servers.Namespace).Of(n.run).Pool(0))
	slots, err := n.Redis.Client().(*redis.ClusterClient).ClusterSlots(ctx).Result()
	if err != nil {
		n.t.Errorf("cluster slots: %v", err)
		return
	}
	for _, s := range slots {
		if s.Start <= slot && slot <= s.End {
			n.t.Logf("after %d rounds: primary %s of slot %d is killed", n.done.Load(), s.Nodes[0].Addr, slot)
			node := cluster.Node(s.Nodes[0].Addr)
			node.Kill()
			// Its replica takes over and has no replica of its own then: ends are pending until the node is back.
			time.Sleep(8 * time.Second)
			node.Restart()
		}
	}
}

// duplicate sends every message a second time, whatever wrote it.
func (n *night) duplicate(ctx context.Context) {
	const mark = "test-duplicate"
	err := n.Bus.Consume(ctx, event.Subscription{Group: n.servers.Namespace + ".duplicator", Topic: n.Topic, MaxBatch: 200, MaxAge: 20 * time.Millisecond},
		func(ctx context.Context, batch []event.Message) error {
			var again []event.Message
			for _, m := range batch {
				if m.Headers[mark] == "" {
					headers := map[string]string{mark: "1"}
					for k, v := range m.Headers {
						headers[k] = v
					}
					again = append(again, event.Message{Topic: n.Topic, Key: m.Key, Headers: headers, Value: m.Value})
				}
			}
			if len(again) == 0 {
				return nil
			}
			return n.Bus.Produce(ctx, again...)
		})
	if err != nil && ctx.Err() == nil {
		n.t.Errorf("duplicator: %v", err)
	}
}

// settle waits until everything has arrived everywhere.
func (n *night) settle(ctx context.Context) {
	n.t.Helper()
	rig.Eventually(n.t, 90*time.Second, func() error {
		if err := n.Settled(ctx, n.run); err != nil {
			return fmt.Errorf("%w (worker says %s)", err, n.worker.Logged())
		}
		return nil
	})
}

// compare checks that all agree, and prints the sums.
func (n *night) compare(ctx context.Context) {
	all, err := inventory.Audit(ctx, n.Pools, n.run)
	n.must(err)
	level := inventory.LevelOf(n.run, all, time.Now())
	for _, s := range all {
		if !s.Balanced() {
			n.t.Errorf("%s does not balance: %+v", s.Source, s.State)
		}
	}
	var promised, wins int64
	for _, coins := range n.rounds {
		promised += coins
		if coins > 0 {
			wins++
		}
	}
	inKafka, rounds, doubles := n.kafka(ctx)
	sums, err := n.Ledger.Sums(ctx, n.id, 1)
	n.must(err)
	wallets, notices := n.owned(ctx)
	board := n.ranked(ctx)
	n.t.Logf("players' log: %d coins in %d rounds, %d of them wins; Redis issued %d of %d, left %d; Kafka %d in %d rounds (%d messages twice); "+
		"ledger %d in %d rounds; wallets %d; board %d; notices %d", promised, len(n.rounds), wins, level.Issued, level.Funded, level.Left,
		inKafka, rounds, doubles, sums.Granted, sums.Rounds, wallets, board, notices)
	for name, got := range map[string]int64{
		"Redis issued": level.Issued, "Kafka": inKafka, "ledger": sums.Granted, "wallets": wallets, "board": board,
	} {
		if got != promised {
			n.t.Errorf("%s has %d coins, the players were promised %d", name, got, promised)
		}
	}
	if rounds != int64(len(n.rounds)) || sums.Rounds != int64(len(n.rounds)) || notices != wins {
		n.t.Errorf("Kafka has %d rounds, the ledger %d, the players %d; notices are %d for %d wins", rounds, sums.Rounds, len(n.rounds), notices, wins)
	}
	if sums.Held != 0 || sums.ZeroSum != 0 || sums.UserDelta != 0 || doubles == 0 {
		n.t.Errorf("ledger: held %d, entries sum to %d, wallets are off by %d; doubled messages %d", sums.Held, sums.ZeroSum, sums.UserDelta, doubles)
	}
	for id, coins := range n.rounds {
		r, err := n.Ledger.RoundByID(ctx, id)
		if err != nil || r.Paid != coins {
			n.t.Fatalf("round %s: the player was told %d, the ledger has %d (%v)", id, coins, r.Paid, err)
		}
	}
}

// kafka adds up what the log says, each round once.
func (n *night) kafka(ctx context.Context) (coins, rounds, doubles int64) {
	l, err := n.Log(ctx)
	n.must(err)
	if len(l.Gaps) > 0 || l.Unreadable > 0 && !n.poisoned { // the good copy comes later
		n.t.Errorf("gaps in Kafka: %v, %d messages that nobody can read", l.Gaps, l.Unreadable)
	}
	return l.Coins, l.Rounds, l.Repeats
}

// owned adds up wallets and notices of all players.
func (n *night) owned(ctx context.Context) (coins, notices int64) {
	for user := range n.totals {
		balance, err := n.Ledger.Balance(ctx, user)
		n.must(err)
		coins += balance
		for before := ""; ; {
			page, next, err := n.Inbox.Inbox(ctx, user, before, 100)
			n.must(err)
			notices += int64(len(page))
			if before = next; next == "" {
				break
			}
		}
	}
	return coins, notices
}

// ranked adds up the live board and compares it with what each player was told.
func (n *night) ranked(ctx context.Context) (coins int64) {
	for from := int64(0); ; from += leaderboard.MaxPage {
		page, err := n.Board.Range(ctx, n.run, from, leaderboard.MaxPage)
		n.must(err)
		for _, e := range page {
			coins += e.Coins
			if n.totals[e.User] != e.Coins {
				n.t.Errorf("board has %s with %d, the player was told %d", e.User, e.Coins, n.totals[e.User])
			}
		}
		if len(page) < leaderboard.MaxPage {
			return coins
		}
	}
}
