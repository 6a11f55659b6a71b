package app

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/ops/reconcile"
	"github.com/shake-live/shake/reward"
)

// damage is one kind of corruption: how it is planted, and what must be found, exactly.
type damage struct {
	name string
	do   func(d *damaged) []finding
	// mended tells whether --repair brings it right; else a person must decide.
	mended bool
}

// finding is what a test compares of one.
type finding struct {
	kind   string
	shard  int
	user   string
	rounds string // ids, sorted, apart by spaces
}

// damaged is a world that is being damaged. Each damage takes players and shards that no other one took.
type damaged struct {
	*world
	taken map[string]bool
	hide  map[string]bool // messages of the log, by source and position, that are gone
}

func (d *damaged) exec(query string, args ...any) {
	d.Helper()
	result, err := d.sql.ExecContext(context.Background(), query, args...)
	d.must(err)
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		d.Fatalf("%s changed nothing: %v", query, err)
	}
}

// victim is a round that paid, of a player nobody took, in a shard from 8 on; it is his last one.
func (d *damaged) victim() settled {
	d.Helper()
	for i := len(d.rounds) - 1; i >= 0; i-- {
		if r := d.rounds[i]; r.Paid > 0 && r.shard >= 8 && !d.taken[r.User] {
			d.taken[r.User] = true
			return r
		}
	}
	d.Fatal("no player is left")
	return settled{}
}

func (d *damaged) redis(args ...any) {
	d.Helper()
	d.must(d.stack.redis.Client().Do(context.Background(), args...).Err())
}

func one(kind string, r settled) []finding {
	return []finding{{kind, r.shard, r.User, r.id}}
}

const roundKey = " WHERE campaign = ? AND run = 1 AND user = ? AND number = ?"

func (d *damaged) key(r settled) []any { return []any{d.run.Campaign, r.User, r.Number} }

