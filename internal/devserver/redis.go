package devserver

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// Redis is an embedded Redis. It keeps nothing: each start is an empty server with a new run id, which is
// what tells everybody that its shards must be reopened from the log.
type Redis struct {
	m     *miniredis.Miniredis
	runID string
}

// StartRedis listens on addr; port 0 takes a free one.
func StartRedis(addr string) (*Redis, error) {
	id := make([]byte, 20)
	_, _ = rand.Read(id) // never fails
	r := &Redis{m: miniredis.NewMiniRedis(), runID: hex.EncodeToString(id)}
	if err := r.m.StartAddr(addr); err != nil {
		return nil, fmt.Errorf("embedded redis on %s (is another one running?): %w", addr, err)
	}
	r.m.ClockTTL(true) // without it a key expires only when a test says so
	r.m.Server().SetPreHook(r.info)
	return r, nil
}

// info answers the sections of INFO that miniredis lacks: clients learn from them whom they talk to.
func (r *Redis) info(c *server.Peer, command string, args ...string) bool {
	if command != "INFO" || len(args) != 1 {
		return false
	}
	switch strings.ToLower(args[0]) {
	case "server":
		c.WriteBulk("# Server\r\nredis_version:7.0.0\r\nredis_mode:standalone\r\nrun_id:" + r.runID + "\r\n")
	case "replication":
		c.WriteBulk("# Replication\r\nrole:master\r\nconnected_slaves:0\r\n")
	default:
		return false
	}
	return true
}

// Addr is the host:port that it listens on.
func (r *Redis) Addr() string { return r.m.Addr() }

// RunID names this start of the server, as INFO does.
func (r *Redis) RunID() string { return r.runID }

// Close ends all connections and forgets everything.
func (r *Redis) Close() { r.m.Close() }
