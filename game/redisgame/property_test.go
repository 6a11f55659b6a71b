package redisgame_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/event/redisoutbox"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/gametest"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/inventory"
)

// TestProperty plays random players, ends, repeats, lost replies, draws and recalls that break off at each
// step, top-ups, withdrawals, servers that come back without their last writes, and claims of what they lost, through
// Redis and the model side by side. After every step both have the same pools and players, and every pool balances. In
// the end everybody claims everything, and each round that was ever answered is paid once.
func TestProperty(t *testing.T) {
	for _, name := range []string{"redis", "cluster"} {
		t.Run(name, func(t *testing.T) {
			s := newStores(t, servers[name], redisdb.BatchOptions{})
			var runs int64
			rapid.Check(t, func(rt *rapid.T) {
				runs++
				w := newWorld(rt, s, runs)
				rt.Repeat(map[string]func(*rapid.T){
					"start": w.start, "end": w.end, "repeat": w.repeat, "draw": w.draw, "recall": w.recall,
					"fund": w.fund, "keep": w.keep, "relay": w.relay, "lose": w.loseTail, "lose all": w.loseAll,
					"claim": w.claim, "book": w.ledger.book,
					"": w.compare,
				})
				w.redeemAll(rt)
				w.payOut(rt)
			})
		})
	}
}

// world is Redis and the model with the same run in each.
type world struct {
	*stores
	ctx     context.Context
	c       *game.Live
	model   *gametest.Model
	clock   *followed
	log     *memoryLog
	relayer *event.Relay
	opener  *inventory.Opener
	users   []string
	open    map[string]game.Started
	settled map[string]game.SettleRequest // the last one of each player
	funding int64
	saved   map[int]saved // by shard and seq: what a server that lost its tail still has
	acked   []game.Claim  // of every settle that was answered, in order
	ledger  *memoryLedger
	stale   *game.ClaimRequest // one that was made before
}

// followed is a clock that the model reads: the server's time of the reply before.
type followed struct{ now time.Time }

// to moves the clock on, never back: each shard of a cluster has its server's clock.
func (f *followed) to(t time.Time) {
	if t.After(f.now) {
		f.now = t
	}
}

// saved is a copy of a shard's keys.
type saved struct {
	seq  int64
	dump map[string]string
}

func newWorld(rt *rapid.T, s *stores, number int64) *world {
	shards := rapid.SampledFrom([]int{1, 2, 3}).Draw(rt, "shards")
	w := &world{
		stores: s, ctx: context.Background(), clock: &followed{now: time.Now()}, log: &memoryLog{},
		open: map[string]game.Started{}, settled: map[string]game.SettleRequest{}, saved: map[int]saved{},
	}
	w.c = gametest.Campaign("property", shards, func(c *game.Campaign) {
		c.Run, c.LateMS = number, 600_000
		c.PlayerCap = rapid.SampledFrom([]int64{0, 25}).Draw(rt, "player cap")
	})
	w.ledger = &memoryLedger{log: w.log, cursors: map[event.Source]event.Cursor{}, rounds: map[string]int64{}, coins: map[string]int64{}}
	w.model = gametest.NewModel(func() time.Time { return w.clock.now })
	for i := range 6 {
		w.users = append(w.users, fmt.Sprintf("u%d", i))
	}
	w.relayer = event.NewRelay(redisoutbox.New(s.db, s.keys, redisoutbox.Options{}), w.log, event.RelayOptions{Owner: "test", Topic: "log", MaxBatch: 2})
	w.opener = inventory.NewOpener(s.pools, w.relayer, w.log, w.log, "log")
	w.reopen(rt)
	return w
}

