// Package redisnames keeps in Redis by what name each player is shown to others: one key per player, which goes by
// itself when its player has not logged in for long.
package redisnames

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// Store keeps names. Names that were lost come back with the players' next logins.
type Store struct {
	client    redis.UniversalClient
	namespace string
	ttl       time.Duration
}

// New makes the store of a namespace; a name stays for ttl after the last login that told it.
func New(client redis.UniversalClient, namespace string, ttl time.Duration) *Store {
	return &Store{client: client, namespace: namespace, ttl: ttl}
}

// Put keeps the name of each user, and forgets it where it is empty. It tells how many it did, also with an error.
func (s *Store) Put(ctx context.Context, names map[string]string) (int, error) {
	if len(names) == 0 {
		return 0, nil
	}
	done := 0
	cmds, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error { // of many slots, so no MSET
		for user, name := range names {
			if name == "" {
				p.Del(ctx, s.key(user))
			} else {
				p.Set(ctx, s.key(user), name, s.ttl)
			}
		}
		return nil
	})
	for _, cmd := range cmds {
		if cmd.Err() == nil {
			done++
		}
	}
	return done, err
}

// Names gives the names of those of the users who have one, also with an error: those that could be read.
func (s *Store) Names(ctx context.Context, users []string) (map[string]string, error) {
	names := make(map[string]string, len(users))
	if len(users) == 0 {
		return names, nil
	}
	cmds, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, user := range users {
			p.Get(ctx, s.key(user))
		}
		return nil
	})
	if len(cmds) != len(users) { // nothing was sent
		return names, err
	}
	err = nil // the pipeline's error is its first command's, which may be that there is no such name
	for i, cmd := range cmds {
		switch name, failed := cmd.(*redis.StringCmd).Result(); {
		case failed == nil:
			names[users[i]] = name
		case !errors.Is(failed, redis.Nil):
			err = failed
		}
	}
	return names, err
}
