package redisdb

// RetireAll ends every lane in which nobody waits, as if no address were a primary's any more.
func (b *Batcher) RetireAll() { b.retireBut(nil) }