// damages are all kinds that are planted.
var damages = []damage{
	{"coins appear in a slice", func(d *damaged) []finding {
		d.redis("hincrby", d.keys.Of(d.run).Pool(0), "left", 7)
		return []finding{{"pool.state", 0, "", ""}}
	}, false},
	{"coins issued without a round", func(d *damaged) []finding {
		pool := d.keys.Of(d.run).Pool(1)
		d.redis("hincrby", pool, "left", -7)
		d.redis("hincrby", pool, "issued", 7)
		return []finding{{"pool.state", 1, "", ""}}
	}, false},
	{"a transfer's number changed", func(d *damaged) []finding {
		d.redis("hincrby", d.keys.Of(d.run).Pool(2), "from:bank", 1)
		return []finding{{"pool.transfers", 2, "", ""}}
	}, false},
	{"a credit without its debit", func(d *damaged) []finding {
		slice, err := d.stack.pools.Audit(context.Background(), d.run, 3)
		d.must(err)
		d.must(d.stack.pools.Credit(context.Background(), d.run, 3, event.Transfer{Peer: event.Bank, Number: slice.From[event.Bank] + 1, Amount: 100}))
		return []finding{{"pool.moves", event.Bank, "", ""}}
	}, false},
	{"a funding that nobody ordered", func(d *damaged) []finding {
		ctx := context.Background()
		_, err := d.stack.pools.Lock(ctx, d.run, "thief", 60e9)
		d.must(err)
		_, err = d.stack.pools.Fund(ctx, d.run, "thief", event.Funding{Number: 2, Amount: 500})
		d.must(err)
		return []finding{{"pool.funding", event.Bank, "", ""}}
	}, false},
	{"an entry lost from the outbox", func(d *damaged) []finding {
		lost := d.loseFromOutbox(4)
		return []finding{{"outbox.gap", 4, "", lost}}
	}, false},
	{"an entry lost from Kafka", func(d *damaged) []finding {
		r := d.lastIn(5)
		d.hide[fmt.Sprint(d.run.Source(5), " ", r.at)] = true
		return []finding{{"log.gap", 5, "", d.idsAt(5, r.at)}}
	}, false},
	{"the ledger's cursor ahead", func(d *damaged) []finding { return d.cursorAhead(6) }, true},
	{"the ledger's cursor behind", func(d *damaged) []finding { return d.cursorBehind(7) }, true},
	{"a counter of the ledger changed", func(d *damaged) []finding {
		d.exec("UPDATE shards SET granted = granted + 3 WHERE campaign = ? AND run = 1 AND shard = 8", d.run.Campaign)
		return []finding{{"ledger.count", 8, "", ""}}
	}, true},
	{"a round's row lost", func(d *damaged) []finding {
		r := d.victim()
		d.exec("DELETE FROM rounds"+roundKey, d.key(r)...)
		return one("ledger.missing", r)
	}, true},
	{"a round lost with its entries and coins", func(d *damaged) []finding {
		r := d.victim()
		d.exec("DELETE FROM rounds"+roundKey, d.key(r)...)
		d.exec("DELETE FROM entries WHERE ref = ?", r.id)
		d.exec("UPDATE wallets SET balance = balance - ? WHERE user = ?", r.Paid, r.User)
		return one("ledger.missing", r)
	}, true},
	{"a round's coins altered", func(d *damaged) []finding {
		r := d.victim()
		d.exec("UPDATE rounds SET paid = paid + 1"+roundKey, d.key(r)...)
		return one("ledger.altered", r)
	}, true},
	{"a round that was never played", func(d *damaged) []finding {
		r := d.victim()
		r.Number += 2
		r.id = r.ID(d.run.Source(r.shard))
		d.exec(`INSERT INTO rounds (campaign, run, user, number, start_epoch, shard, epoch, seq, started_at, shakes, elapsed_ms, computed, paid, total,
			chances_left, settled_at) VALUES (?, 1, ?, ?, ?, ?, 1, 5, 0, 0, 0, 0, 4, 4, 0, 0)`, d.run.Campaign, r.User, r.Number, r.StartEpoch, r.shard)
		return one("ledger.extra", r)
	}, false},
	{"a player's entry lost", func(d *damaged) []finding {
		r := d.victim()
		d.exec("DELETE FROM entries WHERE account = ? AND ref = ?", reward.UserAccount(r.User), r.id)
		return one("book.missing", r)
	}, true},
	{"the run's entry lost", func(d *damaged) []finding {
		r := d.victim()
		d.exec("DELETE FROM entries WHERE account = ? AND ref = ?", reward.RunAccount(d.run.Campaign, 1), r.id)
		return one("book.missing", r)
	}, true},
	{"an entry altered", func(d *damaged) []finding {
		r := d.victim()
		d.exec("UPDATE entries SET coins = coins + 1 WHERE account = ? AND ref = ?", reward.UserAccount(r.User), r.id)
		return one("book.altered", r)
	}, false},
	{"a round booked twice", func(d *damaged) []finding {
		r := d.victim()
		d.exec("INSERT INTO entries (account, booked_at, ref, kind, coins) VALUES (?, 1, ?, 'grant', ?)", reward.UserAccount(r.User), r.id, r.Paid)
		d.exec("UPDATE wallets SET balance = balance + ? WHERE user = ?", r.Paid, r.User)
		return one("book.extra", r)
	}, false},
	{"a wallet off", func(d *damaged) []finding {
		r := d.victim()
		d.exec("UPDATE wallets SET balance = balance + 5 WHERE user = ?", r.User)
		return []finding{{"book.wallet", r.shard, r.User, ""}}
	}, true},
	{"a player's number raised", func(d *damaged) []finding {
		r := d.victim()
		d.redis("hincrby", d.keys.Of(d.run).Player(r.shard, r.User), "n", 2)
		return one("chances.number", r)
	}, false},
	{"a player's total off", func(d *damaged) []finding {
		r := d.victim()
		key := d.keys.Of(d.run).Player(r.shard, r.User)
		facts, err := d.stack.redis.Client().HGet(context.Background(), key, "r").Result()
		d.must(err)
		words := strings.Fields(facts)
		words[5] = strconv.FormatInt(r.Total+50, 10)
		d.redis("hset", key, "r", strings.Join(words, " "))
		return one("chances.result", r)
	}, false},
	{"a player's hash lost", func(d *damaged) []finding {
		r := d.victim()
		d.redis("del", d.keys.Of(d.run).Player(r.shard, r.User))
		return []finding{{"chances.missing", r.shard, r.User, d.idsOf(r.User)}}
	}, false},
	{"a player of whom nobody heard", func(d *damaged) []finding {
		shard := d.run.ShardOf("dev:nobody")
		d.redis("hset", d.keys.Of(d.run).Player(shard, "dev:nobody"), "n", 3, "s", "")
		return []finding{{"chances.number", shard, "dev:nobody", ""}}
	}, false},
	{"a score off", func(d *damaged) []finding {
		r := d.victim()
		d.redis("zincrby", d.boardKey(), 3<<21, r.User)
		return one("board.score", r)
	}, true},
	{"a player missing on the board", func(d *damaged) []finding {
		r := d.victim()
		d.redis("zrem", d.boardKey(), r.User)
		return one("board.missing", r)
	}, true},
	{"a player on the board who never won", func(d *damaged) []finding {
		d.redis("zadd", d.boardKey(), 77<<21, "dev:cheat")
		return []finding{{"board.extra", d.run.ShardOf("dev:cheat"), "dev:cheat", ""}}
	}, true},
	{"a notice missing", func(d *damaged) []finding {
		r := d.victim()
		d.exec("DELETE FROM notices WHERE id = ?", reward.ID(reward.KindWin, r.id))
		return one("notices.missing", r)
	}, true},
	{"a notice altered", func(d *damaged) []finding {
		r := d.victim()
		d.exec("UPDATE notices SET coins = coins + 1 WHERE id = ?", reward.ID(reward.KindWin, r.id))
		return one("notices.altered", r)
	}, false},
	{"a notice for a round that is none", func(d *damaged) []finding {
		r := d.victim()
		r.Number += 3
		r.id = r.ID(d.run.Source(r.shard))
		d.exec(`INSERT INTO notices (id, user, kind, campaign, run, round, coins, title, body, params, created_at, receipted_at)
			VALUES (?, ?, 'win', ?, 1, ?, 9, '', '', '{}', 1, 0)`, reward.ID(reward.KindWin, r.id), r.User, d.run.Campaign, r.id)
		return one("notices.extra", r)
	}, false},
}

