package ops

import "time"

// PushServiceAsked implements httppush.Observer.
func (m *Metrics) PushServiceAsked(outcome string, took time.Duration) {
	m.asked.WithLabelValues(outcome).Inc()
	m.askedLat.Observe(took.Seconds())
}

// HandedOver implements reward.CourierObserver.
func (m *Metrics) HandedOver(fate string) { m.fates.WithLabelValues(fate).Inc() }

// Underway implements reward.CourierObserver.
func (m *Metrics) Underway(deliveries int) { m.underway.Set(float64(deliveries)) }

// Waiting implements reward.CourierObserver.
func (m *Metrics) Waiting(notices int) { m.waiting.Set(float64(notices)) }
