package ops

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// InLine shows how many connections wait at the door for their turn.
func (m *Metrics) InLine(count func() int64) {
	m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "shake_http_connections_in_line", Help: "Connections that wait at the door while the processor is behind.",
	}, func() float64 { return float64(count()) }))
}

// Limit implements access.Observer.
func (m *Metrics) Limit(requests int64) { m.limit.Set(float64(requests)) }

// Pages implements access.HubObserver.
func (m *Metrics) Pages(open int) { m.pages.Set(float64(open)) }

// PageDropped implements access.HubObserver.
func (m *Metrics) PageDropped(reason string) { m.dropped.WithLabelValues(reason).Inc() }

// Told implements access.HubObserver.
func (m *Metrics) Told(kind string, pages int) { m.told.WithLabelValues(kind).Add(float64(pages)) }

// Shown implements access.HubObserver.
func (m *Metrics) Shown() { m.shown.Inc() }

// TimeToLook implements access.HubObserver.
func (m *Metrics) TimeToLook(took time.Duration) { m.looks.Observe(took.Seconds()) }

// Pushed implements reward.PushObserver.
func (m *Metrics) Pushed(notices int, again bool) {
	push := "first"
	if again {
		push = "again"
	}
	m.pushed.WithLabelValues(push).Add(float64(notices))
}

// PushFailed implements reward.PushObserver.
func (m *Metrics) PushFailed() { m.pushErrs.Inc() }