func (d *damaged) boardKey() string {
	return d.cfg.Namespace + ":{board." + d.run.Campaign + ".1}:z"
}

// lastIn is the last round that was settled in a shard.
func (d *damaged) lastIn(shard int) settled {
	d.Helper()
	for i := len(d.rounds) - 1; i >= 0; i-- {
		if d.rounds[i].shard == shard {
			return d.rounds[i]
		}
	}
	d.Fatalf("nobody played in shard %d", shard)
	return settled{}
}

func (d *damaged) idsAt(shard int, at event.Position) string {
	return d.ids(func(r settled) bool { return r.shard == shard && r.at == at })
}

func (d *damaged) idsOf(user string) string {
	return d.ids(func(r settled) bool { return r.User == user })
}

func (d *damaged) ids(match func(settled) bool) string {
	var ids []string
	for _, r := range d.rounds {
		if match(r) {
			ids = append(ids, r.id)
		}
	}
	sort.Strings(ids)
	return strings.Join(ids, " ")
}

// more settles rounds of a shard that wait in its outbox, by the script that settles all.
func (d *damaged) more(shard int) []settled {
	d.Helper()
	before := len(d.rounds)
	var users []string
	for _, r := range d.rounds {
		if r.shard == shard && r.Number == 1 && len(users) < 3 {
			users = append(users, r.User)
		}
	}
	for _, user := range users {
		d.settleNow(shard, user)
	}
	return d.rounds[before:]
}

// loseFromOutbox settles three rounds, and deletes the entry of the second one.
func (d *damaged) loseFromOutbox(shard int) string {
	d.Helper()
	rounds := d.more(shard)
	d.redis("xdel", d.keys.Of(d.run).Out(shard), rounds[1].at.String())
	return rounds[1].id
}

// cursorAhead relays three rounds that the ledger does not read, and says that it did.
func (d *damaged) cursorAhead(shard int) []finding {
	d.Helper()
	rounds := d.more(shard)
	ctx := context.Background()
	entries, err := d.outbox.Waiting(ctx, d.run, shard, event.Position{}, 100)
	d.must(err)
	d.must(d.relay.Drain(ctx, d.run, shard))
	_, err = d.inbox.Apply(ctx, entries)
	d.must(err)
	_, err = d.board.Apply(ctx, d.run, scaleOf(d.campaign), entries)
	d.must(err)
	last := entries[len(entries)-1].Position
	d.exec("UPDATE cursors SET seq = ? WHERE reader = 'ledger' AND campaign = ? AND run = 1 AND shard = ?", last.Seq, d.run.Campaign, shard)
	var ids []string
	for _, r := range rounds {
		ids = append(ids, r.id)
	}
	sort.Strings(ids)
	return []finding{{"ledger.cursor", shard, "", strings.Join(ids, " ")}}
}

// cursorBehind says that the ledger did not read the last rounds of a shard, which it did.
func (d *damaged) cursorBehind(shard int) []finding {
	d.Helper()
	r := d.lastIn(shard)
	d.exec("UPDATE cursors SET epoch = ?, seq = ? WHERE reader = 'ledger' AND campaign = ? AND run = 1 AND shard = ?", r.at.Epoch, r.at.Seq-1, d.run.Campaign, shard)
	return []finding{{"ledger.cursor", shard, "", d.idsAt(shard, r.at)}}
}

// holed is a log that lacks some messages.
type holed struct {
	event.Log
	hide map[string]bool
}

