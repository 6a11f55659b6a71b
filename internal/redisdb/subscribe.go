package redisdb

import "context"

// Listener is what a channel's messages go to. Fn must not wait for anybody: all listeners of a subscription share one
// goroutine.
type Listener struct {
	Channel string
	Fn      func(message string)
}

// Subscribe hands each message to the listener of its channel until ctx ends, over one connection for all of them. It
// reconnects by itself; what was published meanwhile is lost.
func (db *DB) Subscribe(ctx context.Context, listeners ...Listener) error {
	fns := make(map[string]func(string), len(listeners))
	channels := make([]string, len(listeners))
	for i, l := range listeners {
		fns[l.Channel], channels[i] = l.Fn, l.Channel
	}
	sub := db.client.Subscribe(ctx, channels...)
	defer sub.Close()
	messages := sub.Channel()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case m, ok := <-messages:
			if !ok {
				return ctx.Err()
			}
			if fn := fns[m.Channel]; fn != nil {
				fn(m.Payload)
			}
		}
	}
}
