package sqlinbox_test

import (
	"testing"

	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/internal/sqldb/sqldbtest"
	"github.com/shake-live/shake/reward/rewardtest"
	"github.com/shake-live/shake/reward/sqlinbox"
)

var handingOver = sqlinbox.Options{HandOver: true, HandOverAfter: rewardtest.HandOverAfter}

func TestStore(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func(testing.TB) *sqldb.DB) {
		rewardtest.RunInbox(t, func(t testing.TB) rewardtest.Inbox { return sqlinbox.New(open(t), clock.System{}, handingOver) })
	})
}
