package redisdb_test

import (
	"strings"
	"testing"
	"time"

	"github.com/shake-live/shake/internal/redisdb"
	"github.com/shake-live/shake/internal/testenv"
)

func TestWantReplicas(t *testing.T) {
	primary := testenv.StartRedis(t, testenv.RedisOptions{})
	db, err := redisdb.Open(t.Context(), redisdb.Options{Addrs: []string{primary.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.WantReplicas(t.Context(), 0); err != nil {
		t.Errorf("got %v where none is wanted", err)
	}
	if err := db.WantReplicas(t.Context(), 1); err == nil || !strings.Contains(err.Error(), primary.Addr()+" has 0") {
		t.Errorf("got %v, want to be told of the primary that has none", err)
	}
	testenv.StartRedis(t, testenv.RedisOptions{ReplicaOf: primary.Addr()})
	for giveUp := time.Now().Add(15 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if err = db.WantReplicas(t.Context(), 1); err == nil || time.Now().After(giveUp) {
			break
		}
	}
	if err != nil {
		t.Errorf("got %v with a replica", err)
	}
	if err := db.WantReplicas(t.Context(), 2); err == nil {
		t.Error("got no error with one replica of two")
	}
}
