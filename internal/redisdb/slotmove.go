package redisdb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrNotMovable says that a check keeps a slot where it is. Nothing was changed.
var ErrNotMovable = errors.New("the slot can't be moved")

// ErrUnclear says that the new server was told to take the slot and did not answer: it may have it, and may not.
var ErrUnclear = errors.New("nobody can say which server has the slot")

const (
	// moveBatch is how many keys one MIGRATE takes: both servers serve nobody else meanwhile, about a millisecond with
	// hashes of players.
	moveBatch = 100
	// migrateTimeout bounds how long a server that is gone holds up the one that sends to it.
	migrateTimeout = time.Second
	// sampleKeys are asked for their size before a move.
	sampleKeys = 200
	// moveReplicaWait bounds the wait for the new server's replicas, and moveSpread that for the cluster to know.
	moveReplicaWait = 5 * time.Second
	moveSpread      = 10 * time.Second
)

// SlotOrder says what is to be moved where.
type SlotOrder struct {
	To       string   // address or id of a primary
	Prefix   string   // what all keys of the slot begin with
	Last     []string // keys that are copied when all others are, and again if need be
	Volatile []string // keys that may come and go meanwhile
	Replicas int      // of the new server that must have everything before it takes the slot
}

// SlotMove brings one slot to another primary while nobody counts on writing to it. Its keys are copied and stay where
// they are until the new server has taken the slot; only then does the old one drop them, by itself, the moment that it
// hears of it. So whoever has the slot has all its keys, wherever a mover dies.
//
// A slot that somebody else has begun to move key by key (Half) is moved on in that way: there the keys are on both sides.
type SlotMove struct {
	SlotOrder
	Slot  int
	Half  bool  // some keys are at the new server alone
	Done  bool  // the new server has the slot
	Keys  int64 // before the move
	Bytes int64 // of memory, by a sample

	db       *DB
	from, to *moveNode
	others   []ClusterNode
	written  int64 // keys of the old server that were copied, without the volatile ones
}

// moveNode is one end of a move.
type moveNode struct {
	ClusterNode
	client *redis.Client
}

// From is the address of the server that has the slot, or had it.
func (m *SlotMove) From() string { return m.from.Addr }

// Target is the address of the new server.
func (m *SlotMove) Target() string { return m.to.Addr }

// Close ends the move's connections.
func (m *SlotMove) Close() error {
	var err error
	if m.to != nil {
		err = m.to.client.Close()
	}
	if m.from != nil && m.from != m.to {
		err = errors.Join(err, m.from.client.Close())
	}
	return err
}

// PlanMove looks at the slot and both servers, and refuses what could not go well (ErrNotMovable).
func (db *DB) PlanMove(ctx context.Context, slot int, order SlotOrder) (_ *SlotMove, err error) {
	m := &SlotMove{SlotOrder: order, Slot: slot, db: db}
	defer func() {
		if err != nil {
			_ = m.Close()
		}
	}()
	if err = m.findEnds(ctx); err != nil {
		return nil, err
	}
	if m.Done {
		return m, nil
	}
	if err = m.checkState(ctx); err == nil {
		err = m.checkKeys(ctx)
	}
	if err == nil {
		err = m.checkTarget(ctx)
	}
	return m, err
}

func (m *SlotMove) refuse(format string, args ...any) error {
	return fmt.Errorf("%w: slot %d: %s", ErrNotMovable, m.Slot, fmt.Sprintf(format, args...))
}

// findEnds finds both servers, by what each says of itself.
func (m *SlotMove) findEnds(ctx context.Context) error {
	nodes, err := m.db.ClusterNodes(ctx)
	if err != nil {
		return err
	}
	var to, from *ClusterNode
	for i := range nodes {
		n := &nodes[i]
		if n.Addr == m.To || n.ID == m.To {
			to = n
		}
		if n.PrimaryID == "" && n.Has(m.Slot) {
			from = n
		}
	}
	switch {
	case to == nil:
		return m.refuse("%s is no server of this cluster", m.To)
	case to.PrimaryID != "":
		return m.refuse("%s is a replica; a slot goes to a primary", to.Addr)
	case to.Failed:
		return m.refuse("the cluster says that %s has failed", to.Addr)
	case from == nil:
		return m.refuse("no server has it")
	}
	if m.to, err = m.db.end(ctx, to.Addr); err != nil {
		return err
	}
	if m.Done = m.to.Has(m.Slot); m.Done && from.ID == to.ID {
		m.from = m.to
		return nil
	}
	if m.from, err = m.db.end(ctx, from.Addr); err != nil {
		return err
	}
	for _, n := range nodes {
		if n.PrimaryID == "" && !n.Failed && n.ID != from.ID && n.ID != to.ID {
			m.others = append(m.others, n)
		}
	}
	if !m.Done && !m.from.Has(m.Slot) {
		return m.refuse("the servers of the cluster do not agree who has it; try again")
	}
	return nil
}

