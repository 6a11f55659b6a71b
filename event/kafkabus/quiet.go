package kafkabus

import "github.com/rcrowley/go-metrics"

// Sarama counts every request into go-metrics, which costs CPU on the hot path and starts a ticking goroutine
// that never ends. This switch is the only one that reaches all of it, and before any client is made is the
// only safe time to set it: hence an init, against our custom. Our own metrics come from event's observers.
func init() { metrics.UseNilMetrics = true }
