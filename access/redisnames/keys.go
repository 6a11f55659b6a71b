package redisnames

// key is where a user's name is. It has no hash tag, so names lie on all primaries and none is a hot one, and it begins
// with no run's prefix, so retiring a run leaves it.
func (s *Store) key(user string) string { return s.namespace + ":name:" + user }
