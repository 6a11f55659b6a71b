package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// program is a campaign that a test changes, told by the stream and kept by caches as the real one is.
type program struct {
	sync.Mutex
	version int
	starts  time.Time
	ends    time.Time
	changed chan struct{}
}

func (c *program) publish(starts, ends time.Time) {
	c.Lock()
	defer c.Unlock()
	c.version++
	c.starts, c.ends = starts, ends
	if c.changed != nil {
		close(c.changed)
	}
	c.changed = make(chan struct{})
}

func (c *program) state() (version int, body string, changed chan struct{}) {
	c.Lock()
	defer c.Unlock()
	at := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
	return c.version, fmt.Sprintf(`{"id":"demo","game":"shake","market":"SG","name":"Demo","stage":"warmup","version":%d,"warmup_at":%q,"starts_at":%q,
		"ends_at":%q,"round_seconds":3,"late_seconds":30,"chances":9,"pool":{"funded":100,"left":100,"open":true},"assets":{}}`,
		c.version, at(c.starts.Add(-time.Hour)), at(c.starts), at(c.ends)), c.changed
}

func (c *program) hook(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/v1/campaigns/demo"):
		_, body, _ := c.state()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=1, stale-while-revalidate=5")
		_, _ = w.Write([]byte(body))
	case r.URL.Path == "/v1/live":
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			version, _, changed := c.state()
			fmt.Fprintf(w, "event: stage\ndata: {\"campaign\":\"demo\",\"stage\":\"warmup\",\"version\":%d}\n\n", version)
			w.(http.Flusher).Flush()
			select {
			case <-changed:
			case <-r.Context().Done():
				return true
			}
		}
	default:
		return false
	}
	return true
}

// Who has just opened the page hears of a change while a cache still has what was before.
func TestSchedule_changesReachWhoHasJustCome(t *testing.T) {
	d := demo(t).door(t)
	now := time.Now()
	c := &program{}
	c.publish(now.Add(10*time.Minute), now.Add(time.Hour))
	d.answer(c.hook)
	p := open(t, d)
	p.join("planner")
	p.until(`document.body.dataset.live === 'stream'`)
	stage := func(starts time.Time, want string) {
		p.do(chromedp.Navigate("about:blank"), chromedp.Navigate(d.URL))
		p.until(`document.body.dataset.live === 'stream'`)
		c.publish(starts, now.Add(time.Hour))
		p.within(12*time.Second, fmt.Sprintf(`document.body.dataset.stage === %q`, want)) // 3 s to spread, and no next look
	}
	stage(now.Add(-time.Minute), "live") // brought forward
	stage(now.Add(10*time.Minute), "warmup")
}
