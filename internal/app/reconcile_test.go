package app

import (
	"context"
	"strings"
	"testing"

	"github.com/shake-live/shake/ops/reconcile"
)

func TestReconcile_clean(t *testing.T) {
	for name, config := range installations {
		t.Run(name, func(t *testing.T) {
			s := openStack(t, config(t))
			w := newWorld(t, s, "clean", 16, 1000, 3)
			r := w.check(context.Background(), nil, reconcile.Options{})
			if !r.OK || r.Total.Rounds != 3000 || r.Players != 1000 || r.Looks != 1 {
				var text strings.Builder
				_ = r.Write(&text)
				t.Errorf("a clean run differs:\n%s", text.String())
			}
		})
	}
}
