package faults

import (
	"fmt"
	"net"
	"time"

	"github.com/shake-live/shake/internal/testenv"
	"github.com/shake-live/shake/test/rig"
)

// The primary database dies, and its replica, which has lagged, takes over: transactions that were committed are gone, and
// the readers' cursors with them. They stop before the hole; the log is replayed by hand, as the runbook says, and fills it.
func init() {
	add(21, "database-failover-to-lagging-replica", plan{recovery: prompt}, func(s *scene) {
		replica := s.replicate()
		s.play()
		s.caughtUp(replica)
		s.must(replica.Exec("STOP SLAVE"))
		s.rounds(300)
		s.pause(2 * time.Second) // the ledger has them
		s.breaks("the database is gone, its replica lacks the last rounds", "ConsumerStopped")
		s.mysql.Pause()
		s.must(s.database.Lead(replica.Addr()))
		s.t.Cleanup(func() { // for the next one
			s.mysql.Resume()
			s.must(s.database.Lead(s.mysql.Addr()))
		})
		s.pause(3 * time.Second)
		s.everyShard()
		s.crowd.finish()
		rig.Eventually(s.t, 60*time.Second, func() error {
			_, err := s.nodes[0].sys.Shake("replay", "--from", "kafka", "--campaign", s.run.Campaign, "--to", "ledger,inbox,board")
			return err
		})
		s.note("the log is replayed")
	})
}

// replicate starts a replica of the database.
func (s *scene) replicate() *testenv.Server {
	s.t.Helper()
	replica := testenv.StartMySQL(s.t, "server-id=2", "read-only=OFF")
	_, port, err := net.SplitHostPort(s.mysql.Addr())
	s.must(err)
	s.must(replica.Exec(fmt.Sprintf(
		"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%s, MASTER_USER='root', MASTER_PASSWORD='', MASTER_USE_GTID=slave_pos", port)))
	s.must(replica.Exec("START SLAVE"))
	return replica
}

// caughtUp waits until the replica has what the primary has now.
func (s *scene) caughtUp(replica *testenv.Server) {
	s.t.Helper()
	at, err := s.mysql.Ask("SELECT @@gtid_binlog_pos")
	s.must(err)
	late, err := replica.Ask(fmt.Sprintf("SELECT MASTER_GTID_WAIT('%s', 30)", at))
	s.must(err)
	if late != "0" {
		s.t.Fatalf("the replica has not come to %s within 30 s", at)
	}
}
