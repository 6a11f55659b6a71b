package app

import (
	"context"
	"time"
)

// watchSelf is how often a process looks at what its alarms stand on, besides what it does anyway.
const watchSelf = 5 * time.Second

// watchReady tells by metrics what readiness says: an orchestrator that asks keeps it for itself.
func (a *App) watchReady(ctx context.Context) {
	for ctx.Err() == nil {
		reasons := a.door.Reasons(ctx)
		for _, c := range a.checks {
			_, fails := reasons[c.Name]
			if ctx.Err() == nil {
				a.metrics.Ready(c.Name, !fails)
			}
		}
		pause(ctx, watchSelf)
	}
}

// watchMemory keeps the metric of Redis's memory: outboxes grow in it while Kafka is away.
func (s *stack) watchMemory(ctx context.Context) {
	for ctx.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, watchSelf)
		used, most, err := s.redis.Memory(limited)
		cancel()
		if err == nil { // else readiness tells of it
			s.metrics.Memory(used, most)
		}
		pause(ctx, watchSelf)
	}
}
