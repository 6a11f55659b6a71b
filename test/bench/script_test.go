package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// BenchmarkEndScript counts what end.lua costs Redis a round, by the size of its batches: CPU of the redis-server,
// which busy neighbours disturb less than time.
func BenchmarkEndScript(b *testing.B) {
	source, err := os.ReadFile("../../game/redisgame/end.lua")
	if err != nil {
		b.Fatal(err)
	}
	for _, batch := range []int{1, 8, 20} {
		b.Run(strconv.Itoa(batch), func(b *testing.B) { endScript(b, string(source), batch) })
	}
}

func endScript(b *testing.B, source string, batch int) {
	var more []string
	if limit := os.Getenv("LISTPACK"); limit != "" {
		more = []string{"--hash-max-listpack-value", limit}
	}
	server, addr, err := startRedis(b.TempDir(), "redis", nil, more...)
	if err != nil {
		b.Fatal(err)
	}
	defer server.stop()
	ctx := b.Context()
	client := redis.NewClient(&redis.Options{Addr: addr, PoolSize: 1})
	defer client.Close()
	info, err := client.Info(ctx, "server").Result()
	if err != nil {
		b.Fatal(err)
	}
	host := regexp.MustCompile(`run_id:(\w+)`).FindStringSubmatch(info)[1]
	client.HSet(ctx, "{a}pool", "host", host, "epoch", 1, "seq", 0, "reopened_at", 0, "left", int64(1e12), "issued", 0,
		"funded", int64(1e12), "sent", 0, "received", 0, "dry", 0)
	sha, err := client.ScriptLoad(ctx, source).Result()
	if err != nil {
		b.Fatal(err)
	}
	const players = 40000
	round, number := 0, 1
	before, err := server.cpu()
	if err != nil {
		b.Fatal(err)
	}
	pipe := client.Pipeline()
	for b.Loop() {
		keys, args := []string{"{a}pool", "{a}out"}, []any{host, roundMS, 60000, 0, 0, 5000}
		for range batch {
			user := fmt.Sprintf("player-%07d", round%players)
			keys = append(keys, "{a}p:"+user)
			started := time.Now().UnixMilli() - roundMS
			args = append(args, user, number, started, 1, 20+round%50, roundMS, round%100, 10000)
			if round++; round%players == 0 {
				number++
			}
		}
		pipe.EvalSha(ctx, sha, keys, args...)
		if pipe.Len() < 4 {
			continue
		}
		if cmds, err := pipe.Exec(ctx); err != nil {
			b.Fatal(err, cmds)
		}
	}
	after, err := server.cpu()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64((after-before).Nanoseconds())/1000/float64(round), "redis-µs/round")
}