// end opens a connection of its own to a server. Its calls may take as long as a batch does.
func (db *DB) end(ctx context.Context, addr string) (*moveNode, error) {
	opts := db.opts.forNode(addr)
	opts.ReadTimeout, opts.WriteTimeout, opts.MaxRetries = 4*migrateTimeout+moveReplicaWait, 4*migrateTimeout, -1
	n := &moveNode{client: redis.NewClient(opts)}
	nodes, err := nodesOf(ctx, n.client)
	if err != nil {
		return nil, errors.Join(err, n.client.Close())
	}
	i := slices.IndexFunc(nodes, func(n ClusterNode) bool { return n.Self })
	if i < 0 {
		return nil, errors.Join(fmt.Errorf("redis %s does not say who it is", addr), n.client.Close())
	}
	n.ClusterNode = nodes[i]
	n.Addr = addr
	return n, nil
}

// checkState finds what others, or a mover that died, have begun.
func (m *SlotMove) checkState(ctx context.Context) error {
	if id, moving := m.from.Migrating[m.Slot]; moving {
		if id != m.to.ID {
			return m.refuse("it is on its way to the server %s already: --to %s finishes that", id, id)
		}
		m.Half = true
		return nil
	}
	mine, err := m.keysAt(ctx, m.to)
	if err != nil || len(mine) == 0 {
		return err
	}
	there, err := m.keysAt(ctx, m.from)
	if err != nil {
		return err
	}
	has := setOf(there)
	for _, key := range mine {
		if !has[key] && !slices.Contains(m.Volatile, key) {
			// A move key by key whose old server forgot about it, as a replica does that took over.
			m.Half = true
			return nil
		}
	}
	return nil
}

// checkKeys refuses a slot in which others have keys, for nobody keeps them from writing while it is copied.
func (m *SlotMove) checkKeys(ctx context.Context) error {
	keys, err := m.keysAt(ctx, m.from)
	if err != nil {
		return err
	}
	if err := m.checkForeign(keys); err != nil {
		return err
	}
	m.Keys = int64(len(keys))
	pipe := m.from.client.Pipeline()
	for i := 0; i < len(keys); i += 1 + len(keys)/sampleKeys {
		pipe.MemoryUsage(ctx, keys[i])
	}
	sizes, err := pipe.Exec(ctx)
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("redis %s: %w", m.from.Addr, err)
	}
	for _, s := range sizes {
		m.Bytes += s.(*redis.IntCmd).Val()
	}
	if len(sizes) > 0 {
		m.Bytes = m.Bytes * m.Keys / int64(len(sizes))
	}
	return nil
}

func (m *SlotMove) checkForeign(keys []string) error {
	if m.Half {
		return nil // MIGRATE takes each key as it is
	}
	var foreign []string
	for _, key := range keys {
		if !strings.HasPrefix(key, m.Prefix) {
			foreign = append(foreign, key)
		}
	}
	if n := len(foreign); n > 0 {
		return m.refuse("%d keys in it are not of this pool, such as %q, and may be written to meanwhile; retire old runs, or move it "+
			"with redis-cli --cluster reshard, which is survived", n, foreign[0])
	}
	return nil
}

// checkTarget refuses a server that does not see the cluster, or has no room, or without the replicas that answers are promised.
func (m *SlotMove) checkTarget(ctx context.Context) error {
	state, err := m.to.client.ClusterInfo(ctx).Result()
	if err != nil {
		return fmt.Errorf("redis %s: %w", m.to.Addr, err)
	}
	if !strings.Contains(state, "cluster_state:ok") {
		return m.refuse("%s says that the cluster is down; one that has just joined says so for some seconds", m.to.Addr)
	}
	info, err := m.to.client.Info(ctx).Result()
	if err != nil {
		return fmt.Errorf("redis %s: %w", m.to.Addr, err)
	}
	used, limit := infoNumber(info, "used_memory"), infoNumber(info, "maxmemory")
	if need := m.Bytes + m.Bytes/4; limit > 0 && used+need > limit {
		return m.refuse("%s has %d of %d bytes left, and %d are wanted", m.to.Addr, limit-used, limit, need)
	}
	online := strings.Count(info, ",state=online,")
	if online < m.Replicas {
		return m.refuse("%s has %d replicas, and durability wants %d", m.to.Addr, online, m.Replicas)
	}
	m.Replicas = max(m.Replicas, min(1, online)) // one at least, where there is any: a copy alone is soon none
	return nil
}

func infoNumber(info, name string) int64 {
	for line := range strings.Lines(info) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			n, _ := strconv.ParseInt(text, 10, 64) // 0: unknown
			return n
		}
	}
	return 0
}

