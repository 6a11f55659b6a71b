package faults

import "time"

// Scripts run and their replies vanish, again and again: whoever sent them cannot know, and asks once more.
func init() {
	add(8, "reply-lost-after-execution", plan{}, func(s *scene) {
		s.play()
		lossy := s.link(s.shardAt(0).primary)
		s.breaks("replies of the primary of shard 0 are lost now and then")
		for range 15 {
			s.must(lossy.LoseReplies(20 * time.Millisecond))
			s.pause(100 * time.Millisecond)
			s.must(lossy.Mend())
			s.pause(400 * time.Millisecond)
		}
		s.everyShard()
	})
}
