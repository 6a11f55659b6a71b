package redisdb

// RetireAll ends every lane in which nobody waits, as if no address were a primary's any more.
func (b *Batcher) RetireAll() { b.retireBut(nil) }

// RetireHalf ends every lane and leaves it where calls find it until forget, as a call meets one that retires
// between its being picked and its being joined.
func (b *Batcher) RetireHalf() (forget func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.lanes {
		l.retire()
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		clear(b.lanes)
	}
}