// keysAt are all keys of the slot at one end. It holds that server up for about a tenth of a millisecond for 1,000 keys.
func (m *SlotMove) keysAt(ctx context.Context, n *moveNode) ([]string, error) {
	count, err := n.client.ClusterCountKeysInSlot(ctx, m.Slot).Result()
	if err == nil && count > 0 {
		var keys []string
		keys, err = n.client.ClusterGetKeysInSlot(ctx, m.Slot, int(count)+moveBatch).Result()
		if err == nil {
			return keys, nil
		}
	}
	if err != nil {
		err = fmt.Errorf("redis %s: %w", n.Addr, err)
	}
	return nil, err
}

func setOf(keys []string) map[string]bool {
	set := make(map[string]bool, len(keys))
	for _, key := range keys {
		set[key] = true
	}
	return set
}

func (n *moveNode) do(ctx context.Context, args ...any) error {
	if err := n.client.Do(ctx, args...).Err(); err != nil {
		return fmt.Errorf("redis %s: %v %v: %w", n.Addr, args[0], args[1], err)
	}
	return nil
}

// Prepare has the new server take keys of the slot.
func (m *SlotMove) Prepare(ctx context.Context) error {
	return m.to.do(ctx, "cluster", "setslot", m.Slot, "importing", m.from.ID)
}

// Copy copies all keys but the last ones. Nobody may write to them any more, the volatile ones excepted.
func (m *SlotMove) Copy(ctx context.Context, progress func(done, all int)) error {
	keys, err := m.keysAt(ctx, m.from)
	if err == nil {
		err = m.checkForeign(keys)
	}
	if err != nil {
		return err
	}
	m.Keys = int64(len(keys))
	m.written = m.steady(keys)
	keys = slices.DeleteFunc(keys, func(key string) bool { return slices.Contains(m.Last, key) })
	done := 0
	for batch := range slices.Chunk(keys, moveBatch) {
		if err := m.migrate(ctx, batch, "copy", "replace"); err != nil {
			return err
		}
		done += len(batch)
		progress(done, len(keys))
	}
	return nil
}

// steady is how many keys are not volatile.
func (m *SlotMove) steady(keys []string) (n int64) {
	for _, key := range keys {
		if !slices.Contains(m.Volatile, key) {
			n++
		}
	}
	return n
}

// migrate sends keys from the one to the other; those that are not there any more are no error.
func (m *SlotMove) migrate(ctx context.Context, keys []string, how ...string) error {
	host, port, err := net.SplitHostPort(m.to.Addr)
	if err != nil {
		return err
	}
	args := []any{"migrate", host, port, "", 0, migrateTimeout.Milliseconds()}
	for _, word := range how {
		args = append(args, word)
	}
	switch opts := m.db.opts; {
	case opts.Username != "":
		args = append(args, "auth2", opts.Username, opts.Password)
	case opts.Password != "":
		args = append(args, "auth", opts.Password)
	}
	args = append(args, "keys")
	for _, key := range keys {
		args = append(args, key)
	}
	for try := 1; ; try++ {
		err := m.from.client.Do(ctx, args...).Err()
		if err == nil {
			return nil
		}
		// What was sent when the connection broke may be there: with replace it comes again, without it is not here any more.
		if !redis.HasErrorPrefix(err, "IOERR") || try == 3 {
			return fmt.Errorf("redis %s: migrate to %s: %w", m.from.Addr, m.to.Addr, err)
		}
	}
}

// CopyLast copies the last keys, and returns when replicas of the new server have everything. It fails where the slot has
// other keys than those that were copied.
func (m *SlotMove) CopyLast(ctx context.Context) error {
	if err := m.migrate(ctx, m.Last, "copy", "replace"); err != nil {
		return err
	}
	if err := m.compare(ctx); err != nil {
		return err
	}
	return m.awaitReplicas(ctx)
}

// compare checks that the new server has all keys: by their numbers, which is quick, and where those differ, as volatile
// keys may make them, one by one.
func (m *SlotMove) compare(ctx context.Context) error {
	var counts [2]int64
	for i, n := range []*moveNode{m.from, m.to} {
		var err error
		if counts[i], err = n.client.ClusterCountKeysInSlot(ctx, m.Slot).Result(); err != nil {
			return fmt.Errorf("redis %s: %w", n.Addr, err)
		}
	}
	if counts[0] == m.Keys && counts[1] == m.Keys {
		return nil
	}
	keys, err := m.keysAt(ctx, m.from)
	if err == nil {
		err = m.checkForeign(keys)
	}
	if err != nil {
		return err
	}
	if n := m.steady(keys); n != m.written {
		return fmt.Errorf("slot %d had %d keys and has %d: somebody writes to it", m.Slot, m.written, n)
	}
	copied, err := m.keysAt(ctx, m.to)
	if err != nil {
		return err
	}
	has := setOf(copied)
	for _, key := range keys {
		if !has[key] && !slices.Contains(m.Volatile, key) {
			return fmt.Errorf("slot %d: %s lacks %q", m.Slot, m.to.Addr, key)
		}
	}
	return nil
}

