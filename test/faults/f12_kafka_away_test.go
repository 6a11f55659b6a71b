package faults

import "time"

// Kafka cannot be reached for more than a minute. Rounds go on, and what they did waits in the outboxes.
func init() {
	add(12, "kafka-away", plan{recovery: prompt, more: "reconcile: {rounds: 5s}"}, func(s *scene) {
		s.play()
		s.breaks("Kafka is away", "OutboxGrows", "RelayFailing", "NotReady", "ReconcileFailing")
		for _, l := range s.linksTo(s.kafka) {
			l.Cut()
		}
		s.pause(65 * time.Second)
		s.mend()
		s.everyShard()
	})
}
