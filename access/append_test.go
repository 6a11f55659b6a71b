package access

import (
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
)

// The bodies written by hand are those that encoding/json writes of the same shapes, whatever stands in them.
func TestAppend_asJSON(t *testing.T) {
	prize := "a \"prize\" <é> & \\ more\n"
	at := stamp(time.Date(2026, 11, 11, 20, 0, 1, 987_654_321, time.FixedZone("", 8*3600)))
	for _, r := range []resultShape{
		{},
		{Round: "demo.1.2.ann@x:1+2.3", Number: 3, Coins: 5, Total: 1 << 40, ChancesLeft: 7, Claim: "AQ-_", SettledAt: at},
		{Round: "näh", Prize: &prize, Claim: "\xff", SettledAt: at},
	} {
		same(t, r, func(c *gin.Context) { writeResult(c, r) })
	}
	for _, r := range []roundShape{{}, {Round: "demo.1.2.ann.3", Number: 3, Token: prize, StartsAt: at, EndsAt: at, ChancesLeft: -1}} {
		same(t, r, func(c *gin.Context) { writeRound(c, r) })
	}
}

func same(t *testing.T, shape any, write func(*gin.Context)) {
	t.Helper()
	w := httptest.NewRecorder()
	c, _ := gin.CreateTestContext(w)
	write(c)
	want, err := json.Marshal(shape)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Body.String(); got != string(want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
