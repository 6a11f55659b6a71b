//lint:file-ignore SA1019 CLUSTER SLOTS is what clients go by, and tells addresses as they see them

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/test/rig"
)

const claimPlayers = 150

// TestClaims loses ends that were answered, twice: a primary dies whose replica has lagged, and then all of Redis is gone and
// rebuilt from Kafka. Everybody plays on, before the claims and after them, and claims everything that he was ever told: ledger,
// wallets, board, inbox, Kafka and pool agree with what the players were told, to the coin.
func TestClaims(t *testing.T) {
	cluster := testenv.StartRedisCluster(t)
	s := rig.Servers{
		Redis: cluster.Addrs(), Cluster: true, Kafka: testenv.Kafka(t), DSN: testenv.MySQL(t), Namespace: testenv.Namespace(t),
		More: "durability: {mode: async}\nlimits: {user_rate: 0}",
	}
	sys := rig.New(t, s)
	sys.Apply(rig.Campaign("claims", 20*time.Minute, 100, 950_000, nightShards))
	api := sys.Serve("api")
	c := &claiming{
		night: &night{t: t, sys: sys, servers: s, id: "claims", run: inventory.Run{Campaign: "claims", Number: 1, Shards: nightShards}, api: api},
		http:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128}, Timeout: 10 * time.Second},
	}
	c.connect()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c.worker = sys.Serve("worker")
	c.play(ctx, everybody, 2)
	c.settle(ctx)

	c.worker.Kill() // so that nothing is carried to Kafka
	lost := c.loseTail(ctx, cluster)
	c.worker = sys.Serve("worker")
	c.play(ctx, everySecond, 1) // under numbers that they had played before
	granted := c.claimAll(ctx)
	if granted != lost || lost == 0 {
		t.Errorf("%d claims were granted, want the %d that were lost with the primary", granted, lost)
	}
	c.play(ctx, everybody, 1)
	c.agree(ctx, "after the fail-over")

	c.worker.Kill()
	c.play(ctx, everybody, 2)
	c.loseAll(ctx, cluster)
	c.worker = sys.Serve("worker")
	c.play(ctx, everySecond, 1)
	if granted := c.claimAll(ctx); granted != 2*claimPlayers {
		t.Errorf("%d claims were granted, want the %d that were lost with all of Redis", granted, 2*claimPlayers)
	}
	c.play(ctx, everybody, 1)
	c.agree(ctx, "after the loss of everything")
	if granted := c.claimAll(ctx); granted != 0 {
		t.Errorf("%d claims were granted once more", granted)
	}
	c.agree(ctx, "after all claims again")
	c.refused(ctx)

	c.worker.Kill()
	c.play(ctx, everybody, 1)
	c.loseAll(ctx, cluster)
	c.worker = sys.Serve("worker")
	c.replay(ctx)
	c.settle(ctx) // until the ledger has a claim, the same one is granted again: the same answer, and nothing more paid
	if granted := c.claimAll(ctx); granted != 0 {
		t.Errorf("%d claims were granted that the round log should have had", granted)
	}
	c.agree(ctx, "after the round log was replayed")
}

// replay pays what was lost from the api's round log, without any player; a look comes before it.
func (c *claiming) replay(ctx context.Context) {
	c.t.Helper()
	type replayed struct {
		Records, Damaged int
		Outcomes         map[string]int
		Coins            int64
	}
	run := func(args ...string) (r replayed, err error) {
		out, err := c.sys.Shake(append([]string{"replay", "--from", "round-log", c.sys.RoundLog, "--rate", "5000", "--json"}, args...)...)
		return r, errors.Join(err, json.Unmarshal([]byte(out), &r))
	}
	var before replayed
	rig.Eventually(c.t, time.Minute, func() (err error) { // the ledger has to read how the pools were opened
		before, err = run("--dry-run")
		if err == nil && before.Outcomes["lost"] < claimPlayers { // the last of them are flushed within a moment
			err = fmt.Errorf("the round log has %v", before.Outcomes)
		}
		return err
	})
	var after replayed
	rig.Eventually(c.t, time.Minute, func() (err error) {
		after, err = run()
		return err
	})
	c.t.Logf("round log: before %+v, after %+v", before, after)
	if before.Outcomes["lost"] != claimPlayers || before.Damaged != 0 || before.Records < len(c.promises) {
		c.t.Errorf("the look found %+v, want %d lost of at least %d", before, claimPlayers, len(c.promises))
	}
	if after.Outcomes["granted"]+after.Outcomes["already_granted"] != after.Records {
		c.t.Errorf("the replay did %+v, want all granted, now or before", after)
	}
}

