package gametest_test

import (
	"testing"
	"time"

	"github.com/shake-live/shake/game/gametest"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/inventory/inventorytest"
)

func TestModel_rounds(t *testing.T) {
	gametest.Run(t, func(*testing.T) gametest.Store {
		m := gametest.NewModel(time.Now)
		return gametest.Store{Rounds: m, Pools: m}
	})
}

func TestModel_pools(t *testing.T) {
	inventorytest.Run(t, func(*testing.T) inventorytest.Subject {
		m := gametest.NewModel(time.Now)
		return inventorytest.Subject{
			Store: m, Run: inventory.Run{Campaign: "exam", Number: 1, Shards: 2},
			Restart: func() { m.Restart("another") },
		}
	})
}
