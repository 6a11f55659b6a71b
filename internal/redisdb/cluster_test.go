package redisdb

import (
	"reflect"
	"testing"
)

func TestParseNodes(t *testing.T) {
	got, err := parseNodes(`a1 127.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-5460 5462 [93-<-b2] [77->-b2]
b2 10.0.0.2:7002@17002,host-2 master - 0 1426238316232 2 connected 5463-10922
c3 127.0.0.1:7003@17003 slave a1 0 1426238317239 1 disconnected
d4 :0@0 master,fail,noaddr - 1426238317239 1426238317239 3 disconnected
`)
	if err != nil {
		t.Fatal(err)
	}
	none := map[int]string{}
	want := []ClusterNode{
		{ID: "a1", Addr: "127.0.0.1:7001", Self: true, Linked: true, Slots: [][2]int{{0, 5460}, {5462, 5462}}, Migrating: map[int]string{77: "b2"}, Importing: map[int]string{93: "b2"}},
		{ID: "b2", Addr: "10.0.0.2:7002", Linked: true, Slots: [][2]int{{5463, 10922}}, Migrating: none, Importing: none},
		{ID: "c3", Addr: "127.0.0.1:7003", PrimaryID: "a1", Migrating: none, Importing: none},
		{ID: "d4", Addr: ":0", Failed: true, Migrating: none, Importing: none},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if n := got[0]; !n.Has(0) || !n.Has(5462) || n.Has(5461) {
		t.Errorf("%v has slots that it has not, or lacks some", n.Slots)
	}
	for _, bad := range []string{"a1 127.0.0.1:7001", "a1 h:1@2 master - 0 0 1 connected x-5", "a1 h:1@2 master - 0 0 1 connected [x->-b]"} {
		if _, err := parseNodes(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
