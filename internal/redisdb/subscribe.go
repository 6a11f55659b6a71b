package redisdb

import "context"

// Subscribe calls fn for each message on a channel until ctx ends. It reconnects by itself; what was published
// meanwhile is lost.
func (db *DB) Subscribe(ctx context.Context, channel string, fn func(message string)) error {
	sub := db.client.Subscribe(ctx, channel)
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
			fn(m.Payload)
		}
	}
}
