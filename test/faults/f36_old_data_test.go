package faults

import (
	"os"
	"time"
)

// A primary comes back with the data of some seconds ago, before anybody has taken over: a disk that was restored. It must
// not settle a round before a worker has brought it up to what Kafka has. What Kafka has not either, the last moments, is
// claimed: that the replica had it does not help, since it copies what its primary has.
func init() {
	add(36, "node-with-old-data", plan{claims: true}, func(s *scene) {
		s.play()
		at := s.shardAt(0)
		old := s.t.TempDir()
		s.must(os.CopyFS(old, os.DirFS(at.primary.Dir())))
		s.rounds(300)
		s.breaks("the primary of shard 0 is back with old data")
		at.primary.Kill()
		s.must(os.RemoveAll(at.primary.Dir()))
		s.must(os.CopyFS(at.primary.Dir(), os.DirFS(old)))
		at.primary.Restart()
		s.pause(time.Second)
		s.everyShard()
	})
}
