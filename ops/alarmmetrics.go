package ops

import (
	"strings"

	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/reward"
)

// A counter that comes into being with its first event has no rate then, so the first event would raise no alarm. What
// alarms stand on is there from the start, at 0.

// present makes what depends on nothing.
func (m *Metrics) present() {
	for _, reason := range []string{"oom", "noreplicas", "misconf", "wrongtype"} {
		m.refusals.WithLabelValues(reason)
	}
	for _, outcome := range []string{"ok", "error"} {
		m.flights.WithLabelValues(outcome)
	}
	for _, layer := range []string{"process", "redis", "origin", "stale", "none"} {
		m.answers.WithLabelValues(layer)
	}
	for _, push := range []string{"first", "again"} {
		m.pushed.WithLabelValues(push)
	}
	for _, fate := range []string{"written", "lost"} {
		m.logged.WithLabelValues(fate)
	}
	for _, outcome := range game.ClaimOutcomes {
		m.claims.WithLabelValues(outcome)
	}
	for _, outcome := range []string{"taken", "refused", "forbidden", "limited", "failed", "unreachable"} {
		m.asked.WithLabelValues(outcome)
	}
	for _, fate := range []string{"kept", "lost", "unread"} {
		m.named.WithLabelValues(fate)
	}
	for _, fate := range reward.Fates {
		m.fates.WithLabelValues(fate)
	}
}

// Plays makes what a node counts of a campaign.
func (m *Metrics) Plays(campaign string) {
	m.shortRounds.WithLabelValues(campaign)
	m.inflated.WithLabelValues(campaign)
	m.summed.WithLabelValues(campaign)
}

// Works makes what a worker counts of a campaign.
func (m *Metrics) Works(campaign string) {
	m.kept.WithLabelValues(campaign)
	m.keepErrs.WithLabelValues(campaign)
	m.opened.WithLabelValues(campaign)
	m.relayFails.WithLabelValues(campaign)
	m.boards.WithLabelValues(campaign)
	for _, what := range []string{"entries", "rounds"} {
		m.relayed.WithLabelValues(campaign, what)
	}
}

// Checks makes what is counted of a check of a campaign that does not come to an end.
func (m *Metrics) Checks(campaign, check string) { m.unchecked.WithLabelValues(campaign, check) }

// Reads makes what is counted of a consumer group.
func (m *Metrics) Reads(group string) {
	m.applied.WithLabelValues(group)
	m.again.WithLabelValues(group)
	for _, kind := range []string{"repeat", "void", "gap", "held", "refused", "dead"} {
		m.oddities.WithLabelValues(readerOf(group), kind)
	}
}

// readerOf is the reader of a group, whose name is namespace, dot, reader.
func readerOf(group string) string { return group[strings.LastIndexByte(group, '.')+1:] }

// NotKept forgets what the keeper told of a run: another worker keeps it, or nobody needs to. What stood here for good
// would go on raising alarms.
func (m *Metrics) NotKept(campaign string) {
	for _, state := range []string{"funded", "left", "issued"} {
		m.pool.DeleteLabelValues(campaign, state)
	}
	m.closed.DeleteLabelValues(campaign)
	m.pending.DeleteLabelValues(campaign)
}

// Summed counts a level that a node summed for itself.
func (m *Metrics) Summed(run inventory.Run) { m.summed.WithLabelValues(run.Campaign).Inc() }

// Ready tells what a check of readiness says.
func (m *Metrics) Ready(check string, ready bool) {
	value := 1.0
	if ready {
		value = 0
	}
	m.notReady.WithLabelValues(check).Set(value)
}

// Durable tells how many replicas an end waits for.
func (m *Metrics) Durable(replicas int) { m.replicas.Set(float64(replicas)) }

// Memory tells what the primaries use, and may use, by node. Those that are primaries no more are forgotten. One
// goroutine calls it.
func (m *Metrics) Memory(used, most map[string]int64) {
	for node := range m.nodes {
		if _, there := used[node]; !there {
			m.memory.DeleteLabelValues(node)
			m.memoryMax.DeleteLabelValues(node)
		}
	}
	m.nodes = used
	for node, bytes := range used {
		m.memory.WithLabelValues(node).Set(float64(bytes))
		m.memoryMax.WithLabelValues(node).Set(float64(most[node]))
	}
}
