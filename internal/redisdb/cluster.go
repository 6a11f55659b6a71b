package redisdb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ErrNoCluster says that there are no slots to be asked for: Redis is a single server.
var ErrNoCluster = errors.New("redis is a single server, not a cluster")

// ClusterNode is a server of a cluster, as one of them knows it.
type ClusterNode struct {
	ID        string
	Addr      string // where clients reach it
	PrimaryID string // of which it is a replica; "" for a primary
	Self      bool   // it is the one that was asked
	Failed    bool
	Linked    bool

	Slots     [][2]int       // first and last of each stretch
	Migrating map[int]string // slots on their way out, and the node's id to which; known of Self alone
	Importing map[int]string // slots on their way in, and from where; known of Self alone
}

// Has tells whether the slot is the node's.
func (n *ClusterNode) Has(slot int) bool {
	for _, s := range n.Slots {
		if s[0] <= slot && slot <= s[1] {
			return true
		}
	}
	return false
}

// ClusterNodes asks any server of the cluster who belongs to it.
func (db *DB) ClusterNodes(ctx context.Context) ([]ClusterNode, error) {
	if db.cluster == nil {
		return nil, ErrNoCluster
	}
	text, err := db.cluster.ClusterNodes(ctx).Result()
	if err != nil {
		return nil, err
	}
	return parseNodes(text)
}

// nodesOf asks one server who belongs to its cluster.
func nodesOf(ctx context.Context, c *redis.Client) ([]ClusterNode, error) {
	text, err := c.ClusterNodes(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("redis %s: %w", c.Options().Addr, err)
	}
	return parseNodes(text)
}

// parseNodes reads the answer of CLUSTER NODES: id, address, flags, primary, ping, pong, epoch, link, slots.
// Source: https://redis.io/docs/latest/commands/cluster-nodes/
func parseNodes(text string) (list []ClusterNode, err error) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 8 {
			return nil, fmt.Errorf("redis: CLUSTER NODES has the line %q", line)
		}
		n := ClusterNode{ID: words[0], Migrating: map[int]string{}, Importing: map[int]string{}, Linked: words[7] == "connected"}
		n.Addr, _, _ = strings.Cut(words[1], "@")
		for flag := range strings.SplitSeq(words[2], ",") {
			switch flag {
			case "myself":
				n.Self, n.Linked = true, true
			case "fail", "fail?", "noaddr", "handshake":
				n.Failed = true
			case "slave":
				n.PrimaryID = words[3]
			}
		}
		for _, word := range words[8:] {
			if err := n.addSlots(word); err != nil {
				return nil, err
			}
		}
		list = append(list, n)
	}
	return list, nil
}

// addSlots takes "7", "0-5460", "[93-<-id]" or "[77->-id]".
func (n *ClusterNode) addSlots(word string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("redis: CLUSTER NODES has the slots %q: %w", word, err)
		}
	}()
	inside, moving := strings.CutPrefix(strings.TrimSuffix(word, "]"), "[")
	if moving {
		way, to := "->-", n.Migrating
		if strings.Contains(inside, "-<-") {
			way, to = "-<-", n.Importing
		}
		text, id, _ := strings.Cut(inside, way)
		slot, err := strconv.Atoi(text)
		to[slot] = id
		return err
	}
	first, last, stretch := strings.Cut(word, "-")
	if !stretch {
		last = first
	}
	a, err := strconv.Atoi(first)
	b, err2 := strconv.Atoi(last)
	n.Slots = append(n.Slots, [2]int{a, b})
	return errors.Join(err, err2)
}

// Place is where the keys of one hash tag lie.
type Place struct {
	Slot   int
	Server string // address of the primary
	Keys   int64  // in the slot; -1 where nobody can tell
}

// Places tells where keys lie, one of each hash tag.
func (db *DB) Places(ctx context.Context, keys []string) ([]Place, error) {
	list := make([]Place, len(keys))
	for i, key := range keys {
		list[i] = Place{Slot: Slot(key), Keys: -1}
		node, err := db.Node(ctx, key)
		if err != nil {
			return nil, err
		}
		list[i].Server = node.Options().Addr
		if db.cluster == nil {
			continue
		}
		// A user without the right to ask still learns all the rest.
		if n, err := node.ClusterCountKeysInSlot(ctx, list[i].Slot).Result(); err == nil {
			list[i].Keys = n
		} else if !redis.HasErrorPrefix(err, "NOPERM") {
			return nil, fmt.Errorf("redis %s: %w", list[i].Server, err)
		}
	}
	return list, nil
}
