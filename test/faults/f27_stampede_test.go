package faults

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// Every copy of the configuration in Redis is gone at once, again and again, and the database is slow: one flight a node
// asks it, everybody else plays on by the copy that there is.
func init() {
	add(27, "cache-stampede", plan{recovery: prompt}, func(s *scene) {
		s.play()
		s.must(s.database.Slow(400*time.Millisecond, 100*time.Millisecond))
		before := s.selects()
		s.breaks("the cached configuration vanishes, and the database is slow", "CatalogStale")
		for range 20 {
			s.forgetConfigs()
			s.pause(250 * time.Millisecond)
		}
		asked, rounds := s.selects()-before, s.crowd.count()
		s.mend()
		s.note("the database answered %d questions for %d rounds", asked, rounds)
		// Two nodes and two workers; each may ask for each of 20 losses, and workers have questions of their own.
		if most := 20*4*3 + 300; asked > most {
			s.t.Errorf("the database was asked %d times, want at most %d", asked, most)
		}
		s.everyShard()
	})
}

// forgetConfigs removes the campaigns that nodes share by Redis.
func (s *scene) forgetConfigs() {
	s.t.Helper()
	s.must(s.Redis.EachPrimary(s.ctx, func(ctx context.Context, node *redis.Client) error {
		keys, err := node.Keys(ctx, s.servers.Namespace+":*campaign*").Result()
		for _, key := range keys {
			if err == nil {
				err = node.Del(ctx, key).Err()
			}
		}
		return err
	}))
}

// selects counts what the database was asked.
func (s *scene) selects() (n int) {
	s.t.Helper()
	var name string
	s.must(s.SQL.QueryRowContext(s.ctx, "SHOW GLOBAL STATUS LIKE 'Com_select'").Scan(&name, &n))
	return n
}
