//go:build failpoints

package clock

import (
	"os"
	"time"
)

// offset is how wrong the clock is, for the fault suite.
var offset, _ = time.ParseDuration(os.Getenv("SHAKE_CLOCK_OFFSET"))