func everybody(int) bool     { return true }
func everySecond(i int) bool { return i%2 == 0 }

// promise is what a player was told.
type promise struct {
	user, round, claim string
	coins              int64
}

// claiming is a night whose players keep their claims.
type claiming struct {
	*night
	http     *http.Client
	promises []promise
}

// each does something for many players at once.
func (c *claiming) each(ctx context.Context, who func(int) bool, do func(ctx context.Context, user string, player *rig.Client) error) {
	c.t.Helper()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 50)
	for i := range claimPlayers {
		if !who(i) {
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			user := fmt.Sprintf("claimer-%03d", i)
			player, err := rig.Login(ctx, c.http, c.api.URL, user)
			if err == nil {
				err = do(ctx, user, player)
			}
			if err != nil {
				c.t.Errorf("%s: %v", user, err)
			}
		})
	}
	wg.Wait()
}

// play lets players play so many rounds, and notes what they are told.
func (c *claiming) play(ctx context.Context, who func(int) bool, rounds int) {
	c.t.Helper()
	c.each(ctx, who, func(ctx context.Context, user string, p *rig.Client) error {
		for range rounds {
			if err := c.round(ctx, user, p); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *claiming) round(ctx context.Context, user string, p *rig.Client) error {
	base := "/v1/campaigns/" + c.id
	var me struct {
		Next int64 `json:"next_number"`
		Open *rig.Started
	}
	if status, err := p.Insist(ctx, "GET", base+"/me", nil, &me); err != nil || status != 200 {
		return fmt.Errorf("me: %d %w", status, err)
	}
	var s rig.Started
	at := fmt.Sprintf("%s/rounds/%d", base, me.Next)
	if status, err := p.Insist(ctx, "PUT", at, nil, &s); err != nil || status != 200 {
		return fmt.Errorf("start %d: %d %s %w", me.Next, status, s.Code, err)
	}
	var r struct {
		rig.Result
		Claim string
	}
	status, err := p.Insist(ctx, "POST", at+"/end", map[string]any{"token": s.Token, "shakes": 5}, &r)
	if err != nil || status != 200 {
		return fmt.Errorf("end %d: %d %s %w", me.Next, status, r.Code, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.promises = append(c.promises, promise{user: user, round: r.Round, claim: r.Claim, coins: r.Coins})
	return nil
}

// loseTail lets the replica of shard 0's primary stand still while rounds are played, and then has it take over. It gives how
// many of the rounds were of that primary's shards.
func (c *claiming) loseTail(ctx context.Context, cluster *testenv.Cluster) (lost int) {
	c.t.Helper()
	keys := redisdb.NewKeyCache(c.servers.Namespace).Of(c.run)
	slot := redisdb.Slot(keys.Pool(0))
	var slots []redis.ClusterSlot
	var i int
	rig.Eventually(c.t, 20*time.Second, func() (err error) { // a young cluster's nodes learn of each other's replicas by and by
		if slots, err = c.Redis.Client().(*redis.ClusterClient).ClusterSlots(ctx).Result(); err != nil {
			return err
		}
		i = slices.IndexFunc(slots, func(s redis.ClusterSlot) bool { return s.Start <= slot && slot <= s.End })
		if i < 0 || len(slots[i].Nodes) < 2 {
			return fmt.Errorf("the node of slot %d has no replica yet", slot)
		}
		return nil
	})
	theirs, primary, replica := slots[i], cluster.Node(slots[i].Nodes[0].Addr), cluster.Node(slots[i].Nodes[1].Addr)
	replica.Pause()
	direct := redis.NewClient(&redis.Options{Addr: primary.Addr()})
	defer direct.Close()
	// What is on its way in sockets would still arrive: the link ends here.
	c.must(direct.Do(ctx, "client", "kill", "type", "replica").Err())
	before := len(c.promises)
	c.play(ctx, everybody, 2)
	primary.Kill()
	replica.Resume()
	for _, p := range c.promises[before:] {
		if at := redisdb.Slot(keys.Pool(c.run.ShardOf(p.user))); theirs.Start <= at && at <= theirs.End {
			lost++
		}
	}
	rig.Eventually(c.t, 60*time.Second, func() error {
		now, err := c.Redis.Client().(*redis.ClusterClient).ClusterSlots(ctx).Result()
		if err != nil {
			return err
		}
		for _, s := range now {
			if s.Start <= slot && slot <= s.End && s.Nodes[0].Addr == replica.Addr() {
				return nil
			}
		}
		return fmt.Errorf("%s has not taken over", replica.Addr())
	})
	primary.Restart()
	c.t.Logf("primary %s died; its replica had not %d of %d rounds that were answered", primary.Addr(), lost, len(c.promises)-before)
	return lost
}

// loseAll takes everything from every server.
func (c *claiming) loseAll(ctx context.Context, cluster *testenv.Cluster) {
	c.t.Helper()
	rig.Eventually(c.t, 30*time.Second, func() error { // the one that was killed may still be joining
		return c.Redis.Client().(*redis.ClusterClient).ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			return node.FlushAll(ctx).Err()
		})
	})
}

// claimAll sends every claim that was ever given out until it is answered, and gives how many were granted.
func (c *claiming) claimAll(ctx context.Context) (granted int) {
	c.t.Helper()
	began := time.Now()
	byUser := map[string][]promise{}
	for _, p := range c.promises {
		byUser[p.user] = append(byUser[p.user], p)
	}
	already := 0
	c.each(ctx, everybody, func(ctx context.Context, user string, player *rig.Client) error {
		for _, p := range byUser[user] {
			var answer struct {
				Status, Code string
				Coins        int64
			}
			status, err := player.Insist(ctx, "POST", "/v1/claims", map[string]any{"claim": p.claim}, &answer)
			if err != nil || status != 200 || answer.Coins != p.coins {
				return fmt.Errorf("claim of %s: %d %+v %w, want %d coins", p.round, status, answer, err, p.coins)
			}
			c.mu.Lock()
			if answer.Status == "granted" {
				granted++
			} else {
				already++
			}
			c.mu.Unlock()
		}
		return nil
	})
	c.t.Logf("%d claims granted and %d already, in %s", granted, already, time.Since(began).Round(time.Millisecond))
	return granted
}

// agree compares what everybody has with what the players were told.
func (c *claiming) agree(ctx context.Context, when string) {
	defer func() { // the auditor's view of the same
		if out, err := c.sys.Shake("reconcile", c.id, "--json"); err != nil {
			c.t.Errorf("reconcile %s: %v\n%s", when, err, out)
		}
	}()
	c.t.Helper()
	c.settle(ctx)
	c.rounds, c.totals = map[string]int64{}, map[string]int64{}
	var promised, wins int64
	for _, p := range c.promises {
		if _, twice := c.rounds[p.round]; twice {
			c.t.Errorf("%s: round %s was answered twice", when, p.round)
		}
		c.rounds[p.round] = p.coins
		c.totals[p.user] += p.coins
		promised += p.coins
		if p.coins > 0 {
			wins++
		}
	}
	all, err := inventory.Audit(ctx, c.Pools, c.run)
	c.must(err)
	level := inventory.LevelOf(c.run, all, time.Now())
	inKafka, rounds, _ := c.kafka(ctx)
	sums, err := c.Ledger.Sums(ctx, c.id, 1)
	c.must(err)
	wallets, notices := c.owned(ctx)
	var board int64
	rig.Eventually(c.t, 30*time.Second, func() error { // a board that was lost is built anew once a second at most
		if built, err := c.Board.Built(ctx, c.run); err != nil || !built {
			return fmt.Errorf("the board is not built: %w", err)
		}
		cursors, err := c.Board.Progress(ctx, c.id, 1)
		for _, s := range all {
			if err == nil && cursors[s.Shard].Position.Before(s.Position) {
				err = fmt.Errorf("the board is at %s of %s", cursors[s.Shard].Position, s.Source)
			}
		}
		return err
	})
	board = c.ranked(ctx)
	c.t.Logf("%s: players %d coins in %d rounds, %d wins; Redis issued %d of %d, left %d; Kafka %d in %d; ledger %d in %d; wallets %d; board %d; notices %d",
		when, promised, len(c.rounds), wins, level.Issued, level.Funded, level.Left, inKafka, rounds, sums.Granted, sums.Rounds, wallets, board, notices)
	for name, got := range map[string]int64{"Redis issued": level.Issued, "Kafka": inKafka, "ledger": sums.Granted, "wallets": wallets, "board": board} {
		if got != promised {
			c.t.Errorf("%s: %s has %d coins, the players were promised %d", when, name, got, promised)
		}
	}
	if rounds != int64(len(c.rounds)) || sums.Rounds != int64(len(c.rounds)) || notices != wins || level.Left+level.Issued != level.Funded {
		c.t.Errorf("%s: Kafka has %d rounds, the ledger %d, the players %d; notices are %d for %d wins; pool %+v", when, rounds, sums.Rounds, len(c.rounds), notices, wins, level)
	}
	for _, s := range all {
		if !s.Balanced() {
			c.t.Errorf("%s: %s does not balance: %+v", when, s.Source, s.State)
		}
	}
	if sums.Held != 0 || sums.ZeroSum != 0 || sums.UserDelta != 0 {
		c.t.Errorf("%s: the ledger holds %d, its entries sum to %d, wallets are off by %d", when, sums.Held, sums.ZeroSum, sums.UserDelta)
	}
	c.tellsTotals(ctx, when)
}

// tellsTotals checks that every player is told all coins that he was promised.
func (c *claiming) tellsTotals(ctx context.Context, when string) {
	c.t.Helper()
	c.each(ctx, everybody, func(ctx context.Context, user string, p *rig.Client) error {
		var me struct{ Coins int64 }
		status, err := p.Insist(ctx, "GET", "/v1/campaigns/"+c.id+"/me", nil, &me)
		c.mu.Lock()
		defer c.mu.Unlock()
		if err != nil || status != 200 || me.Coins != c.totals[user] {
			return fmt.Errorf("%s: /me tells %d coins (%d, %v), want %d", when, me.Coins, status, err, c.totals[user])
		}
		return nil
	})
}

// refused sends claims that must not be taken.
func (c *claiming) refused(ctx context.Context) {
	c.t.Helper()
	before, err := inventory.Audit(ctx, c.Pools, c.run)
	c.must(err)
	p := c.promises[0]
	other, err := rig.Login(ctx, c.http, c.api.URL, "somebody-else")
	c.must(err)
	owner, err := rig.Login(ctx, c.http, c.api.URL, p.user)
	c.must(err)
	forged := strings.Map(func(r rune) rune {
		if r == 'A' {
			return 'B'
		}
		return r
	}, p.claim)
	for _, bad := range []struct {
		who   *rig.Client
		claim string
		code  string
	}{{other, p.claim, "not_yours"}, {owner, forged, "token_invalid"}, {owner, p.claim + "A", "token_invalid"}, {owner, "", "token_invalid"}} {
		var answer struct{ Code string }
		if _, err := bad.who.Call(ctx, "POST", "/v1/claims", map[string]any{"claim": bad.claim}, &answer); err != nil || answer.Code != bad.code {
			c.t.Errorf("claim %q: got %q, %v, want %s", bad.claim, answer.Code, err, bad.code)
		}
	}
	after, err := inventory.Audit(ctx, c.Pools, c.run)
	c.must(err)
	for i := range before {
		if before[i].Position != after[i].Position || before[i].State != after[i].State {
			c.t.Errorf("%s has changed: %+v, before %+v", before[i].Source, after[i], before[i])
		}
	}
}
