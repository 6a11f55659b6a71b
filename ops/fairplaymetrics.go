package ops

// Judged implements referee.Observer.
func (m *Metrics) Judged(campaign string) { m.judged.WithLabelValues(campaign).Inc() }

// Flagged implements referee.Observer.
func (m *Metrics) Flagged(campaign, reason string) {
	m.flagged.WithLabelValues(campaign, reason).Inc()
}

// Unjudged implements referee.Observer.
func (m *Metrics) Unjudged(what string, n int) { m.unjudged.WithLabelValues(what).Add(float64(n)) }

// Crowded implements referee.Observer.
func (m *Metrics) Crowded(campaign string) { m.crowded.WithLabelValues(campaign).Inc() }
