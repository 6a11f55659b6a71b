package faults

import (
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/event"
)

// A key has another type than it should. Whoever needs it is not settled, everybody else is, and nothing is written by
// half: what was there before goes on as if nothing had happened.
func init() {
	add(6, "wrong-type-planted", plan{}, func(s *scene) {
		s.play()
		victim := s.crowd.players[0]
		shard := victim.shard
		s.breaks("keys of one shard after the other are planted over", "RedisRefuses", "KeeperFailing")
		for _, key := range []string{s.keys.Pool(shard), s.keys.Out(shard), s.keys.Player(shard, victim.user), s.keys.Pool(event.Bank), s.keys.Out(event.Bank)} {
			s.plant(key, 1500*time.Millisecond)
		}
		s.everyShard()
	})
}

// plant puts a string where something else is, for a while.
func (s *scene) plant(key string, d time.Duration) {
	s.t.Helper()
	saved := key + ":saved" // has the same tag
	for _, step := range []func(redis.Pipeliner){
		func(p redis.Pipeliner) { p.Rename(s.ctx, key, saved); p.Set(s.ctx, key, "planted", 0) },
		func(p redis.Pipeliner) { p.Rename(s.ctx, saved, key) },
	} {
		_, err := s.Redis.Client().TxPipelined(s.ctx, func(p redis.Pipeliner) error { step(p); return nil })
		s.must(err)
		s.note("%s", key)
		s.pause(d)
	}
}