func (h holed) Scan(ctx context.Context, topic string, partition int32, from, to int64, fn func(event.Message) error) error {
	return h.Log.Scan(ctx, topic, partition, from, to, func(m event.Message) error {
		if h.hide[m.Key+" "+m.Headers[event.HeaderPosition]] {
			return nil
		}
		return fn(m)
	})
}

func (d *damaged) findings(r *reconcile.Report) []finding {
	list := make([]finding, 0, len(r.Findings))
	for _, f := range r.Findings {
		rounds := slices.Sorted(slices.Values(f.Rounds))
		list = append(list, finding{f.Kind, f.Shard, f.User, strings.Join(rounds, " ")})
	}
	return list
}

// compare wants exactly these findings.
func (d *damaged) compare(r *reconcile.Report, want []finding) {
	d.Helper()
	got := d.findings(r)
	sortFindings(got)
	sortFindings(want)
	for _, f := range want {
		if !slices.Contains(got, f) {
			d.Errorf("not found: %+v", f)
		}
	}
	for _, f := range got {
		if !slices.Contains(want, f) {
			d.Errorf("found what was not planted: %+v", f)
		}
	}
	if len(got) != len(want) || d.Failed() {
		var text strings.Builder
		_ = r.Write(&text)
		d.Logf("%d findings, want %d\n%s", len(got), len(want), text.String())
	}
}

func sortFindings(list []finding) {
	sort.Slice(list, func(i, j int) bool { return fmt.Sprint(list[i]) < fmt.Sprint(list[j]) })
}

// TestReconcile_damage plants each kind of corruption in a run, all of them at once, and wants each of them found with
// its rounds and nothing else.
func TestReconcile_damage(t *testing.T) {
	for name, config := range installations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &damaged{world: newWorld(t, openStack(t, config(t)), "damage", 16, 400, 3), taken: map[string]bool{}, hide: map[string]bool{}}
			var want []finding
			for _, one := range damages {
				want = append(want, one.do(d)...)
			}
			r := d.check(t.Context(), holed{d.bus, d.hide}, reconcile.Options{})
			d.compare(r, want)
		})
	}
}

// TestReconcile_repair mends what can be mended, once, on record, and leaves the rest alone.
func TestReconcile_repair(t *testing.T) {
	for _, name := range []string{"embedded", "cluster"} { // which has the real Kafka and MariaDB as well
		config := installations[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &damaged{world: newWorld(t, openStack(t, config(t)), "repair", 16, 400, 3), taken: map[string]bool{}, hide: map[string]bool{}}
			var human, all []finding
			for _, one := range damages {
				if one.name == "an entry lost from Kafka" {
					continue // it is there: the hole is made for the check alone
				}
				found := one.do(d)
				all = append(all, found...)
				if !one.mended {
					human = append(human, found...)
				}
			}
			coins := d.walletSum()
			repair := func(id string) (*reconcile.Report, error) {
				return d.stack.reconcile(t.Context(), d.campaign, Reconciling{Repair: true, Apply: id, By: reconcile.Who{Name: "ann", Host: "desk"}})
			}
			planned, err := repair("")
			d.must(err)
			d.compare(planned, all)
			if n := len(planned.Plan.Actions); n != len(all)-len(human) || planned.Plan.Humans != len(human) {
				t.Fatalf("%d actions and %d for people, want %d and %d", n, planned.Plan.Humans, len(all)-len(human), len(human))
			}
			if _, err := repair("000000000000"); !errors.Is(err, reconcile.ErrOtherPlan) {
				t.Fatalf("a made-up plan: got %v", err)
			}
			if d.walletSum() != coins {
				t.Fatal("planning changed something")
			}
			mended, err := repair(planned.Plan.ID)
			d.must(err)
			d.compare(mended, human)
			for _, done := range mended.Plan.Applied {
				if done.Outcome != "done" || done.Who != "ann" || done.Host != "desk" || done.Before == "" || done.After == "" {
					t.Errorf("on record: %+v", done)
				}
			}
			coins = d.walletSum()
			again, err := repair(planned.Plan.ID)
			d.must(err)
			d.compare(again, human)
			if !reflect.DeepEqual(again.Plan.Applied, mended.Plan.Applied) || d.walletSum() != coins {
				t.Errorf("the plan was carried out twice: %+v", again.Plan)
			}
		})
	}
}

// walletSum is all coins that players have.
func (d *damaged) walletSum() (sum int64) {
	d.Helper()
	d.must(d.sql.QueryRowContext(context.Background(), "SELECT SUM(balance) FROM wallets").Scan(&sum))
	return sum
}
