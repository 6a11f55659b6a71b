package redisgame_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/gametest"
	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
)

// A result that its replica lacks is not safe, whoever asks in whatever way, and on a connection that has written
// nothing before. Servers from 7.2 on need a write before each WAIT for that, and the scripts make one; 7.0 hides the
// mistake, so on it this test is about the rest.
func TestSafe_onlyWhereAReplicaHasIt(t *testing.T) {
	primary := testenv.StartRedis(t, testenv.RedisOptions{})
	replica := testenv.StartRedis(t, testenv.RedisOptions{ReplicaOf: primary.Addr()})
	server := func(testing.TB) redisdb.Options { return redisdb.Options{Addrs: []string{primary.Addr()}} }
	linked(t, primary)
	replicated := redisdb.BatchOptions{Replicas: 1, WaitTimeout: 200 * time.Millisecond}
	s := newStores(t, server, replicated)
	// another is a second node, whose connections are new and whose keys are the same.
	another := func() *stores { return newStores(t, server, replicated).over(s.keys) }
	ctx := context.Background()
	c := gametest.Campaign("safe", 1, func(c *game.Campaign) { c.EarlyMS = 0 })
	if err := gametest.OpenAll(ctx, s.pools, c.Life); err != nil {
		t.Fatal(err)
	}
	if err := gametest.Fund(ctx, s.pools, c.Life, 1, 100); err != nil {
		t.Fatal(err)
	}
	started, err := s.rounds.Start(ctx, c, game.StartRequest{User: "ann", Number: 1, Granted: 5})
	if err != nil {
		t.Fatal(err)
	}
	settle := func(s *stores) bool {
		t.Helper()
		r, err := s.rounds.Settle(ctx, c, game.SettleRequest{
			Token: game.Token{Run: c.Run, Epoch: started.Epoch, Number: 1, StartedAt: started.At, User: "ann"}, Shakes: 3, Computed: 7, Granted: 5,
		})
		if err != nil {
			t.Fatal(err)
		}
		return r.Safe
	}
	read := func(s *stores) bool {
		t.Helper()
		st, err := s.rounds.Standing(ctx, c, "ann")
		if err != nil || st.Last == nil || st.Last.Round.Paid != 7 {
			t.Fatalf("got %+v, %v, want the round with its 7 coins", st, err)
		}
		return st.Last.Safe
	}
	claim := func(s *stores, user string) bool {
		t.Helper()
		now := time.Now().UnixMilli()
		coins, err := s.rounds.Claim(ctx, c, game.ClaimRequest{Granted: 5, Claim: game.Claim{Campaign: c.ID, Run: c.Run, At: event.Position{Seq: 1}, Round: event.Round{
			User: user, Number: 1, StartedAt: now - 5000, Shakes: 3, ElapsedMS: 1000, Computed: 4, Paid: 4, Total: 4, SettledAt: now - 4000,
		}}})
		if err != nil && !errors.Is(err, game.ErrPending) || err == nil && coins != 4 {
			t.Fatalf("claim: got %d, %v, want 4 coins, or to wait", coins, err)
		}
		return err == nil
	}
	replica.Pause()
	for name, safe := range map[string]bool{
		"the end": settle(s), "the same end": settle(s), "the same end elsewhere": settle(another()), "a look": read(s), "a look from elsewhere": read(another()),
		"a claim": claim(s, "bob"), "the same claim": claim(s, "bob"), "the same claim elsewhere": claim(another(), "bob"),
		"a claim beside": claim(s, "ann"), "the same beside": claim(s, "ann"), "the same beside elsewhere": claim(another(), "ann"),
	} {
		if safe {
			t.Errorf("%s counts as safe while the replica stands still", name)
		}
	}
	replica.Resume()
	for giveUp := time.Now().Add(10 * time.Second); !settle(s) || !read(another()) || !claim(s, "bob") || !claim(another(), "ann"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(giveUp) {
			t.Fatal("it never becomes safe although the replica goes on")
		}
	}
}

// linked waits until the primary's replica takes what it writes.
func linked(t *testing.T, primary *testenv.Server) {
	t.Helper()
	db, err := redisdb.Open(t.Context(), redisdb.Options{Addrs: []string{primary.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for giveUp := time.Now().Add(10 * time.Second); ; {
		pipe := db.Client().Pipeline() // one connection: a WAIT is for what its own has written
		pipe.Set(t.Context(), "linked", 1, time.Minute)
		n := pipe.Do(t.Context(), "wait", 1, 500)
		if _, err := pipe.Exec(t.Context()); err == nil && n.Val() == int64(1) {
			return
		}
		if time.Now().After(giveUp) {
			t.Fatal("the replica follows nobody")
		}
	}
}
