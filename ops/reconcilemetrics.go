package ops

import "time"

// Reconciled tells how a check of a run came out: differences by identity.
func (m *Metrics) Reconciled(campaign, check string, differences map[string]int, ended time.Time, took time.Duration) {
	for identity, n := range differences {
		m.differences.WithLabelValues(campaign, check, identity).Set(float64(n))
	}
	m.reconciled.WithLabelValues(campaign, check).Set(float64(ended.UnixMilli()) / 1000)
	m.reconcileS.WithLabelValues(campaign, check).Set(took.Seconds())
}

// Unreconciled counts a check that could not be made.
func (m *Metrics) Unreconciled(campaign, check string) {
	m.unchecked.WithLabelValues(campaign, check).Inc()
}