// awaitReplicas writes one more key, for the WAIT to follow: what was written before is older.
func (m *SlotMove) awaitReplicas(ctx context.Context) error {
	if m.Replicas == 0 {
		return nil
	}
	pipe := m.to.client.Pipeline()
	pipe.Do(ctx, "asking")
	pipe.Set(ctx, m.Volatile[0], "", time.Second)
	wait := pipe.Do(ctx, "wait", m.Replicas, moveReplicaWait.Milliseconds())
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("redis %s: %w", m.to.Addr, err)
	}
	if n, err := wait.Int(); err != nil || n < m.Replicas {
		return fmt.Errorf("redis %s: %d replicas have what was copied, want %d: %w", m.to.Addr, n, m.Replicas, err)
	}
	return nil
}

// Switch gives the slot to the new server: from here on it is moved, whatever happens. ErrUnclear.
func (m *SlotMove) Switch(ctx context.Context) error {
	take := []any{"cluster", "setslot", m.Slot, "node", m.to.ID}
	err := m.to.do(ctx, take...)
	var answer redis.Error
	if err == nil || errors.As(err, &answer) {
		return err
	}
	// The answer is lost, and perhaps the question, which may come as often as it likes.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), migrateTimeout)
	defer cancel()
	again, askErr := m.db.end(ctx, m.to.Addr)
	if askErr == nil {
		defer again.client.Close()
		askErr = again.do(ctx, take...)
	}
	if askErr != nil {
		return fmt.Errorf("%w: %w", ErrUnclear, errors.Join(err, askErr))
	}
	return nil
}

// Spread tells the other primaries, and returns when the old server knows. They would all hear of it by themselves.
func (m *SlotMove) Spread(ctx context.Context) error {
	for _, n := range m.others {
		opts := m.db.opts.forNode(n.Addr)
		c := redis.NewClient(opts)
		_ = c.Do(ctx, "cluster", "setslot", m.Slot, "node", m.to.ID).Err() // it will hear of it
		_ = c.Close()
	}
	if m.from == m.to {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, moveSpread)
	defer cancel()
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		// Refused while it has keys of the slot: it drops them when it hears from the new server.
		err := m.from.do(ctx, "cluster", "setslot", m.Slot, "node", m.to.ID)
		if err == nil {
			return m.follow(ctx)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s still believes that it has slot %d: %w", m.from.Addr, m.Slot, err)
		case <-time.After(pause):
		}
	}
}

// follow waits until our own map of the slots has the new server, so that calls do not go astray.
func (m *SlotMove) follow(ctx context.Context) error {
	for {
		addr, err := m.db.primary(ctx, m.Last[0])
		if err == nil && addr == m.to.Addr {
			return nil
		}
		m.db.Reload(ctx)
		select {
		case <-ctx.Done():
			return fmt.Errorf("slot %d is at %s, and %s is told: %w", m.Slot, m.to.Addr, addr, errors.Join(ctx.Err(), err))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Undo takes copies away from the new server, while the old one has the slot and all its keys.
func (m *SlotMove) Undo(ctx context.Context) error {
	copies, err := m.keysAt(ctx, m.to)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(copies, moveBatch) {
		pipe := m.to.client.Pipeline()
		for _, key := range batch {
			pipe.Do(ctx, "asking")
			pipe.Unlink(ctx, key)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return fmt.Errorf("redis %s: %w", m.to.Addr, err)
		}
	}
	return m.to.do(ctx, "cluster", "setslot", m.Slot, "stable")
}

// MoveOn finishes what somebody began key by key: the last keys first, so that the pool is closed at once.
func (m *SlotMove) MoveOn(ctx context.Context, progress func(done, all int)) error {
	if err := m.Prepare(ctx); err != nil {
		return err
	}
	if err := m.from.do(ctx, "cluster", "setslot", m.Slot, "migrating", m.to.ID); err != nil {
		return err
	}
	if err := m.migrate(ctx, m.Last); err != nil {
		return err
	}
	for done := len(m.Last); ; {
		keys, err := m.from.client.ClusterGetKeysInSlot(ctx, m.Slot, moveBatch).Result()
		if err != nil {
			return fmt.Errorf("redis %s: %w", m.from.Addr, err)
		}
		if len(keys) == 0 {
			return m.awaitReplicas(ctx)
		}
		if err := m.migrate(ctx, keys); err != nil {
			return err
		}
		done += len(keys)
		progress(done, int(m.Keys))
	}
}