// reopen opens what is closed: Redis from the log, the model from its memory.
func (w *world) reopen(t *rapid.T) {
	if _, err := w.opener.Open(w.ctx, w.c.Life, nil); err != nil {
		t.Fatalf("open: %v", err)
	}
	for _, shard := range w.c.Life.Pools() {
		slice, err := w.pools.Audit(w.ctx, w.c.Life, shard)
		if err != nil || !slice.Open {
			t.Fatalf("audit %d after opening: %+v, %v", shard, slice, err)
		}
		w.clock.to(slice.ReopenedAt)
		least, err := w.model.Seal(w.ctx, w.c.Life, shard, inventory.Seal{Token: fmt.Sprint("t", slice.Epoch), Least: slice.Epoch})
		if err != nil {
			t.Fatal(err)
		}
		if least == 0 {
			continue
		}
		if err := w.model.Open(w.ctx, w.c.Life, shard, fmt.Sprint("t", slice.Epoch), least, event.Mark{}); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) user(t *rapid.T) string { return rapid.SampledFrom(w.users).Draw(t, "user") }

// same checks that Redis and the model say the same.
func same(t *rapid.T, what string, err, modelErr error) bool {
	if (err == nil) != (modelErr == nil) || err != nil && err.Error() != modelErr.Error() {
		t.Fatalf("%s: Redis says %v, the model %v", what, err, modelErr)
	}
	return err == nil
}

func (w *world) start(t *rapid.T) {
	w.startAs(t, w.user(t), rapid.Int64Range(-1, 2).Draw(t, "step"), rapid.SampledFrom([]int64{3, 1000}).Draw(t, "granted"),
		rapid.IntRange(0, 9).Draw(t, "closed") == 0)
}

func (w *world) startAs(t *rapid.T, user string, step, granted int64, closed bool) {
	st, err := w.model.Standing(w.ctx, w.c, user)
	if err != nil {
		t.Fatal(err)
	}
	r := game.StartRequest{User: user, Number: st.Number + step, Granted: granted, Closed: closed}
	got, err := w.rounds.Start(w.ctx, w.c, r)
	if err == nil {
		w.clock.to(time.UnixMilli(got.At))
	}
	want, modelErr := w.model.Start(w.ctx, w.c, r)
	if same(t, "start", err, modelErr) && got != want {
		t.Fatalf("start: Redis gave %+v, the model %+v", got, want)
	}
	if err == nil {
		w.open[user] = got
	}
}

func (w *world) end(t *rapid.T) {
	w.endAs(t, w.user(t))
}

func (w *world) endAs(t *rapid.T, user string) {
	s, ok := w.open[user]
	if !ok {
		return
	}
	r := game.SettleRequest{
		Token:  game.Token{Run: w.c.Run, Epoch: s.Epoch, Number: s.Number, Shard: int64(w.c.Life.ShardOf(user)), StartedAt: s.At, User: user},
		Shakes: rapid.Int64Range(0, 3).Draw(t, "shakes"), Computed: rapid.Int64Range(0, 30).Draw(t, "coins"), Granted: 1000,
	}
	w.settle(t, r)
	w.settled[user] = r
}

// repeat sends an end again, as after a lost reply, sometimes with other shakes.
func (w *world) repeat(t *rapid.T) {
	r, ok := w.settled[w.user(t)]
	if !ok {
		return
	}
	r.Shakes += rapid.Int64Range(0, 1).Draw(t, "more shakes")
	w.settle(t, r)
}

func (w *world) settle(t *rapid.T, r game.SettleRequest) {
	got, err := w.rounds.Settle(w.ctx, w.c, r)
	if err == nil {
		w.clock.to(time.UnixMilli(got.Round.SettledAt)) // a repeat tells of before
	}
	want, modelErr := w.model.Settle(w.ctx, w.c, r)
	if same(t, "end", err, modelErr) && got != want {
		t.Fatalf("end: Redis gave %+v, the model %+v", got, want)
	}
	if err == nil {
		w.acked = append(w.acked, game.Claim{
			Campaign: w.c.ID, Run: w.c.Run, Shard: int64(w.c.Life.ShardOf(r.Token.User)), At: got.At, Round: got.Round,
		})
	}
}

// both runs a step of a transfer on both sides.
func (w *world) both(t *rapid.T, what string, fn func(inventory.Store) (int64, error)) (int64, bool) {
	got, err := fn(w.pools)
	want, modelErr := fn(w.model)
	for _, sentinel := range []error{inventory.ErrBusy, inventory.ErrStale, inventory.ErrEmpty, inventory.ErrShort, inventory.ErrLocked} {
		if errors.Is(err, sentinel) != errors.Is(modelErr, sentinel) {
			t.Fatalf("%s: Redis says %v, the model %v", what, err, modelErr)
		}
	}
	if (err == nil) != (modelErr == nil) || got != want {
		t.Fatalf("%s: Redis gave %d, %v, the model %d, %v", what, got, err, want, modelErr)
	}
	return got, err == nil
}

func (w *world) draw(t *rapid.T)   { w.move(t, event.Bank, w.shard(t)) }
func (w *world) recall(t *rapid.T) { w.move(t, w.shard(t), event.Bank) }

func (w *world) shard(t *rapid.T) int {
	return rapid.IntRange(0, w.c.Shards-1).Draw(t, "shard")
}

// move makes a transfer under the number after the last that arrived, or that one again, and often breaks off
// after the debit.
func (w *world) move(t *rapid.T, from, to int) {
	receiver, err := w.model.Audit(w.ctx, w.c.Life, to)
	if err != nil {
		t.Fatal(err)
	}
	number := receiver.From[from] + rapid.SampledFrom([]int64{1, 1, 1, 0}).Draw(t, "number")
	want := rapid.Int64Range(0, 40).Draw(t, "want")
	part := rapid.SampledFrom([]int64{0, 4}).Draw(t, "part")
	amount, ok := w.both(t, "debit", func(s inventory.Store) (int64, error) {
		return s.Debit(w.ctx, w.c.Life, from, to, number, want, part)
	})
	if !ok || rapid.IntRange(0, 2).Draw(t, "break off") == 0 {
		return
	}
	w.safe(t, from)
	w.both(t, "credit", func(s inventory.Store) (int64, error) {
		return 0, s.Credit(w.ctx, w.c.Life, to, event.Transfer{Peer: from, Number: number, Amount: amount})
	})
	w.safe(t, to)
}

// safe stands for the WAIT between the steps of a transfer: what another pool is told can't be lost any more.
func (w *world) safe(t *rapid.T, pools ...int) {
	for _, shard := range pools {
		if err := w.relayer.Drain(w.ctx, w.c.Life, shard); err != nil {
			t.Fatalf("relay: %v", err)
		}
	}
}

// fund tops up or withdraws, under a number that is the next one or the last again.
func (w *world) fund(t *rapid.T) {
	again := rapid.Bool().Draw(t, "again")
	f := event.Funding{Number: w.funding, Amount: 1} // not what it brought: that is told
	if !again {
		f = event.Funding{Number: w.funding + 1, Amount: rapid.SampledFrom([]int64{60, 30, -20, 0}).Draw(t, "amount")}
	}
	if f.Number == 0 {
		return
	}
	_, ok := w.both(t, "fund", func(s inventory.Store) (int64, error) {
		funder := inventory.NewKeeper(s, w.c.Life, "f") // which ends droughts before coins come
		funder.LockTTL = time.Hour
		return funder.Fund(w.ctx, f)
	})
	if ok {
		w.funding = f.Number
	}
	w.safe(t, w.c.Life.Pools()...)
}

// keep lets a keeper look once on each side: sweeping, drawing, recalling, declaring dry.
func (w *world) keep(t *rapid.T) {
	for _, s := range []inventory.Store{w.pools, w.model} {
		w.clock.to(time.Now())
		keeper := inventory.NewKeeper(s, w.c.Life, "k")
		keeper.LockTTL = time.Hour // a machine that is busy with other tests must not make the lock run out
		if _, err := keeper.Keep(w.ctx, time.Now()); err != nil {
			t.Fatalf("keep: %v", err)
		}
	}
	w.safe(t, w.c.Life.Pools()...)
}

// relay carries one outbox into the log, or half-way: it is sent and not trimmed, so it will be sent again.
func (w *world) relay(t *rapid.T) {
	shard := rapid.IntRange(event.Bank, w.c.Shards-1).Draw(t, "pool")
	w.save(t, shard)
	w.log.mu.Lock()
	w.log.loseReply = rapid.IntRange(0, 3).Draw(t, "reply lost") == 0
	w.log.mu.Unlock()
	err := w.relayer.Drain(w.ctx, w.c.Life, shard)
	w.log.mu.Lock()
	w.log.loseReply = false
	w.log.mu.Unlock()
	if err != nil && !errors.Is(err, errReplyLost) {
		t.Fatalf("relay: %v", err)
	}
}

// save keeps a copy of a shard's keys, to come back to.
func (w *world) save(t *rapid.T, shard int) {
	slice, err := w.pools.Audit(w.ctx, w.c.Life, shard)
	if err != nil {
		t.Fatal(err)
	}
	keys := w.keysOf(shard)
	copies := map[string]string{}
	for _, key := range keys {
		dump, err := w.db.Client().Dump(w.ctx, key).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
		if err == nil {
			copies[key] = dump
		}
	}
	w.saved[shard] = saved{seq: slice.Seq, dump: copies}
}

func (w *world) keysOf(shard int) []string {
	k := w.keys.Of(w.c.Life)
	list := []string{k.Pool(shard), k.Out(shard)}
	if shard != event.Bank {
		for _, u := range w.users {
			if w.c.Life.ShardOf(u) == shard {
				list = append(list, k.Player(shard, u))
			}
		}
	}
	return list
}

// loseTail is a replica that was behind and is promoted: one pool comes back as it was when it was saved.
// What the log has since then is applied, what it has not is gone.
func (w *world) loseTail(t *rapid.T) {
	shard := rapid.IntRange(event.Bank, w.c.Shards-1).Draw(t, "pool")
	old, ok := w.saved[shard]
	if !ok {
		return
	}
	delete(w.saved, shard)
	for _, key := range w.keysOf(shard) {
		if err := w.db.Client().Del(w.ctx, key).Err(); err != nil {
			t.Fatal(err)
		}
		if dump, had := old.dump[key]; had {
			if err := w.db.Client().RestoreReplace(w.ctx, key, 0, dump).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.db.Client().HSet(w.ctx, w.keys.Of(w.c.Life).Pool(shard), "host", "gone").Err(); err != nil {
		t.Fatal(err)
	}
	w.afterLoss(t, map[int]int64{shard: old.seq})
}

// loseAll is total loss: nothing is left but the log.
func (w *world) loseAll(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "really") > 0 {
		return
	}
	left := map[int]int64{}
	for _, shard := range w.c.Life.Pools() {
		for _, key := range w.keysOf(shard) {
			if err := w.db.Client().Del(w.ctx, key).Err(); err != nil {
				t.Fatal(err)
			}
		}
		left[shard] = 0
	}
	w.saved = map[int]saved{}
	w.afterLoss(t, left)
}

// afterLoss tells the model what is left of each pool, and reopens.
func (w *world) afterLoss(t *rapid.T, left map[int]int64) {
	for shard, seq := range left {
		logged := w.log.last(w.c.Life.Source(shard).String())
		w.model.Rewind(w.c.Life, shard, max(seq, logged))
		w.model.Fence(w.c.Life, shard)
	}
	w.reopen(t)
	if s, err := w.model.Audit(w.ctx, w.c.Life, event.Bank); err == nil {
		w.funding = s.Funding.Number
	}
	w.open = map[string]game.Started{}
	for _, u := range w.users {
		if st, err := w.model.Standing(w.ctx, w.c, u); err == nil && st.Open != nil {
			w.open[u] = *st.Open
		}
	}
}

// compare checks that Redis and the model are the same, and that every pool balances.
func (w *world) compare(t *rapid.T) {
	for _, shard := range w.c.Life.Pools() {
		got, err := w.pools.Audit(w.ctx, w.c.Life, shard)
		want, modelErr := w.model.Audit(w.ctx, w.c.Life, shard)
		if err != nil || modelErr != nil {
			t.Fatalf("audit: %v, %v", err, modelErr)
		}
		if !got.Balanced() {
			t.Fatalf("%s does not balance: %+v", got.Source, got.State)
		}
		if got.Position != want.Position || got.State != want.State || got.Need != want.Need || got.Funding != want.Funding {
			t.Fatalf("%s: Redis has %+v, the model %+v", got.Source, got, want)
		}
	}
	for _, u := range w.users {
		got, err := w.rounds.Standing(w.ctx, w.c, u)
		want, modelErr := w.model.Standing(w.ctx, w.c, u)
		if err != nil || modelErr != nil {
			t.Fatalf("standing: %v, %v", err, modelErr)
		}
		if got.Number != want.Number || !equal(got.Open, want.Open) || !equal(got.Last, want.Last) || got.Extra != want.Extra {
			t.Fatalf("%s: Redis has %+v, the model %+v", u, got, want)
		}
	}
}

func equal[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

// payOut ends the run: everybody shakes until the pool has nothing left, and the last coin must be paid; nobody
// may be paid less than computed while a coin is anywhere else.
func (w *world) payOut(t *rapid.T) {
	keeper := inventory.NewKeeper(w.pools, w.c.Life, "end")
	for step := 0; step < 400; step++ {
		all, err := inventory.Audit(w.ctx, w.pools, w.c.Life)
		if err != nil {
			t.Fatal(err)
		}
		if inventory.LevelOf(w.c.Life, all, time.Now()).Left == 0 {
			return
		}
		user := fmt.Sprintf("late%d", step)
		s, err := w.rounds.Start(w.ctx, w.c, game.StartRequest{User: user, Number: 1, Granted: 1})
		if err != nil {
			t.Fatalf("start: %v", err)
		}
		w.payOne(t, keeper, user, s)
	}
	t.Fatal("coins are left after 400 rounds of 20")
}

func (w *world) payOne(t *rapid.T, keeper *inventory.Keeper, user string, s game.Started) {
	const computed = 20
	r := game.SettleRequest{
		Token: game.Token{Run: w.c.Run, Epoch: s.Epoch, Number: 1, StartedAt: s.At, User: user}, Shakes: 1, Computed: computed, Granted: 1,
	}
	for range 10 {
		done, err := w.rounds.Settle(w.ctx, w.c, r)
		var short *game.ShortError
		if errors.As(err, &short) {
			if _, err := keeper.Keep(w.ctx, time.Now()); err != nil {
				t.Fatalf("keep: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("end: %v", err)
		}
		all, err := inventory.Audit(w.ctx, w.pools, w.c.Life)
		if err != nil {
			t.Fatal(err)
		}
		if left := inventory.LevelOf(w.c.Life, all, time.Now()).Left; done.Round.Paid < computed && left > 0 {
			t.Fatalf("%s was paid %d of %d while %d coins were left", user, done.Round.Paid, computed, left)
		}
		return
	}
	t.Fatalf("%s was never paid", user)
}

// memoryLog is a log of one partition.
type memoryLog struct {
	mu        sync.Mutex
	messages  []event.Message
	loseReply bool
}

var errReplyLost = errors.New("reply lost")

// Produce implements event.Producer.
func (l *memoryLog) Produce(_ context.Context, messages ...event.Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range messages {
		messages[i].Offset = int64(len(l.messages))
		l.messages = append(l.messages, messages[i])
	}
	if l.loseReply {
		return errReplyLost
	}
	return nil
}

// last is the seq of the last entry of a source that counts. The last one in the log need not be it: an outbox that
// came back with old data is sent once more.
func (l *memoryLog) last(key string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var c event.Cursor
	for _, m := range l.messages {
		if e, err := event.Decode(m.Value); err == nil && m.Key == key && c.Judge(e) == event.Apply {
			c = c.Advance(e)
		}
	}
	return c.Seq
}

// Partition implements event.Log.
func (l *memoryLog) Partition(context.Context, string, string) (int32, error) { return 0, nil }

// Partitions implements event.Log.
func (l *memoryLog) Partitions(context.Context, string) (int32, error) { return 1, nil }

// Start implements event.Log.
func (l *memoryLog) Start(context.Context, string, int32) (int64, error) { return 0, nil }

// End implements event.Log.
func (l *memoryLog) End(context.Context, string, int32) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.messages)), nil
}

// Scan implements event.Log.
func (l *memoryLog) Scan(_ context.Context, _ string, _ int32, from, to int64, fn func(event.Message) error) error {
	l.mu.Lock()
	part := slices.Clone(l.messages[from:to])
	l.mu.Unlock()
	for _, m := range part {
		if err := fn(m); err != nil {
			return err
		}
	}
	return nil
}
