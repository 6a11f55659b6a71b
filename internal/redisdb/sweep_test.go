package redisdb

import (
	"context"
	"fmt"
	"testing"

	"github.com/shake-live/shake/internal/testenv"
)

func TestUnlink(t *testing.T) {
	for name, opts := range map[string]func() Options{
		"server":  func() Options { return Options{Addrs: []string{testenv.Redis(t)}} },
		"cluster": func() Options { return Options{Addrs: testenv.RedisCluster(t), Cluster: true} },
	} {
		t.Run(name, func(t *testing.T) {
			db, err := Open(t.Context(), opts())
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			ns := testenv.Namespace(t)
			gone, kept := NewKeys(ns, "old", 1, 4), NewKeys(ns, "old", 11, 4)
			pipe := db.Client().Pipeline()
			for i := range 3000 {
				pipe.HSet(t.Context(), gone.Player(i%4, fmt.Sprint("user-", i)), "n", 1)
			}
			others := []string{kept.Pool(0), kept.Player(1, "ann"), ns + ":{olds.1.0.0}:pool", ns + ":x"}
			for _, key := range others {
				pipe.HSet(t.Context(), key, "n", 1)
			}
			if _, err := pipe.Exec(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n, err := db.Unlink(t.Context(), gone.Run()); n != 3000 || err != nil {
				t.Errorf("got %d, %v; want 3000 keys gone", n, err)
			}
			if n, err := db.Unlink(t.Context(), gone.Run()); n != 0 || err != nil {
				t.Errorf("the second time: got %d, %v; want nothing left", n, err)
			}
			for _, key := range others {
				if n, err := db.Client().Exists(t.Context(), key).Result(); n != 1 || err != nil {
					t.Errorf("%s: got %d, %v; want it kept", key, n, err)
				}
			}
		})
	}
}

func TestUnlink_refusesEverything(t *testing.T) {
	db := &DB{}
	if _, err := db.Unlink(context.Background(), ""); err == nil {
		t.Error("no prefix was taken for one")
	}
}

func TestLiterally(t *testing.T) {
	for text, want := range map[string]string{"a:{b.1.": "a:{b.1.", "*": `\*`, `a?[b]\`: `a\?\[b\]\\`} {
		if got := literally(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
